// The matrix instructions of dev.h, one kernel each: a warp hands in registers and gets them back.
#include "../../dev.h"

#define MMA(name, NA, NB)                                                                                       \
  extern "C" __global__ void name(const unsigned* a, const unsigned* b, const float* c, float* d) {             \
    const int l = threadIdx.x;                                                                                  \
    unsigned av[NA], bv[NB];                                                                                    \
    float cv[4];                                                                                                \
    for (int i = 0; i < NA; i++) av[i] = a[l * NA + i];                                                         \
    for (int i = 0; i < NB; i++) bv[i] = b[l * NB + i];                                                         \
    for (int i = 0; i < 4; i++) cv[i] = c[l * 4 + i];                                                           \
    mma_##name(cv, av, bv);                                                                                     \
    for (int i = 0; i < 4; i++) d[l * 4 + i] = cv[i];                                                           \
  }
MMA(m16n8k8_tf32, 4, 2)
MMA(m16n8k8_bf16, 2, 1)
MMA(m16n8k16_bf16, 4, 2)
MMA(m16n8k8_f16, 2, 1)
MMA(m16n8k16_f16, 4, 2)

// m: COUNT matrices of 8×8 16-bit elements. Lane l names row l%8 of matrix l/8.
#define LOAD(name, COUNT)                                                                                       \
  extern "C" __global__ void load_##name(const unsigned* m, unsigned* out) {                                    \
    __shared__ __align__(16) unsigned mem[128];                                                                 \
    const int l = threadIdx.x;                                                                                  \
    for (int i = l; i < COUNT * 32; i += 32) mem[i] = m[i];                                                     \
    __syncthreads();                                                                                            \
    unsigned r[COUNT];                                                                                          \
    ldmatrix_##name(r, shared_address(mem) + (l % (8 * COUNT)) * 16);                                           \
    for (int i = 0; i < COUNT; i++) out[l * COUNT + i] = r[i];                                                  \
  }
LOAD(x1, 1)
LOAD(x2, 2)
LOAD(x4, 4)
LOAD(x1_trans, 1)
LOAD(x2_trans, 2)
LOAD(x4_trans, 4)

extern "C" __global__ void movmatrix(const unsigned* m, unsigned* out) { out[threadIdx.x] = movmatrix_trans(m[threadIdx.x]); }

// The conversions to the operands' types.
extern "C" __global__ void convert(const float* v, unsigned* tf32, unsigned* bf16, unsigned* f16) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  tf32[i] = to_tf32(v[i]);
  bf16[i] = pack_bf16(v[i], -v[i]);
  f16[i] = pack_f16(v[i], -v[i]);
}
