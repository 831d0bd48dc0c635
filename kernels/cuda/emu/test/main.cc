// Tests of the emulated driver: that its matrix instructions are those of the PTX ISA, and that
// it finds what it says it finds. Each test runs in a process of its own, with its environment.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <map>

#include "driver.h"

Gpu::Gpu() {
  OK(cuInit(0));
  OK(cuDevicePrimaryCtxRetain(&context, 0));
  OK(cuCtxSetCurrent(context));
  OK(cuStreamCreate(&stream, 1));
  OK(cuModuleLoadData(&modules[0], "// cleave-source fragments.cu sha256=" FRAGMENTS_SHA "\n"));
  OK(cuModuleLoadData(&modules[1], "//\n// cleave-source faults.cu sha256=" FAULTS_SHA "\n"));
}

uint64_t Gpu::alloc(size_t bytes) const {
  uint64_t p;
  OK(cuMemAlloc_v2(&p, bytes));
  return p;
}

void* Gpu::function(const char* kernel) const {
  void* f;
  for (void* m : modules)
    if (cuModuleGetFunction(&f, m, kernel) == 0) return f;
  throw Failure{std::string("there is no kernel ") + kernel};
}

int Gpu::launch(const char* kernel, int threads, std::initializer_list<Word> args, int shared, int blocks, void* on) const {
  std::vector<void*> params;
  for (const Word& w : args) params.push_back((void*)&w.bits);
  return cuLaunchKernel(function(kernel), (unsigned)blocks, 1, 1, (unsigned)threads, 1, 1, (unsigned)shared, on ? on : stream, params.data(), nullptr);
}

namespace {

// reversed runs a kernel that reverses 64 numbers and reports whether it did.
bool reversed(const Gpu& g, const char* kernel) {
  const uint64_t out = g.alloc(64 * 4);
  OK(g.launch(kernel, 64, {out}));
  OK(g.finish());
  const auto v = g.get<int>(out, 64);
  for (int i = 0; i < 64; i++)
    if (v[i] != 63 - i) return false;
  return true;
}

// copied runs a kernel that reverses 64 numbers by cp.async: 1 right, 0 wrong.
bool copied(const Gpu& g, const char* kernel) {
  std::vector<float> in(64);
  for (int i = 0; i < 64; i++) in[i] = (float)i;
  const uint64_t out = g.alloc(64 * 4);
  OK(g.launch(kernel, 64, {out, g.put(in)}));
  OK(g.finish());
  const auto v = g.get<float>(out, 64);
  for (int i = 0; i < 64; i++)
    if (v[i] != (float)(63 - i)) return false;
  return true;
}

void fails(const Gpu& g, const char* kernel, int error) {
  const uint64_t out = g.alloc(64 * 4);
  OK(g.launch(kernel, 64, {out}));
  WANT(g.finish(), error);
  WANT(cuCtxSynchronize(), error);  // and stays
}

void all_nan(const Gpu& g, uint64_t p) {
  for (float v : g.get<float>(p, 64)) CHECK(std::isnan(v));
}

struct Test {
  const char* name;
  const char* environment;  // NAME=VALUE, apart by blanks, of CLEAVE_EMU_
  const char* says;         // what it must write to standard error; empty: nothing
  void (*run)(const Gpu& g);
};

const Test tests[] = {
    {"fragments of mma", "", "", test_fragments},
    {"ldmatrix and movmatrix", "", "", test_load},
    {"conversions", "", "", test_convert},
    {"mma needs sm_80", "CAPABILITY=75", "mma.m16n8k16.bf16 at ", [](const Gpu& g) {
       const uint64_t p = g.alloc(4096);
       OK(g.launch("m16n8k16_bf16", 32, {p, p, p, p}));
       WANT(g.finish(), INVALID_PTX);
     }},
    {"with a barrier, forward", "WARPS=forward", "", [](const Gpu& g) { CHECK(reversed(g, "reverse")); }},
    {"with a barrier, reverse", "WARPS=reverse", "", [](const Gpu& g) { CHECK(reversed(g, "reverse")); }},
    {"with a barrier, random", "WARPS=random:7", "", [](const Gpu& g) { CHECK(reversed(g, "reverse")); }},
    {"missing barrier, forward", "WARPS=forward", "", [](const Gpu& g) { CHECK(!reversed(g, "reverse_without_barrier")); }},
    {"missing barrier, reverse", "WARPS=reverse", "", [](const Gpu& g) { CHECK(!reversed(g, "reverse_without_barrier")); }},
    {"divergent barrier", "", "divergent __syncthreads: at ", [](const Gpu& g) { fails(g, "divergent_barrier", LAUNCH_FAILED); }},
    {"barrier that some have passed by", "", "threads can never reach: they have ended", [](const Gpu& g) { fails(g, "barrier_after_end", LAUNCH_FAILED); }},
    {"divergent shuffle", "", "__shfl_sync at ", [](const Gpu& g) { fails(g, "divergent_shuffle", LAUNCH_FAILED); }},
    {"asynchronous copy, late", "COPIES=late", "", [](const Gpu& g) { CHECK(copied(g, "copy")); }},
    {"asynchronous copy, early", "COPIES=early", "", [](const Gpu& g) { CHECK(copied(g, "copy")); }},
    {"short wait for a copy", "COPIES=late", "", [](const Gpu& g) { CHECK(!copied(g, "copy_short_wait")); }},
    {"fresh memory holds NaN", "", "", [](const Gpu& g) {
       all_nan(g, g.alloc(64 * 4));
       const uint64_t out = g.alloc(64 * 4);
       for (int i = 0; i < 2; i++) {  // each block gets it fresh
         OK(g.launch("fresh_shared", 64, {out}));
         OK(g.finish());
         all_nan(g, out);
         OK(g.launch("fresh_dynamic", 64, {out}, 256));
         OK(g.finish());
         all_nan(g, out);
       }
     }},
    {"misaligned", "", "lds128: address ", [](const Gpu& g) { fails(g, "misaligned", MISALIGNED); }},
    {"too many threads", "", "", [](const Gpu& g) { WANT(g.launch("bounded", 33, {g.alloc(256)}), OUT_OF_RESOURCES); }},
    {"too much shared memory", "", "", [](const Gpu& g) { WANT(g.launch("fresh_dynamic", 64, {g.alloc(256)}, (48 << 10) + 16), INVALID_VALUE); }},
    {"copy outside of an allocation", "", "", [](const Gpu& g) {
       char host[512] = {};
       const uint64_t p = g.alloc(256);
       WANT(cuMemcpyHtoD_v2(p, host, 257), INVALID_VALUE);
       WANT(cuMemcpyDtoHAsync_v2(host, p + 200, 57, g.stream), INVALID_VALUE);
       WANT(cuMemFree_v2(p + 1), INVALID_VALUE);
       OK(cuMemFree_v2(p));
       WANT(cuMemcpyHtoD_v2(p, host, 1), INVALID_VALUE);
     }},
    {"no wait between streams", "STREAMS=lazy", "", [](const Gpu& g) {
       // A copy on another stream sees what a kernel wrote only if it waits for its event.
       void *other, *event, *host;
       OK(cuStreamCreate(&other, 1));
       OK(cuEventCreate(&event, 2));
       OK(cuMemHostAlloc(&host, 256, 0));
       const uint64_t p = g.put(std::vector<float>(64, 1));
       OK(g.launch("fill", 64, {p, 2.0f, 0}));
       OK(cuMemcpyDtoHAsync_v2(host, p, 256, other));
       OK(cuStreamSynchronize(other));
       CHECK(((float*)host)[5] == 1);
       OK(cuEventRecord(event, g.stream));
       OK(cuStreamWaitEvent(other, event, 0));
       OK(cuMemcpyDtoHAsync_v2(host, p, 256, other));
       CHECK(((float*)host)[5] == 1);  // nor does the host before it waits
       OK(cuStreamSynchronize(other));
       CHECK(((float*)host)[5] == 2);
     }},
    {"eager streams", "STREAMS=eager", "", [](const Gpu& g) {
       const uint64_t p = g.put(std::vector<float>(64, 1));
       OK(g.launch("fill", 64, {p, 2.0f, 0}));
       CHECK(g.get<float>(p, 64)[5] == 2);
     }},
    {"events are polled", "", "", [](const Gpu& g) {
       void* event;
       const uint64_t p = g.alloc(256);
       OK(cuEventCreate(&event, 2));
       OK(g.launch("fill", 64, {p, 2.0f, 0}));
       OK(cuEventRecord(event, g.stream));
       int polls = 0;
       while (cuEventQuery(event) == NOT_READY) polls++;
       CHECK(polls > 0 && polls < 10);
       CHECK(g.get<float>(p, 64)[5] == 2);
     }},
    {"marks of the stream", "STREAMS=lazy", "", [](const Gpu& g) {
       void* host;
       OK(cuMemHostAlloc(&host, 4, 0));
       *(volatile unsigned*)host = 7;
       OK(cuStreamWriteValue32_v2(g.stream, (uint64_t)host, 8, 1));
       CHECK(*(volatile unsigned*)host == 7);
       OK(g.finish());
       CHECK(*(volatile unsigned*)host == 8);
       WANT(cuStreamWriteValue32_v2(g.stream, (uint64_t)host + 4, 8, 1), INVALID_VALUE);
     }},
    {"pinned memory", "STREAMS=lazy", "cuMemcpyDtoHAsync: the host's 256 bytes are not in pinned memory", [](const Gpu& g) {
       void *host, *all[64];
       OK(cuMemHostAlloc(&host, 256, 0));
       float plain[64];
       const uint64_t p = g.put(std::vector<float>(64, 1));
       WANT(cuMemcpyDtoHAsync_v2(plain, p, 256, g.stream), INVALID_VALUE);
       OK(cuMemcpyDtoHAsync_v2(host, p, 256, g.stream));
       WANT(cuMemcpyHtoDAsync_v2(p, (char*)host + 4, 256, g.stream), INVALID_VALUE);
       OK(g.finish());
       CHECK(((float*)host)[63] == 1);
       for (void*& h : all) OK(cuMemHostAlloc(&h, 1, 0));
       for (void* h : all) OK(cuMemFreeHost(h));
       WANT(cuMemFreeHost(all[7]), INVALID_VALUE);
       WANT(cuMemFreeHost(plain), INVALID_VALUE);
     }},
    {"several devices", "DEVICES=2 FAIL=launch:2", "launch 2, of fill, fails", [](const Gpu& g) {
       void *second, *stream, *event;
       size_t free, total;
       uint64_t q;
       const uint64_t p = g.put(std::vector<float>(64, 1));
       OK(cuDevicePrimaryCtxRetain(&second, 1));
       WANT(cuDevicePrimaryCtxRetain(&event, 2), INVALID_DEVICE);
       OK(cuCtxSetCurrent(second));
       OK(cuMemGetInfo_v2(&free, &total));
       CHECK(free == total);  // each has memory of its own
       OK(cuStreamCreate(&stream, 1));
       OK(cuEventCreate(&event, 2));
       OK(cuMemAlloc_v2(&q, 256));
       WANT(cuMemFree_v2(p), INVALID_VALUE);
       WANT(cuMemcpyDtoDAsync_v2(q, p, 256, stream), INVALID_VALUE);
       WANT(cuEventRecord(event, g.stream), INVALID_HANDLE);
       WANT(g.launch("fill", 64, {q, 3.0f, 0}), INVALID_HANDLE);  // on the first's stream
       OK(g.launch("fill", 64, {q, 3.0f, 0}, 0, 1, stream));
       OK(cuCtxSetCurrent(g.context));
       OK(g.launch("fill", 64, {p, 2.0f, 0}));
       WANT(g.finish(), LAUNCH_FAILED);
       OK(cuCtxSetCurrent(second));  // what befalls one leaves the other alone
       OK(cuStreamSynchronize(stream));
       CHECK(g.get<float>(q, 64)[5] == 3);
     }},
    {"memory is limited", "MEMORY=1048576", "", [](const Gpu&) {
       size_t free, total;
       uint64_t p, q;
       OK(cuMemGetInfo_v2(&free, &total));
       CHECK(free == 1 << 20 && total == 1 << 20);
       OK(cuMemAlloc_v2(&p, 1 << 19));
       WANT(cuMemAlloc_v2(&q, (1 << 19) + 1), OUT_OF_MEMORY);
       OK(cuMemFree_v2(p));
       OK(cuMemAlloc_v2(&q, 1 << 20));
     }},
    {"an allocation fails", "FAIL=alloc:2", "", [](const Gpu& g) {
       uint64_t p;
       g.alloc(16);
       WANT(cuMemAlloc_v2(&p, 16), OUT_OF_MEMORY);
       g.alloc(16);
     }},
    {"a launch fails", "FAIL=launch:2", "launch 2, of fill, fails", [](const Gpu& g) {
       const uint64_t p = g.alloc(256);
       for (int i = 0; i < 3; i++) OK(g.launch("fill", 64, {p, (float)i, 0}));
       WANT(g.finish(), LAUNCH_FAILED);
       uint64_t q;
       WANT(cuMemAlloc_v2(&q, 16), LAUNCH_FAILED);
     }},
    {"a kernel reads where nothing is", "FAIL=address:1", "launch 1, of fill, fails", [](const Gpu& g) {
       const uint64_t p = g.alloc(256);
       OK(g.launch("fill", 64, {p, 1.0f, 0}));
       WANT(g.finish(), ILLEGAL_ADDRESS);
     }},
    {"the device is lost", "FAIL=lost:40", "", [](const Gpu&) {
       int calls = 0;
       while (cuCtxSynchronize() == 0) calls++;
       CHECK(calls > 20 && calls < 40);
       WANT(cuCtxSynchronize(), UNKNOWN);
       uint64_t p;
       WANT(cuMemAlloc_v2(&p, 16), UNKNOWN);
     }},
    {"PTX of other sources", "", "was compiled from other sources than this driver", [](const Gpu&) {
       void* m;
       WANT(cuModuleLoadData(&m, "// cleave-source faults.cu sha256=" FRAGMENTS_SHA "\n"), INVALID_PTX);
     }},
    {"PTX that says nothing", "", "does not say what it was compiled from", [](const Gpu&) {
       void* m;
       WANT(cuModuleLoadData(&m, ".version 8.1\n"), INVALID_PTX);
     }},
    {"no such kernel", "", "", [](const Gpu& g) {
       void* f;
       WANT(cuModuleGetFunction(&f, g.modules[0], "reverse"), NOT_FOUND);
     }},
#ifdef __SANITIZE_ADDRESS__
    {"overrun", "", "heap-buffer-overflow", [](const Gpu& g) {
       OK(g.launch("fill", 64, {g.alloc(1024), 1.0f, 256 - 63}));
       OK(g.finish());
     }},
    {"overrun, by line", "", "faults.cu:", [](const Gpu& g) {
       OK(g.launch("fill", 64, {g.alloc(1024), 1.0f, 256 - 63}));
       OK(g.finish());
     }},
#endif
};

// child runs a test and ends the process.
[[noreturn]] void child(const Test& t, int to) {
  dup2(to, 2);
  std::string all = t.environment;
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find(' ', at), all.size()), is = all.find('=', at);
    setenv(("CLEAVE_EMU_" + all.substr(at, is - at)).c_str(), all.substr(is + 1, end - is - 1).c_str(), 1);
    at = end + 1;
  }
  int status = 0;
  try {
    Gpu g;
    t.run(g);
  } catch (const Failure& f) {
    fprintf(stderr, "FAILED: %s\n", f.text.c_str());
    status = 1;
  }
  fflush(nullptr);
  _exit(status);
}

}  // namespace

int main() {
  int bad = 0;
  for (const Test& t : tests) {
    int pipes[2];
    if (pipe(pipes)) return perror("pipe"), 1;
    fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) child(t, pipes[1]);
    close(pipes[1]);
    std::string said;
    char text[4096];
    for (ssize_t n; (n = read(pipes[0], text, sizeof text)) > 0;) said.append(text, (size_t)n);
    close(pipes[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    const bool overrun = !strncmp(t.name, "overrun", 7);  // which AddressSanitizer ends
    const bool ended = overrun ? status != 0 : status == 0;
    const bool right = *t.says ? said.find(t.says) != std::string::npos : said.empty();
    if (ended && right) continue;
    bad++;
    printf("%s: status %d, said\n%swant in it: %s\n", t.name, status, said.c_str(), t.says);
  }
  printf("%zu tests of the emulated driver, %d failed\n", sizeof tests / sizeof *tests, bad);
  return bad != 0;
}
