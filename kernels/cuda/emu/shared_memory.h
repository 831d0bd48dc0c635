// Addresses in shared memory and copies to it that do not pass through registers
// (cp.async). See the wrappers in ../dev.h, whose twins these are.
#pragma once
#include "warp.h"

typedef unsigned saddr;

namespace cuemu {

constexpr unsigned FIRST_SHARED = 0x400;  // so that no shared address is taken for a null

inline unsigned char* shared(saddr a) { return current->block->arena() + (a - FIRST_SHARED); }
void copy_async(saddr to, const void* from, int bytes, bool ok);
void copy_commit();
void copy_wait(int pending);
void check_aligned(const void* p, int bytes, const char* operation);

template <class T>
T load_shared(saddr a, const char* operation) {
  const unsigned char* p = shared(a);
  check_aligned(p, sizeof(T), operation);
  return *(const T*)p;
}
template <class T>
void store_shared(saddr a, T v, const char* operation) {
  unsigned char* p = shared(a);
  check_aligned(p, sizeof(T), operation);
  *(T*)p = v;
}

}  // namespace cuemu

DEV saddr shared_address(const void* p) { return (saddr)((const unsigned char*)p - cuemu::current->block->arena()) + cuemu::FIRST_SHARED; }
DEV saddr shared_base(const void* p) { return __shfl_sync(~0u, shared_address(p), 0); }

DEV void cp_async4(saddr to, const void* from, bool ok = true) { cuemu::copy_async(to, from, 4, ok); }
DEV void cp_async8(saddr to, const void* from, bool ok = true) { cuemu::copy_async(to, from, 8, ok); }
DEV void cp_async16(saddr to, const void* from, bool ok = true) { cuemu::copy_async(to, from, 16, ok); }
DEV void cp_async_commit() { cuemu::copy_commit(); }
template <int N>
DEV void cp_async_wait() {
  static_assert(N >= 0, "");
  cuemu::copy_wait(N);
}

DEV float lds32(saddr a) { return cuemu::load_shared<float>(a, "lds32"); }
DEV float2 lds64(saddr a) { return cuemu::load_shared<float2>(a, "lds64"); }
DEV float4 lds128(saddr a) { return cuemu::load_shared<float4>(a, "lds128"); }
DEV void sts32(saddr a, float v) { cuemu::store_shared(a, v, "sts32"); }
DEV void sts64(saddr a, float2 v) { cuemu::store_shared(a, v, "sts64"); }
DEV void sts128(saddr a, float4 v) { cuemu::store_shared(a, v, "sts128"); }
