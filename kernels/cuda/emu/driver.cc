// The CUDA driver API: what gorgonia.org/cu and kernels/cuda call, in the order of CUDA's
// manual. What they do not call is absent; the stand-in that binaries link answers for it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "device.h"
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

#define API extern "C" __attribute__((visibility("default"))) int

// LOCKED begins a call that needs a context.
#define LOCKED                                             \
  std::lock_guard<std::recursive_mutex> lock(mu);          \
  if (int e = counted()) return e;                         \
  Device* d = context();                                   \
  if (!d) return INVALID_CONTEXT

// ---- initialisation and version

API cuInit(unsigned) {
  if (options().error.empty()) return options().devices ? SUCCESS : NO_DEVICE;
  fprintf(stderr, "cuemu: %s\n", options().error.c_str());
  return NOT_INITIALIZED;
}
API cuDriverGetVersion(int* v) { return *v = options().driver, SUCCESS; }

// ---- devices

static bool known(int i) { return i >= 0 && i < options().devices; }

API cuDeviceGetCount(int* n) { return *n = options().devices, SUCCESS; }
API cuDeviceGet(int* d, int i) { return *d = i, known(i) ? SUCCESS : INVALID_DEVICE; }
API cuDeviceGetName(char* s, int n, int i) { return snprintf(s, (size_t)n, "emulated GPU"), known(i) ? SUCCESS : INVALID_DEVICE; }
API cuDeviceGetUuid_v2(unsigned char* id, int i) {
  memset(id, 0, 16);
  id[15] = (unsigned char)(i + 1);
  return known(i) ? SUCCESS : INVALID_DEVICE;
}
API cuDeviceGetUuid(unsigned char* id, int i) { return cuDeviceGetUuid_v2(id, i); }
API cuDeviceTotalMem_v2(size_t* n, int i) { return *n = options().memory, known(i) ? SUCCESS : INVALID_DEVICE; }

// The most shared memory that a block may ask for, CUDA C++ Programming Guide, "Technical
// Specifications per Compute Capability".
static int most_shared() {
  switch (options().capability) {
    case 70: return 96 << 10;
    case 75: return 64 << 10;
    case 80: case 87: return 163 << 10;
    case 86: case 89: case 120: return 99 << 10;
    case 90: case 100: return 227 << 10;
  }
  return 48 << 10;
}

API cuDeviceGetAttribute(int* v, int a, int i) {
  if (!known(i)) return INVALID_DEVICE;
  switch (a) {  // CUdevice_attribute
    case 1: *v = 1024; break;                             // threads a block
    case 2: case 3: *v = 1024; break;                     // along x, y
    case 4: *v = 64; break;                               // and z
    case 5: *v = 0x7fffffff; break;                       // blocks along x
    case 6: case 7: *v = 65535; break;                    // and y, z
    case 8: *v = 48 << 10; break;                         // shared memory a block
    case 10: *v = 32; break;                              // warp
    case 16: *v = 2; break;                               // multiprocessors
    case 41: *v = 1; break;                               // unified addresses
    case 75: *v = options().capability / 10; break;
    case 76: *v = options().capability % 10; break;
    case 97: *v = most_shared(); break;
    default: *v = 0;
  }
  return SUCCESS;
}

// ---- primary contexts: a context is its device

API cuDevicePrimaryCtxRetain(Device** c, int i) {
  std::lock_guard<std::recursive_mutex> lock(mu);
  if (!known(i)) return INVALID_DEVICE;
  devices()[i].retained++;
  return *c = &devices()[i], SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(int i) {
  std::lock_guard<std::recursive_mutex> lock(mu);
  if (!known(i)) return INVALID_DEVICE;
  Device& d = devices()[i];
  if (d.retained == 0) return INVALID_CONTEXT;
  if (--d.retained > 0) return SUCCESS;
  if (!d.sticky) d.drain();
  for (auto& m : d.memory) free((void*)m.first);
  d.memory.clear();
  d.used = 0;
  d.sticky = 0;
  return SUCCESS;
}
API cuDevicePrimaryCtxRelease(int i) { return cuDevicePrimaryCtxRelease_v2(i); }
API cuCtxSetCurrent(Device* c) { return context() = c, SUCCESS; }
API cuCtxGetCurrent(Device** c) { return *c = context(), SUCCESS; }
API cuCtxSynchronize() {
  LOCKED;
  d->drain();
  return d->sticky;
}

// ---- modules: the PTX is compared with the sources, which run

API cuModuleLoadData(Source** m, const void* image) {
  LOCKED;
  const char* line = strstr((const char*)image, "// cleave-source ");
  std::string name;
  if (line) {
    const char* from = line + strlen("// cleave-source ");
    name.assign(from, strcspn(from, " \n"));
    for (Source* s : sources()) {
      std::string want = std::string("// cleave-source ") + s->name + " sha256=" + s->sha256 + "\n";
      if (!strncmp(line, want.c_str(), want.size())) return *m = s, SUCCESS;
    }
  }
  if (name.empty())
    fprintf(stderr, "cuemu: the PTX does not say what it was compiled from: run scripts/gen.sh\n");
  else
    fprintf(stderr, "cuemu: the PTX of %s was compiled from other sources than this driver: run scripts/gen.sh and kernels/cuda/emu/build.sh\n", name.c_str());
  return INVALID_PTX;
}
API cuModuleLoadDataEx(Source** m, const void* image, unsigned, void*, void*) { return cuModuleLoadData(m, image); }
API cuModuleUnload(void*) {
  LOCKED;
  d->drain();
  return d->sticky;
}
API cuModuleGetFunction(Function** f, Source* m, const char* name) {
  LOCKED;
  for (Function* k : m->functions)
    if (!strcmp(k->name, name)) return *f = k, SUCCESS;
  return NOT_FOUND;
}

// ---- memory

API cuMemGetInfo_v2(size_t* free, size_t* total) {
  LOCKED;
  *total = options().memory;
  *free = options().memory - d->used;
  return SUCCESS;
}
API cuMemAlloc_v2(uint64_t* p, size_t n) {
  LOCKED;
  static long allocations;
  if (!n) return INVALID_VALUE;
  const uint64_t bytes = (n + 255) & ~(uint64_t)255;
  if (++allocations == options().failures.alloc || bytes > options().memory - d->used) return OUT_OF_MEMORY;
  void* q = aligned_alloc(256, bytes);
  if (!q) return OUT_OF_MEMORY;
  memset(q, 0xff, bytes);  // no number
  d->memory[(uint64_t)q] = n;
  d->used += bytes;
  return *p = (uint64_t)q, SUCCESS;
}
API cuMemFree_v2(uint64_t p) {
  LOCKED;
  auto own = d->memory.find(p);
  if (own == d->memory.end()) return INVALID_VALUE;
  d->drain();
  d->used -= (own->second + 255) & ~(uint64_t)255;
  d->memory.erase(own);
  free((void*)p);
  return SUCCESS;
}
static std::map<void*, size_t> pinned;  // by address: bytes

// on_host reports whether pinned memory holds all of the bytes.
static bool on_host(uint64_t at, uint64_t bytes) {
  auto next = pinned.upper_bound((void*)at);
  if (next == pinned.begin()) return false;
  auto own = std::prev(next);
  const uint64_t from = at - (uint64_t)own->first;
  return from <= own->second && bytes <= own->second - from;
}

API cuMemHostAlloc(void** p, size_t n, unsigned) {
  LOCKED;
  *p = aligned_alloc(4096, (n + 4095) & ~(size_t)4095);
  if (!*p) return OUT_OF_MEMORY;
  memset(*p, 0xff, n);
  pinned[*p] = n;
  return SUCCESS;
}
API cuMemAllocHost_v2(void** p, size_t n) { return cuMemHostAlloc(p, n, 0); }
API cuMemFreeHost(void* p) {
  LOCKED;
  if (!pinned.erase(p)) return INVALID_VALUE;
  d->drain();
  free(p);
  return SUCCESS;
}

// host reports whether no device's memory is there.
static bool host(const void* p) {
  for (Device& d : devices())
    if (d.covers((uint64_t)p, 1)) return false;
  return true;
}
// foreign reports whether a stream is none of the device's.
static bool foreign(const Stream* s, const Device* d) { return !s || s->device != d; }

// unpinned reports whether bytes of the host are not all pinned, and says so: a device would copy
// them while the caller waits, and hide no time.
static bool unpinned(const void* p, size_t n, const char* call) {
  if (on_host((uint64_t)p, n)) return false;
  fprintf(stderr, "cuemu: %s: the host's %zu bytes are not in pinned memory\n", call, n);
  return true;
}
// copy queues a copy whose ends were checked.
static int copy(Device* d, Stream* s, void* to, const void* from, size_t n) {
  enqueue(s, {[=] { if (!d->sticky) memmove(to, from, n); }, nullptr});
  return d->sticky;
}
API cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t n, Stream* s) {
  LOCKED;
  if (foreign(s, d)) return INVALID_HANDLE;
  if (!d->covers(to, n) || !host(from) || unpinned(from, n, "cuMemcpyHtoDAsync")) return INVALID_VALUE;
  return copy(d, s, (void*)to, from, n);
}
API cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t n, Stream* s) {
  LOCKED;
  if (foreign(s, d)) return INVALID_HANDLE;
  if (!d->covers(from, n) || !host(to) || unpinned(to, n, "cuMemcpyDtoHAsync")) return INVALID_VALUE;
  return copy(d, s, to, (const void*)from, n);
}
API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t n, Stream* s) {
  LOCKED;
  if (foreign(s, d)) return INVALID_HANDLE;
  if (!d->covers(to, n) || !d->covers(from, n)) return INVALID_VALUE;
  return copy(d, s, (void*)to, (const void*)from, n);
}
API cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t n) {
  LOCKED;
  if (!d->covers(to, n) || !host(from)) return INVALID_VALUE;
  return memcpy((void*)to, from, n), SUCCESS;
}
API cuMemcpyDtoH_v2(void* to, uint64_t from, size_t n) {
  LOCKED;
  if (!d->covers(from, n) || !host(to)) return INVALID_VALUE;
  return memcpy(to, (const void*)from, n), SUCCESS;
}
API cuMemsetD8Async(uint64_t to, unsigned char v, size_t n, Stream* s) {
  LOCKED;
  if (foreign(s, d)) return INVALID_HANDLE;
  if (!d->covers(to, n)) return INVALID_VALUE;
  enqueue(s, {[=] { memset((void*)to, v, n); }, nullptr});
  return d->sticky;
}

// ---- streams and events; the null stream is not there

API cuStreamCreate(Stream** s, unsigned) {
  LOCKED;
  *s = new Stream{d, {}};
  d->streams.push_back(*s);
  return SUCCESS;
}
API cuStreamDestroy_v2(Stream* s) {
  LOCKED;
  drain(s);
  for (size_t i = 0; i < d->streams.size(); i++)
    if (d->streams[i] == s) d->streams.erase(d->streams.begin() + (long)i);
  delete s;
  return d->sticky;
}
API cuStreamSynchronize(Stream* s) {
  LOCKED;
  if (!s) return INVALID_HANDLE;
  drain(s);
  return d->sticky;
}
API cuStreamQuery(Stream* s) {
  LOCKED;
  if (!s->queue.empty()) step(s);  // who asks again and again gets there
  return d->sticky ? d->sticky : s->queue.empty() ? SUCCESS : NOT_READY;
}
API cuStreamWaitEvent(Stream* s, Event* e, unsigned) {
  LOCKED;
  if (!s || !e) return INVALID_HANDLE;
  enqueue(s, {nullptr, e->last});
  return d->sticky;
}
API cuStreamWriteValue32_v2(Stream* s, uint64_t at, unsigned v, unsigned) {
  LOCKED;
  if (foreign(s, d)) return INVALID_HANDLE;
  if (at % 4 || (!d->covers(at, 4) && !on_host(at, 4))) return INVALID_VALUE;
  enqueue(s, {[=] { if (!d->sticky) *(volatile unsigned*)at = v; }, nullptr});
  return d->sticky;
}
API cuEventCreate(Event** e, unsigned) {
  LOCKED;
  return *e = new Event, SUCCESS;
}
API cuEventDestroy_v2(Event* e) {
  LOCKED;
  delete e;
  return d->sticky;
}
API cuEventRecord(Event* e, Stream* s) {
  LOCKED;
  if (foreign(s, d) || !e) return INVALID_HANDLE;
  auto t = std::make_shared<Ticket>();
  t->stream = s;
  e->last = t;
  enqueue(s, {[t] { t->done = true, t->seconds = now(); }, nullptr});
  return d->sticky;
}
API cuEventQuery(Event* e) {
  LOCKED;
  if (e->last && !e->last->done && !e->last->stream->queue.empty()) step(e->last->stream);
  return d->sticky ? d->sticky : !e->last || e->last->done ? SUCCESS : NOT_READY;
}
API cuEventSynchronize(Event* e) {
  LOCKED;
  reach(e->last);
  return d->sticky;
}
API cuEventElapsedTime(float* ms, Event* a, Event* b) {
  LOCKED;
  if (!a->last || !b->last) return INVALID_HANDLE;
  if (!a->last->done || !b->last->done) return NOT_READY;
  return *ms = (float)(1e3 * (b->last->seconds - a->last->seconds)), SUCCESS;
}

// ---- launches

static std::map<Function*, int> allowed;  // dynamic shared memory that was asked for

API cuFuncSetAttribute(Function* f, int a, int v) {
  LOCKED;
  if (a != 8) return SUCCESS;  // a preference
  if (v < 0 || v > most_shared()) return INVALID_VALUE;
  return allowed[f] = v, SUCCESS;
}
API cuFuncGetAttribute(int* v, int a, Function* f) {
  LOCKED;
  *v = a == 0 ? (int)f->max_threads : a == 8 ? std::max(48 << 10, allowed[f]) : 0;
  return SUCCESS;
}
API cuFuncSetCacheConfig(void*, int) { return SUCCESS; }

API cuLaunchKernel(Function* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, Stream* s, void** params, void**) {
  LOCKED;
  static long launches;
  const unsigned limit = (unsigned)std::max(48 << 10, allowed[f]);
  if (foreign(s, d)) return INVALID_HANDLE;
  if (!gx || !gy || !gz || gx > 0x7fffffffu || gy > 65535 || gz > 65535 || !bx || !by || !bz || bx > 1024 || by > 1024 || bz > 64 || shared > limit) return INVALID_VALUE;
  if (bx * by * bz > f->max_threads) return LAUNCH_OUT_OF_RESOURCES;
  const long number = ++launches;
  Launch l = {f, {gx, gy, gz}, {bx, by, bz}, shared, limit, options().capability, {}};
  for (size_t i = 0; i < f->parameters.size(); i++) {
    uint64_t word = 0;
    memcpy(&word, params[i], f->parameters[i]);
    l.args.push_back(word);
  }
  enqueue(s, {[=] {
                if (d->sticky) return;
                if (number == options().failures.launch) d->sticky = LAUNCH_FAILED;
                if (number == options().failures.address) d->sticky = ILLEGAL_ADDRESS;
                if (d->sticky) {
                  fprintf(stderr, "cuemu: launch %ld, of %s, fails as CLEAVE_EMU_FAIL says\n", number, f->name);
                  return;
                }
                Fault fault = run_grid(l, (uint64_t)number);
                if (!fault.code) return;
                fprintf(stderr, "cuemu: %s\n", fault.text.c_str());
                d->sticky = fault.code;
              },
              nullptr});
  return d->sticky;
}

// ---- errors

API cuGetErrorName(int e, const char** s) {
  switch (e) {
    case 0: return *s = "CUDA_SUCCESS", SUCCESS;
#define X(name, value, text) \
  case value: return *s = "CUDA_ERROR_" #name, SUCCESS;
    CUEMU_RESULTS(X)
#undef X
  }
  return *s = nullptr, INVALID_VALUE;
}
API cuGetErrorString(int e, const char** s) {
  switch (e) {
    case 0: return *s = "no error", SUCCESS;
#define X(name, value, text) \
  case value: return *s = text, SUCCESS;
    CUEMU_RESULTS(X)
#undef X
  }
  return *s = nullptr, INVALID_VALUE;
}
