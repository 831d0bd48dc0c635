// What the kernels need of a device beyond CUDA C++. This is the only file with inline PTX;
// each wrapper has a twin with the same name in emu/ (CUEMU), where kernels run on the CPU.
//
// Rules for kernels: parameters of at most 8 bytes; static shared memory by __shared__,
// dynamic by DYN_SHARED; barriers and operations of a warp with all named lanes live; no
// <stdint.h>, which NVRTC lacks. nvcc fuses a*b+c where it likes: results that must be the
// same on all devices take __fmul_rn, __fadd_rn and fmaf. (PTX ISA 8.1 is the reference.)
#pragma once
#ifdef CUEMU
#include "emu/cuemu.h"
#else

#define DEV static __device__ __forceinline__

// All dynamic shared memory of the block, aligned to 16 bytes.
#define DYN_SHARED(T, name)                                   \
  extern __shared__ __align__(16) unsigned char dyn_shared[]; \
  T* name = (T*)dyn_shared

// An address in shared memory, as ld.shared and its like take it.
typedef unsigned saddr;

DEV saddr shared_address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }

// shared_address for a pointer that is the same in all lanes, all of which must take part.
// Taken once a kernel: the shuffle hides where the value comes from, else ptxas rebuilds it
// from a special register at every use.
DEV saddr shared_base(const void* p) { return __shfl_sync(~0u, shared_address(p), 0); }

DEV float lds32(saddr a) {
  float v;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(v) : "r"(a) : "memory");
  return v;
}
DEV float2 lds64(saddr a) {
  float2 v;
  asm volatile("ld.shared.v2.f32 {%0,%1}, [%2];" : "=f"(v.x), "=f"(v.y) : "r"(a) : "memory");
  return v;
}
DEV float4 lds128(saddr a) {
  float4 v;
  asm volatile("ld.shared.v4.f32 {%0,%1,%2,%3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "r"(a) : "memory");
  return v;
}
DEV void sts32(saddr a, float v) { asm volatile("st.shared.f32 [%0], %1;" ::"r"(a), "f"(v) : "memory"); }
DEV void sts64(saddr a, float2 v) { asm volatile("st.shared.v2.f32 [%0], {%1,%2};" ::"r"(a), "f"(v.x), "f"(v.y) : "memory"); }
DEV void sts128(saddr a, float4 v) { asm volatile("st.shared.v4.f32 [%0], {%1,%2,%3,%4};" ::"r"(a), "f"(v.x), "f"(v.y), "f"(v.z), "f"(v.w) : "memory"); }

// cp_async copies 4, 8 or 16 bytes, aligned to their number, from global to shared memory.
// With ok false it writes zeros and does not read from. The copies since the last
// cp_async_commit form a group; cp_async_wait<N> waits until at most the N newest groups of
// this thread are under way. Other threads see the bytes after a barrier.
#if __CUDA_ARCH__ >= 800
DEV void cp_async4(saddr to, const void* from, bool ok = true) { asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from), "r"(ok ? 4 : 0) : "memory"); }
DEV void cp_async8(saddr to, const void* from, bool ok = true) { asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(to), "l"(from), "r"(ok ? 8 : 0) : "memory"); }
DEV void cp_async16(saddr to, const void* from, bool ok = true) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(ok ? 16 : 0) : "memory"); }
DEV void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N>
DEV void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
#else
DEV void cp_async4(saddr to, const void* from, bool ok = true) { sts32(to, ok ? *(const float*)from : 0); }
DEV void cp_async8(saddr to, const void* from, bool ok = true) { sts64(to, ok ? *(const float2*)from : make_float2(0, 0)); }
DEV void cp_async16(saddr to, const void* from, bool ok = true) { sts128(to, ok ? *(const float4*)from : make_float4(0, 0, 0, 0)); }
DEV void cp_async_commit() {}
template <int N>
DEV void cp_async_wait() {}
#endif

// c += a·b for 16×k by k×8 matrices, in fragments. Not volatile: the compiler may move them.
#if __CUDA_ARCH__ >= 800
DEV void mma_m16n8k8_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEV void mma_m16n8k8_bf16(float (&c)[4], const unsigned (&a)[2], const unsigned (&b)[1]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(b[0]));
}
DEV void mma_m16n8k16_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEV void mma_m16n8k16_f16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// Rounds to the 10 fraction bits that tf32 has, ties away from zero.
DEV unsigned to_tf32(float v) {
  unsigned r;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(v));
  return r;
}
// Two floats to the halves of a word, each to nearest even.
DEV unsigned pack_bf16(float low, float high) {
  unsigned r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
DEV unsigned pack_f16(float low, float high) {
  unsigned r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
#endif

// ldmatrix reads 1, 2 or 4 matrices of 8 rows of 16 bytes; lane l gives the address of row
// l%8 of matrix l/8. _trans hands out each matrix transposed. movmatrix_trans transposes an
// 8×8 matrix of 16-bit elements that lies in the lanes' registers.
#if __CUDA_ARCH__ >= 750
DEV void mma_m16n8k8_f16(float (&c)[4], const unsigned (&a)[2], const unsigned (&b)[1]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(b[0]));
}
DEV void ldmatrix_x1(unsigned (&r)[1], saddr row) { asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(row) : "memory"); }
DEV void ldmatrix_x2(unsigned (&r)[2], saddr row) { asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(row) : "memory"); }
DEV void ldmatrix_x4(unsigned (&r)[4], saddr row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}
DEV void ldmatrix_x1_trans(unsigned (&r)[1], saddr row) { asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(row) : "memory"); }
DEV void ldmatrix_x2_trans(unsigned (&r)[2], saddr row) { asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(row) : "memory"); }
DEV void ldmatrix_x4_trans(unsigned (&r)[4], saddr row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}
DEV unsigned movmatrix_trans(unsigned a) {
  unsigned r;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(a));
  return r;
}
#endif

#endif  // CUEMU
