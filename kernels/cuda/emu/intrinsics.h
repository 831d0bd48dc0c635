// Scalar functions of CUDA C++ that C++ lacks. Those that name a rounding are exact in it;
// __expf and its like are libm's functions, more precise than a GPU's.
#pragma once
#include "language.h"

DEV float __fadd_rn(float a, float b) { return a + b; }
DEV float __fsub_rn(float a, float b) { return a - b; }
DEV float __fmul_rn(float a, float b) { return a * b; }
DEV float __fdiv_rn(float a, float b) { return a / b; }
DEV float __frcp_rn(float a) { return 1 / a; }
DEV float __fsqrt_rn(float a) { return sqrtf(a); }
DEV float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
DEV double __dadd_rn(double a, double b) { return a + b; }
DEV double __dsub_rn(double a, double b) { return a - b; }
DEV double __dmul_rn(double a, double b) { return a * b; }
DEV double __ddiv_rn(double a, double b) { return a / b; }
DEV double __drcp_rn(double a) { return 1 / a; }
DEV double __dsqrt_rn(double a) { return sqrt(a); }
DEV double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

DEV float rsqrtf(float a) { return 1 / sqrtf(a); }
DEV double rsqrt(double a) { return 1 / sqrt(a); }
#define __expf expf
#define __logf logf
#define __log2f log2f
#define __powf powf
DEV float __fdividef(float a, float b) { return a / b; }
DEV float __saturatef(float a) { return a > 0 ? a < 1 ? a : 1 : 0; }

template <class To, class From>
inline To cuemu_bits(From v) {
  static_assert(sizeof(To) == sizeof(From), "");
  To r;
  memcpy(&r, &v, sizeof r);
  return r;
}
DEV unsigned __float_as_uint(float v) { return cuemu_bits<unsigned>(v); }
DEV float __uint_as_float(unsigned v) { return cuemu_bits<float>(v); }
DEV int __float_as_int(float v) { return cuemu_bits<int>(v); }
DEV float __int_as_float(int v) { return cuemu_bits<float>(v); }
DEV long long __double_as_longlong(double v) { return cuemu_bits<long long>(v); }
DEV double __longlong_as_double(long long v) { return cuemu_bits<double>(v); }
DEV int __double2hiint(double v) { return (int)(cuemu_bits<unsigned long long>(v) >> 32); }
DEV int __double2loint(double v) { return (int)cuemu_bits<unsigned long long>(v); }
DEV double __hiloint2double(int high, int low) { return cuemu_bits<double>((unsigned long long)(unsigned)high << 32 | (unsigned)low); }

// Conversions with a rounding: nearest even (rn), to zero (rz), down (rd), up (ru). As in
// CUDA, what does not fit is clamped and NaN becomes 0.
template <class I>
inline I cuemu_to_integer(double v) {
  if (v != v) return 0;
  constexpr I low = (I)-1 < 0 ? (I)((I)1 << (sizeof(I) * 8 - 1)) : 0, high = (I)~low;
  if (v <= (double)low) return low;
  if (v >= (double)high) return high;
  return (I)v;
}
DEV int __float2int_rn(float v) { return cuemu_to_integer<int>(nearbyintf(v)); }
DEV int __float2int_rz(float v) { return cuemu_to_integer<int>(truncf(v)); }
DEV int __float2int_rd(float v) { return cuemu_to_integer<int>(floorf(v)); }
DEV int __float2int_ru(float v) { return cuemu_to_integer<int>(ceilf(v)); }
DEV unsigned __float2uint_rn(float v) { return cuemu_to_integer<unsigned>(nearbyintf(v)); }
DEV unsigned __float2uint_rz(float v) { return cuemu_to_integer<unsigned>(truncf(v)); }
DEV float __int2float_rn(int v) { return (float)v; }
DEV float __uint2float_rn(unsigned v) { return (float)v; }
DEV float __ll2float_rn(long long v) { return (float)v; }
DEV float __ull2float_rn(unsigned long long v) { return (float)v; }
DEV double __int2double_rn(int v) { return v; }
DEV double __uint2double_rn(unsigned v) { return v; }
DEV double __ll2double_rn(long long v) { return (double)v; }
DEV double __ull2double_rn(unsigned long long v) { return (double)v; }
DEV float __double2float_rn(double v) { return (float)v; }
DEV long long __double2ll_rn(double v) { return cuemu_to_integer<long long>(nearbyint(v)); }

DEV int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
DEV unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
DEV unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned long long)((unsigned __int128)a * b >> 64); }
DEV int __popc(unsigned v) { return __builtin_popcount(v); }
DEV int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
DEV int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
DEV int __clzll(long long v) { return v ? __builtin_clzll((unsigned long long)v) : 64; }
DEV int __ffs(int v) { return __builtin_ffs(v); }
DEV unsigned __brev(unsigned v) {
  unsigned r = 0;
  for (int i = 0; i < 32; i++) r |= (v >> i & 1) << (31 - i);
  return r;
}
DEV unsigned __funnelshift_l(unsigned low, unsigned high, unsigned n) { return (unsigned)((((unsigned long long)high << 32 | low) << (n & 31)) >> 32); }
DEV unsigned __funnelshift_r(unsigned low, unsigned high, unsigned n) { return (unsigned)(((unsigned long long)high << 32 | low) >> (n & 31)); }

#define CUEMU_MINMAX(T)                             \
  DEV T min(T a, T b) { return b < a ? b : a; }     \
  DEV T max(T a, T b) { return a < b ? b : a; }
CUEMU_MINMAX(int)
CUEMU_MINMAX(unsigned)
CUEMU_MINMAX(long)
CUEMU_MINMAX(unsigned long)
CUEMU_MINMAX(long long)
CUEMU_MINMAX(unsigned long long)
DEV float min(float a, float b) { return fminf(a, b); }
DEV float max(float a, float b) { return fmaxf(a, b); }
DEV double min(double a, double b) { return fmin(a, b); }
DEV double max(double a, double b) { return fmax(a, b); }
DEV unsigned min(int a, unsigned b) { return min((unsigned)a, b); }
DEV unsigned min(unsigned a, int b) { return min(a, (unsigned)b); }
DEV unsigned max(int a, unsigned b) { return max((unsigned)a, b); }
DEV unsigned max(unsigned a, int b) { return max(a, (unsigned)b); }

// Loads and stores with a hint for the caches.
template <class T> inline T __ldg(const T* p) { return *p; }
template <class T> inline T __ldcg(const T* p) { return *p; }
template <class T> inline T __ldcs(const T* p) { return *p; }
template <class T> inline void __stcg(T* p, T v) { *p = v; }
template <class T> inline void __stcs(T* p, T v) { *p = v; }

// Atomics of integers. Sums of floats by atomics depend on the order of the threads, so
// there are none.
#define CUEMU_ATOMICS(T)                                                                       \
  DEV T atomicAdd(T* p, T v) { return __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }            \
  DEV T atomicSub(T* p, T v) { return __atomic_fetch_sub(p, v, __ATOMIC_RELAXED); }            \
  DEV T atomicOr(T* p, T v) { return __atomic_fetch_or(p, v, __ATOMIC_RELAXED); }              \
  DEV T atomicAnd(T* p, T v) { return __atomic_fetch_and(p, v, __ATOMIC_RELAXED); }            \
  DEV T atomicXor(T* p, T v) { return __atomic_fetch_xor(p, v, __ATOMIC_RELAXED); }            \
  DEV T atomicExch(T* p, T v) { return __atomic_exchange_n(p, v, __ATOMIC_RELAXED); }          \
  DEV T atomicCAS(T* p, T old, T v) {                                                          \
    __atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);        \
    return old;                                                                                \
  }                                                                                            \
  DEV T atomicMax(T* p, T v) {                                                                 \
    T old = __atomic_load_n(p, __ATOMIC_RELAXED);                                              \
    while (old < v && !__atomic_compare_exchange_n(p, &old, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {} \
    return old;                                                                                \
  }                                                                                            \
  DEV T atomicMin(T* p, T v) {                                                                 \
    T old = __atomic_load_n(p, __ATOMIC_RELAXED);                                              \
    while (v < old && !__atomic_compare_exchange_n(p, &old, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {} \
    return old;                                                                                \
  }
CUEMU_ATOMICS(int)
CUEMU_ATOMICS(unsigned)
CUEMU_ATOMICS(unsigned long long)
