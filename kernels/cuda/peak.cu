// What a GPU does at most, measured by benchmarks: multiply-adds in registers.
#include "dev.h"

// rounds × 64 fused multiply-adds a thread, in eight independent chains.
extern "C" __global__ void __launch_bounds__(256) peak_ffma_f32(float* out, float a, float b, int rounds) {
  float s[8];
  for (int k = 0; k < 8; k++) s[k] = (float)(threadIdx.x + k);
  for (int i = 0; i < rounds; i++) {
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
      for (int k = 0; k < 8; k++) s[k] = fmaf(s[k], a, b);
  }
  float sum = 0;
  for (int k = 0; k < 8; k++) sum += s[k];
  if (sum == a) out[0] = sum;  // never: the compiler must not know
}
