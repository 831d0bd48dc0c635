// A CUDA driver in one stream: every call takes effect at once.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "launch.h"
#include "options.h"

using namespace cuemu;

namespace cuemu {
static std::vector<Source*>& all() {
  static std::vector<Source*> v;
  return v;
}
const std::vector<Source*>& sources() { return all(); }
Source::Source(const char* n, const char* s) : name(n), sha256(s) { all().push_back(this); }
}  // namespace cuemu

static int sticky;
static uint64_t launches;

#define API extern "C" __attribute__((visibility("default"))) int
API cuInit(unsigned) { return 0; }
API cuDriverGetVersion(int* v) { return *v = options().driver, 0; }
API cuDeviceGetCount(int* n) { return *n = options().devices, 0; }
API cuDeviceGet(int* d, int i) { return *d = i, i < options().devices ? 0 : INVALID_DEVICE; }
API cuDeviceGetName(char* s, int n, int) { return snprintf(s, n, "emulated GPU"), 0; }
API cuDeviceTotalMem_v2(size_t* n, int) { return *n = options().memory, 0; }
API cuDeviceGetAttribute(int* v, int a, int) {
  switch (a) {
    case 75: *v = options().capability / 10; break;
    case 76: *v = options().capability % 10; break;
    case 16: *v = 2; break;
    case 10: *v = 32; break;
    case 1: *v = 1024; break;
    case 8: *v = 49152; break;
    default: *v = 0;
  }
  return 0;
}
API cuDevicePrimaryCtxRetain(void** c, int) { return *c = (void*)1, 0; }
API cuDevicePrimaryCtxRelease_v2(int) { return 0; }
API cuCtxSetCurrent(void*) { return 0; }
API cuCtxGetCurrent(void** c) { return *c = (void*)1, 0; }
API cuCtxSynchronize() { return sticky; }
API cuMemGetInfo_v2(size_t* free, size_t* total) { return *free = *total = options().memory, 0; }
API cuMemAlloc_v2(uint64_t* p, size_t n) {
  void* q = aligned_alloc(256, (n + 255) & ~(size_t)255);
  if (!q) return OUT_OF_MEMORY;
  memset(q, 0xff, n);
  *p = (uint64_t)q;
  return 0;
}
API cuMemFree_v2(uint64_t p) { return free((void*)p), 0; }
API cuMemAllocHost_v2(void** p, size_t n) { return *p = aligned_alloc(4096, (n + 4095) & ~4095ul), *p ? 0 : OUT_OF_MEMORY; }
API cuMemHostAlloc(void** p, size_t n, unsigned) { return cuMemAllocHost_v2(p, n); }
API cuMemFreeHost(void* p) { return free(p), 0; }
API cuMemcpyHtoD_v2(uint64_t d, const void* s, size_t n) { return memcpy((void*)d, s, n), sticky; }
API cuMemcpyDtoH_v2(void* d, uint64_t s, size_t n) { return memcpy(d, (void*)s, n), sticky; }
API cuMemcpyHtoDAsync_v2(uint64_t d, const void* s, size_t n, void*) { return memcpy((void*)d, s, n), sticky; }
API cuMemcpyDtoHAsync_v2(void* d, uint64_t s, size_t n, void*) { return memcpy(d, (void*)s, n), sticky; }
API cuMemcpyDtoDAsync_v2(uint64_t d, uint64_t s, size_t n, void*) { return memmove((void*)d, (void*)s, n), sticky; }
API cuMemsetD8Async(uint64_t d, unsigned char v, size_t n, void*) { return memset((void*)d, v, n), sticky; }
API cuStreamCreate(void** s, unsigned) { return *s = malloc(1), 0; }
API cuStreamDestroy_v2(void* s) { return free(s), 0; }
API cuStreamSynchronize(void*) { return sticky; }
API cuStreamWaitEvent(void*, void*, unsigned) { return sticky; }
API cuEventCreate(void** e, unsigned) { return *e = malloc(1), 0; }
API cuEventDestroy_v2(void* e) { return free(e), 0; }
API cuEventRecord(void*, void*) { return sticky; }
API cuEventQuery(void*) { return sticky; }
API cuEventSynchronize(void*) { return sticky; }
API cuEventElapsedTime(float* ms, void*, void*) { return *ms = 0, sticky; }
API cuModuleLoadData(Source** m, const void* image) {
  const char* line = strstr((const char*)image, "// cleave-source ");
  if (line)
    for (Source* s : sources()) {
      std::string want = std::string("// cleave-source ") + s->name + " sha256=" + s->sha256 + "\n";
      if (!strncmp(line, want.c_str(), want.size())) return *m = s, 0;
    }
  fprintf(stderr, "cuemu: the ptx was generated from other sources: run scripts/gen.sh\n");
  return INVALID_PTX;
}
API cuModuleLoadDataEx(Source** m, const void* image, unsigned, void*, void*) { return cuModuleLoadData(m, image); }
API cuModuleUnload(void*) { return 0; }
API cuModuleGetFunction(Function** f, Source* m, const char* name) {
  for (Function* k : m->functions)
    if (!strcmp(k->name, name)) return *f = k, 0;
  return NOT_FOUND;
}
API cuFuncSetAttribute(void*, int, int) { return 0; }
API cuFuncSetCacheConfig(void*, int) { return 0; }
API cuLaunchKernel(Function* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void*, void** params, void**) {
  if (!gx || !gy || !gz || gy > 65535 || gz > 65535 || !bx || !by || !bz || bz > 64 || bx * by * bz > f->max_threads || shared > 49152) return INVALID_VALUE;
  if (sticky) return sticky;
  Launch l = {f, {gx, gy, gz}, {bx, by, bz}, shared, 49152, options().capability, {}};
  for (size_t i = 0; i < f->parameters.size(); i++) {
    uint64_t word = 0;
    memcpy(&word, params[i], f->parameters[i]);
    l.args.push_back(word);
  }
  Fault fault = run_grid(l, ++launches);
  if (fault.code) fprintf(stderr, "cuemu: %s\n", fault.text.c_str());
  return sticky = fault.code;
}
API cuGetErrorName(int e, const char** s) {
  switch (e) {
    case 0: return *s = "CUDA_SUCCESS", 0;
#define X(name, value, text) \
  case value: return *s = "CUDA_ERROR_" #name, 0;
    CUEMU_RESULTS(X)
#undef X
  }
  return *s = nullptr, INVALID_VALUE;
}
API cuGetErrorString(int e, const char** s) {
  switch (e) {
    case 0: return *s = "no error", 0;
#define X(name, value, text) \
  case value: return *s = text, 0;
    CUEMU_RESULTS(X)
#undef X
  }
  return *s = nullptr, INVALID_VALUE;
}
