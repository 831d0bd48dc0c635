// A stand-in for the CUDA driver to link programs with, libcuda.a. Each function of the
// driver is a jump through a table, which a constructor fills from libcuda.so.1. One binary
// so runs with a driver, with the emulated one of kernels/cuda/emu, and without any.
//
// gorgonia.org/cu ends the process when cuInit fails. So here cuInit always succeeds; where
// there is no driver, or its cuInit fails, there are 0 devices, and cleave_cuda_load_error
// says why. A function that the driver lacks returns CUDA_ERROR_NOT_FOUND, and
// cleave_cuda_missing is its name.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

#include "include/cleave_cuda.h"

enum { no_device = 100, not_found = 500 }; // CUDA_ERROR_NO_DEVICE, CUDA_ERROR_NOT_FOUND

enum {
#define SYMBOL(i, name) index_##name = i,
#include "symbols.h"
#undef SYMBOL
  symbols
};

static const char *const names[symbols] = {
#define SYMBOL(i, name) #name,
#include "symbols.h"
#undef SYMBOL
};

// cleave_cuda_table holds each function's address in libcuda.so.1, or its stub's.
__attribute__((visibility("hidden"), used)) void *cleave_cuda_table[symbols];

#define SYMBOL(i, name) extern char stub_##name[] __asm__("cleave_cuda_stub_" #name) __attribute__((visibility("hidden")));
#include "symbols.h"
#undef SYMBOL
static void *const stubs[symbols] = {
#define SYMBOL(i, name) stub_##name,
#include "symbols.h"
#undef SYMBOL
};

// FORWARD is the function that jumps through entry i of the table, and its stub, which calls
// cleave_cuda_absent(i). Neither touches the stack or the arguments.
#if defined(__x86_64__)
#define FORWARD(i, name)                     \
  "jmp *cleave_cuda_table+8*" #i "(%rip)\n" \
  "cleave_cuda_stub_" #name ":\n"            \
  "movl $" #i ", %edi\n"                     \
  "jmp cleave_cuda_absent\n"
#elif defined(__aarch64__)
#define FORWARD(i, name)                             \
  "adrp x16, cleave_cuda_table+8*" #i "\n"           \
  "ldr x16, [x16, :lo12:cleave_cuda_table+8*" #i "]\n" \
  "br x16\n"                                         \
  "cleave_cuda_stub_" #name ":\n"                    \
  "mov w0, #" #i "\n"                                \
  "b cleave_cuda_absent\n"
#else
#error "the stand-in for libcuda is written for x86-64 and arm64"
#endif

// The functions are hidden: the driver's own calls between its functions are not caught.
#define SYMBOL(i, name)                \
  __asm__(".text\n"                    \
          ".globl " #name "\n"         \
          ".hidden " #name "\n"        \
          ".type " #name ", %function\n" \
          #name ":\n" FORWARD(i, name) \
          ".size " #name ", . - " #name "\n");
#include "symbols.h"
#undef SYMBOL

const char *cleave_cuda_load_error;
const char *cleave_cuda_missing;

static void *driver; // of dlopen; null if there is none

// cleave_cuda_absent is what function i does that was not found.
__attribute__((visibility("hidden"), used)) int cleave_cuda_absent(int i) {
  if (!driver) return no_device;
  __atomic_store_n(&cleave_cuda_missing, names[i], __ATOMIC_RELAXED);
  return not_found;
}

static int zero(int *out) {
  *out = 0;
  return 0;
}

// init is cuInit: it remembers a failure, and succeeds.
static int init(unsigned flags) {
  if (!driver) return 0;
  int (*real)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuInit");
  int (*string)(int, const char **) = (int (*)(int, const char **))dlsym(driver, "cuGetErrorString");
  int err = real ? real(flags) : not_found;
  if (!err) return 0;
  static char text[256];
  const char *why = 0;
  if (!string || string(err, &why) || !why) why = "no such function";
  snprintf(text, sizeof text, "the CUDA driver does not start: cuInit: error %d: %s", err, why);
  cleave_cuda_load_error = text;
  cleave_cuda_table[index_cuDeviceGetCount] = (void *)zero;
  return 0;
}

__attribute__((constructor)) static void load(void) {
  driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) {
    static char text[1024];
    snprintf(text, sizeof text, "no CUDA driver: %s", dlerror());
    cleave_cuda_load_error = text;
  }
  for (int i = 0; i < symbols; i++) {
    void *found = driver ? dlsym(driver, names[i]) : 0;
    cleave_cuda_table[i] = found ? found : stubs[i];
  }
  cleave_cuda_table[index_cuInit] = (void *)init;
  if (!driver) {
    cleave_cuda_table[index_cuDeviceGetCount] = (void *)zero;
    cleave_cuda_table[index_cuDriverGetVersion] = (void *)zero;
  }
}
