// A driver's library with few functions. FAKE_CUDA_FAILS makes cuInit fail.
#include <stdlib.h>

int cuInit(unsigned flags) { return flags == 0 && getenv("FAKE_CUDA_FAILS") ? 804 : 0; }
int cuGetErrorString(int e, const char **s) { return *s = e == 804 ? "forward compatibility was attempted on non supported HW" : "?", 0; }
int cuDriverGetVersion(int *v) { return *v = 12080, 0; }
int cuDeviceGetCount(int *n) { return *n = 3, 0; }

// Eleven arguments, more than go in registers; the sum shows that each arrived in its place.
int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream, void **params, void **extra) {
  *(double *)extra = *(double *)f + gx + 2.0 * gy + 3.0 * gz + 4.0 * bx + 5.0 * by + 6.0 * bz + 7.0 * shared + *(double *)stream + *(double *)params;
  return 719;
}
