// Kernels with the faults that the emulator is there to find, and what is right in their place.
#include "../../dev.h"

extern "C" __global__ void reverse_without_barrier(int* out) {
  __shared__ int v[64];
  const int t = threadIdx.x;
  v[t] = t;
  out[t] = v[63 - t];
}
extern "C" __global__ void reverse(int* out) {
  __shared__ int v[64];
  const int t = threadIdx.x;
  v[t] = t;
  __syncthreads();
  out[t] = v[63 - t];
}
extern "C" __global__ void divergent_barrier(int* out) {
  if (threadIdx.x < 16) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}
extern "C" __global__ void barrier_after_end(int* out) {
  if (threadIdx.x < 5) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}
extern "C" __global__ void divergent_shuffle(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(~0u, (int)threadIdx.x, 0);
}
template <int PENDING>
DEV void copied(float* out, const float* in) {
  __shared__ __align__(16) float v[64];
  const int t = threadIdx.x;
  cp_async4(shared_address(v + t), in + t);
  cp_async_commit();
  cp_async_wait<PENDING>();
  __syncthreads();
  out[t] = v[63 - t];
}
extern "C" __global__ void copy_short_wait(float* out, const float* in) { copied<1>(out, in); }
extern "C" __global__ void copy(float* out, const float* in) { copied<0>(out, in); }
extern "C" __global__ void fresh_shared(float* out) {
  __shared__ float v[64];
  out[threadIdx.x] = v[threadIdx.x];
}
extern "C" __global__ void fresh_dynamic(float* out) {
  DYN_SHARED(float, v);
  out[threadIdx.x] = v[threadIdx.x];
}
extern "C" __global__ void misaligned(float* out) {
  __shared__ __align__(16) float v[64];
  v[threadIdx.x] = 0;
  __syncthreads();
  out[threadIdx.x] = lds128(shared_address(v) + 4).x;
}
extern "C" __global__ void fill(float* out, float value, int first) { out[first + (int)threadIdx.x] = value; }
extern "C" __global__ void __launch_bounds__(32) bounded(int* out) { out[threadIdx.x] = 1; }
