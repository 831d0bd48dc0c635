// The driver API as tests of the emulator call it, declared by hand as cuda.h has it.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

extern "C" {
int cuInit(unsigned);
int cuDevicePrimaryCtxRetain(void**, int);
int cuCtxSetCurrent(void*);
int cuCtxSynchronize();
int cuModuleLoadData(void**, const void*);
int cuModuleGetFunction(void**, void*, const char*);
int cuMemAlloc_v2(uint64_t*, size_t);
int cuMemFree_v2(uint64_t);
int cuMemGetInfo_v2(size_t*, size_t*);
int cuMemHostAlloc(void**, size_t, unsigned);
int cuMemcpyHtoD_v2(uint64_t, const void*, size_t);
int cuMemcpyDtoH_v2(void*, uint64_t, size_t);
int cuMemcpyDtoHAsync_v2(void*, uint64_t, size_t, void*);
int cuMemcpyHtoDAsync_v2(uint64_t, const void*, size_t, void*);
int cuMemcpyDtoDAsync_v2(uint64_t, uint64_t, size_t, void*);
int cuMemFreeHost(void*);
int cuStreamCreate(void**, unsigned);
int cuStreamSynchronize(void*);
int cuStreamWaitEvent(void*, void*, unsigned);
int cuStreamWriteValue32_v2(void*, uint64_t, unsigned, unsigned);
int cuEventCreate(void**, unsigned);
int cuEventRecord(void*, void*);
int cuEventQuery(void*);
int cuLaunchKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
}

enum { OUT_OF_MEMORY = 2, INVALID_VALUE = 1, INVALID_DEVICE = 101, INVALID_HANDLE = 400, INVALID_PTX = 218, NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700, OUT_OF_RESOURCES = 701, MISALIGNED = 716, LAUNCH_FAILED = 719, UNKNOWN = 999 };

// A test fails with a text that says where.
struct Failure {
  std::string text;
};
#define WANT(call, want)                                                                                        \
  do {                                                                                                          \
    const int got = (call);                                                                                     \
    if (got != (want)) throw Failure{std::string(#call) + " returned " + std::to_string(got) + ", want " + std::to_string(want) + " (line " + std::to_string(__LINE__) + ")"}; \
  } while (0)
#define OK(call) WANT(call, 0)
#define CHECK(what)                                                                                             \
  if (!(what)) throw Failure { std::string("not so: " #what " (line ") + std::to_string(__LINE__) + ")" }

// Word is a kernel's argument.
struct Word {
  uint64_t bits = 0;
  Word(uint64_t v) : bits(v) {}
  Word(int v) : bits((uint32_t)v) {}
  Word(float v) { __builtin_memcpy(&bits, &v, sizeof v); }
};

// Gpu is device 0 with a stream and the modules of fragments.cu and faults.cu.
struct Gpu {
  void *context, *stream, *modules[2];
  Gpu();
  uint64_t alloc(size_t bytes) const;
  template <class T>
  uint64_t put(const std::vector<T>& v) const {
    const uint64_t p = alloc(v.size() * sizeof(T));
    OK(cuMemcpyHtoD_v2(p, v.data(), v.size() * sizeof(T)));
    return p;
  }
  template <class T>
  std::vector<T> get(uint64_t p, size_t n) const {
    std::vector<T> v(n);
    OK(cuMemcpyDtoH_v2(v.data(), p, n * sizeof(T)));
    return v;
  }
  void* function(const char* kernel) const;
  // launch starts so many threads in one block.
  int launch(const char* kernel, int threads, std::initializer_list<Word> args, int shared = 0, int blocks = 1, void* on = nullptr) const;
  int finish() const { return cuStreamSynchronize(stream); }
};

void test_fragments(const Gpu& g);
void test_load(const Gpu& g);
void test_convert(const Gpu& g);
