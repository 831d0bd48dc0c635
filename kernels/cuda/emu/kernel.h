// How kernels become known to the driver: rewrite.awk ends each .cu file with a definition
// of a Source and, for each of its kernels, of an AddKernel.
#pragma once
#include <utility>
#include <vector>

#include "block.h"

namespace cuemu {

struct Source;

// Function is a kernel of a .cu file.
struct Function {
  const Source* source;
  const char* name;
  Kernel call;
  std::vector<unsigned char> parameters;  // the size of each, in bytes
  unsigned max_threads;                   // of __launch_bounds__, else 1024
};

// Source is a .cu file.
struct Source {
  Source(const char* name, const char* sha256);
  const char* name;    // "conv_narrow.cu"
  const char* sha256;  // of dev.h and the file
  std::vector<Function*> functions;
};

// sources lists all .cu files.
const std::vector<Source*>& sources();

template <class... A>
struct Parameters {
  static_assert(((sizeof(A) <= 8) && ...), "a kernel's parameters have 8 bytes at most");
  static std::vector<unsigned char> sizes() { return {(unsigned char)sizeof(A)...}; }
  template <size_t... I>
  static void call(void (*f)(A...), void* const* p, std::index_sequence<I...>) {
    f(*(const A*)p[I]...);
  }
  static void call(void (*f)(A...), void* const* p) { call(f, p, std::index_sequence_for<A...>{}); }
};
template <class... A>
Parameters<A...> parameters_of(void (*)(A...));

template <auto F>
struct AddKernel {
  AddKernel(Source& s, const char* name, unsigned max_threads)
      : function{&s, name, call, decltype(parameters_of(F))::sizes(), max_threads} {
    s.functions.push_back(&function);
  }
  static void call(void* const* p) { decltype(parameters_of(F))::call(F, p); }
  Function function;
};

constexpr unsigned launch_bounds() { return 1024; }
constexpr unsigned launch_bounds(int threads, int = 0, int = 0) { return (unsigned)threads; }

}  // namespace cuemu
