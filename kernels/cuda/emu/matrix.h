// Matrix instructions: mma.sync, ldmatrix, movmatrix, and the conversions of their
// operands. Twins of the wrappers in ../dev.h.
#pragma once
#include "shared_memory.h"

namespace cuemu {

enum class Element { bf16, f16, tf32 };

void mma(Element e, int k, float* c, const unsigned* a, const unsigned* b, Site s);
void load_matrices(int count, bool transposed, unsigned* r, saddr row, Site s);
unsigned transpose_matrix(unsigned a, Site s);
float from_f16(unsigned short v);
unsigned short to_f16(float v);
unsigned short to_bf16(float v);

}  // namespace cuemu

#define CUEMU_SITE cuemu::Site s = cuemu::Site::here()
DEV void mma_m16n8k8_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], CUEMU_SITE) { cuemu::mma(cuemu::Element::tf32, 8, c, a, b, s); }
DEV void mma_m16n8k8_bf16(float (&c)[4], const unsigned (&a)[2], const unsigned (&b)[1], CUEMU_SITE) { cuemu::mma(cuemu::Element::bf16, 8, c, a, b, s); }
DEV void mma_m16n8k16_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], CUEMU_SITE) { cuemu::mma(cuemu::Element::bf16, 16, c, a, b, s); }
DEV void mma_m16n8k8_f16(float (&c)[4], const unsigned (&a)[2], const unsigned (&b)[1], CUEMU_SITE) { cuemu::mma(cuemu::Element::f16, 8, c, a, b, s); }
DEV void mma_m16n8k16_f16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], CUEMU_SITE) { cuemu::mma(cuemu::Element::f16, 16, c, a, b, s); }
DEV void ldmatrix_x1(unsigned (&r)[1], saddr row, CUEMU_SITE) { cuemu::load_matrices(1, false, r, row, s); }
DEV void ldmatrix_x2(unsigned (&r)[2], saddr row, CUEMU_SITE) { cuemu::load_matrices(2, false, r, row, s); }
DEV void ldmatrix_x4(unsigned (&r)[4], saddr row, CUEMU_SITE) { cuemu::load_matrices(4, false, r, row, s); }
DEV void ldmatrix_x1_trans(unsigned (&r)[1], saddr row, CUEMU_SITE) { cuemu::load_matrices(1, true, r, row, s); }
DEV void ldmatrix_x2_trans(unsigned (&r)[2], saddr row, CUEMU_SITE) { cuemu::load_matrices(2, true, r, row, s); }
DEV void ldmatrix_x4_trans(unsigned (&r)[4], saddr row, CUEMU_SITE) { cuemu::load_matrices(4, true, r, row, s); }
DEV unsigned movmatrix_trans(unsigned a, CUEMU_SITE) { return cuemu::transpose_matrix(a, s); }
#undef CUEMU_SITE

DEV unsigned to_tf32(float v) {
  unsigned u = cuemu_bits<unsigned>(v);
  return (u & 0x7f800000) == 0x7f800000 ? u : (u + 0x1000) & ~0x1fffu;
}
DEV unsigned pack_bf16(float low, float high) { return cuemu::to_bf16(low) | (unsigned)cuemu::to_bf16(high) << 16; }
DEV unsigned pack_f16(float low, float high) { return cuemu::to_f16(low) | (unsigned)cuemu::to_f16(high) << 16; }
