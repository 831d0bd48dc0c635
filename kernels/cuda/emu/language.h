// What CUDA C++ adds to C++: qualifiers, built-in variables, vector types. __global__ and
// __shared__ are not macros: rewrite.awk replaces them.
#pragma once
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "block.h"

#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __constant__ static
#define __align__(n) __attribute__((aligned(n)))
#define DEV static inline __attribute__((unused))

#define CUEMU_VECTOR(T, name)                                       \
  struct name##1 { T x; };                                          \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };                \
  struct name##3 { T x, y, z; };                                    \
  struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) name##4 { T x, y, z, w; }; \
  DEV name##1 make_##name##1(T x) { return {x}; }                   \
  DEV name##2 make_##name##2(T x, T y) { return {x, y}; }           \
  DEV name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }   \
  DEV name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
CUEMU_VECTOR(signed char, char)
CUEMU_VECTOR(unsigned char, uchar)
CUEMU_VECTOR(short, short)
CUEMU_VECTOR(unsigned short, ushort)
CUEMU_VECTOR(int, int)
CUEMU_VECTOR(long long, longlong)
CUEMU_VECTOR(unsigned long long, ulonglong)
CUEMU_VECTOR(float, float)
CUEMU_VECTOR(double, double)
struct uint1 { unsigned x; };
struct alignas(8) uint2 { unsigned x, y; };
using uint3 = cuemu::Index;
struct alignas(16) uint4 { unsigned x, y, z, w; };
DEV uint1 make_uint1(unsigned x) { return {x}; }
DEV uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
DEV uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
DEV uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

#define threadIdx (cuemu::current->thread)
#define blockIdx (cuemu::current->block->index)
#define blockDim (cuemu::current->block->threads)
#define gridDim (cuemu::current->block->grid)
constexpr int warpSize = 32;

// A barrier's place is a line of source, so that copies the compiler makes of it are one.
#define __syncthreads() cuemu::barrier(__FILE__, __LINE__)
#define __threadfence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define __threadfence_block() __atomic_thread_fence(__ATOMIC_SEQ_CST)

// All dynamic shared memory of the block, aligned to 16 bytes. T must be a type's name
// without brackets.
#define DYN_SHARED(T, name) T* name = (T*)cuemu::dynamic_shared()
