// Calls the driver through the stand-in and says what came of it.
#include <stdio.h>

#include "../include/cleave_cuda.h"

int cuInit(unsigned);
int cuDriverGetVersion(int *);
int cuDeviceGetCount(int *);
int cuLaunchKernel(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
int cuMemAlloc_v2(unsigned long long *, unsigned long);

int main(void) {
  int init = cuInit(0), version = -1, count = -1;
  int v = cuDriverGetVersion(&version), c = cuDeviceGetCount(&count);
  printf("init %d, version %d %d, count %d %d\n", init, v, version, c, count);
  double f = 1000, stream = 20000, params = 300000, sum = 0;
  int launch = cuLaunchKernel(&f, 1, 2, 3, 4, 5, 6, 7, &stream, (void **)&params, (void **)&sum);
  printf("launch %d, sum %.0f\n", launch, sum);
  unsigned long long at = 0;
  int alloc = cuMemAlloc_v2(&at, 1);
  printf("alloc %d, missing %s\n", alloc, cleave_cuda_missing ? cleave_cuda_missing : "nothing");
  printf("error: %s\n", cleave_cuda_load_error ? cleave_cuda_load_error : "none");
  return 0;
}
