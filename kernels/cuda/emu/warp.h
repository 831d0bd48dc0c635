// Operations of a warp: shuffles, votes, __syncwarp. A lane that reads the value of a lane
// outside the mask gets bytes of 0xff, where a GPU gives an undefined value.
#pragma once
#include "language.h"

namespace cuemu {

struct Site {
  const char* file;
  int line;
  static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

inline void collective(const char* operation, uint32_t mask, const void* in, void* out, int immediate, void (*all)(Warp*, uint32_t), Site s) {
  current->block->collective(operation, mask, in, out, immediate, all, s.file, s.line);
}

// Shuffled is what a lane hands to a shuffle: its value and from which lane it wants one.
template <class T>
struct Shuffled {
  T value;
  int from;
};

template <class T>
T shuffle(const char* operation, unsigned mask, T value, int from, int width, Site s) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  Shuffled<T> in = {value, from};
  T out;
  if (width < 1 || width > 32 || width & (width - 1)) current->block->fail(LAUNCH_FAILED, "%s at %s:%d: width %d is no power of two up to 32", operation, s.file, s.line, width);
  collective(operation, mask, &in, &out, width, [](Warp* w, uint32_t mask) {
    for (int l = 0; l < 32; l++) {
      if (!(mask >> l & 1)) continue;
      int from = ((const Shuffled<T>*)w->lanes[l].in)->from;
      if (mask >> from & 1)
        *(T*)w->lanes[l].out = ((const Shuffled<T>*)w->lanes[from].in)->value;
      else
        memset(w->lanes[l].out, 0xff, sizeof(T));
    }
  }, s);
  return out;
}

inline uint32_t ballot(const char* operation, unsigned mask, int predicate, Site s) {
  uint32_t out;
  collective(operation, mask, &predicate, &out, 0, [](Warp* w, uint32_t mask) {
    uint32_t bits = 0;
    for (int l = 0; l < 32; l++)
      if (mask >> l & 1 && *(const int*)w->lanes[l].in) bits |= 1u << l;
    for (int l = 0; l < 32; l++)
      if (mask >> l & 1) *(uint32_t*)w->lanes[l].out = bits;
  }, s);
  return out;
}

}  // namespace cuemu

// CUDA C++ Programming Guide, "Warp Shuffle Functions". Lanes form segments of width.
template <class T>
T __shfl_sync(unsigned mask, T v, int lane, int width = 32, cuemu::Site s = cuemu::Site::here()) {
  int self = cuemu::current->number;
  return cuemu::shuffle("__shfl_sync", mask, v, (self & ~(width - 1)) | (lane & (width - 1)), width, s);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, cuemu::Site s = cuemu::Site::here()) {
  int self = cuemu::current->number, from = self - (int)delta;
  return cuemu::shuffle("__shfl_up_sync", mask, v, from < (self & ~(width - 1)) ? self : from, width, s);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, cuemu::Site s = cuemu::Site::here()) {
  int self = cuemu::current->number, from = self + (int)delta;
  return cuemu::shuffle("__shfl_down_sync", mask, v, from > (self | (width - 1)) ? self : from, width, s);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32, cuemu::Site s = cuemu::Site::here()) {
  int self = cuemu::current->number, from = self ^ bits;
  return cuemu::shuffle("__shfl_xor_sync", mask, v, from > (self | (width - 1)) || from < 0 ? self : from, width, s);
}

DEV void __syncwarp(unsigned mask = ~0u, cuemu::Site s = cuemu::Site::here()) {
  cuemu::collective("__syncwarp", mask, nullptr, nullptr, 0, nullptr, s);
}
DEV unsigned __ballot_sync(unsigned mask, int predicate, cuemu::Site s = cuemu::Site::here()) {
  return cuemu::ballot("__ballot_sync", mask, predicate, s);
}
DEV int __any_sync(unsigned mask, int predicate, cuemu::Site s = cuemu::Site::here()) {
  return cuemu::ballot("__any_sync", mask, predicate, s) != 0;
}
DEV int __all_sync(unsigned mask, int predicate, cuemu::Site s = cuemu::Site::here()) {
  return cuemu::ballot("__all_sync", mask, predicate, s) == mask;
}
