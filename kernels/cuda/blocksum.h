// Sums over a block of 256 threads.
#pragma once
#include "dev.h"

// block_sum returns the sum of all threads' v to thread 0, pairwise, the same way each time;
// scratch is 256 numbers in shared memory that all threads are done with.
DEV double block_sum(double v, double* scratch) {
  const int t = threadIdx.x;
  scratch[t] = v;
  for (int half = 128; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) scratch[t] += scratch[t + half];
  }
  return scratch[0];
}
