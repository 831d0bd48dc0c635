// mma.sync, ldmatrix and movmatrix. Which element of a matrix lies where in which lane's
// registers follows the PTX ISA, sections "Matrix Fragments for mma.m16n8k8", "Matrix
// Fragments for mma.m16n8k16 with floating point type", "ldmatrix" and "movmatrix":
// groupID is lane/4, threadID_in_group lane%4.
#include "cuemu.h"

namespace cuemu {

namespace {

struct Operands {
  const float* c;
  const unsigned *a, *b;
};

float element(Element e, unsigned word, int half) {
  unsigned short h = (unsigned short)(word >> 16 * half);
  switch (e) {
    case Element::bf16: return cuemu_bits<float>((unsigned)h << 16);
    case Element::f16: return from_f16(h);
    default: return cuemu_bits<float>(word & ~0x1fffu);  // the 13 low bits of a tf32 are not read
  }
}

// The products are exact in float; they are added in the order of k. A GPU's order and
// intermediate precision are not documented.
template <Element E, int K>
void multiply(Warp* w, uint32_t) {
  constexpr bool WORDS = E == Element::tf32;  // one element a register, else two
  constexpr int NA = WORDS || K == 16 ? 4 : 2, NB = NA / 2, PER = WORDS ? 1 : 2, STEP = WORDS ? 4 : 8;
  float A[16][K], B[K][8];
  for (int l = 0; l < 32; l++) {
    const Operands& o = *(const Operands*)w->lanes[l].in;
    int g = l / 4, t = l % 4;
    for (int i = 0; i < NA; i++)
      for (int h = 0; h < PER; h++) A[g + i % 2 * 8][t * PER + h + i / 2 * STEP] = element(E, o.a[i], h);
    for (int i = 0; i < NB; i++)
      for (int h = 0; h < PER; h++) B[t * PER + h + i * STEP][g] = element(E, o.b[i], h);
  }
  for (int l = 0; l < 32; l++) {
    const Operands& o = *(const Operands*)w->lanes[l].in;
    float* d = (float*)w->lanes[l].out;
    for (int i = 0; i < 4; i++) {
      int row = l / 4 + i / 2 * 8, col = l % 4 * 2 + i % 2;
      float v = o.c[i];
      for (int k = 0; k < K; k++) v += A[row][k] * B[k][col];
      d[i] = v;
    }
  }
}

// A lane's address is that of row l%8 of matrix l/8; it receives of each matrix row l/4,
// columns 2(l%4) and 2(l%4)+1, or with .trans the elements of the transposed matrix.
template <int COUNT, bool TRANSPOSED>
void load(Warp* w, uint32_t) {
  for (int l = 0; l < 32; l++)
    for (int i = 0; i < COUNT; i++) {
      unsigned word = 0;
      for (int h = 0; h < 2; h++) {
        int row = TRANSPOSED ? l % 4 * 2 + h : l / 4, col = TRANSPOSED ? l / 4 : l % 4 * 2 + h;
        word |= (unsigned)(*(const unsigned short* const*)w->lanes[i * 8 + row].in)[col] << 16 * h;
      }
      ((unsigned*)w->lanes[l].out)[i] = word;
    }
}

void need(int arch, const char* operation, Site s) {
  Block* b = current->block;
  if (b->launch->arch < arch) b->fail(INVALID_PTX, "%s at %s:%d needs sm_%d, the code is for sm_%d", operation, s.file, s.line, arch, b->launch->arch);
}

}  // namespace

void mma(Element e, int k, float* c, const unsigned* a, const unsigned* b, Site s) {
  static const char* const names[] = {"mma.m16n8k8.bf16", "mma.m16n8k16.bf16", "mma.m16n8k8.f16", "mma.m16n8k16.f16", "mma.m16n8k8.tf32"};
  int i = (int)e * 2 + (k == 16);
  need(e == Element::f16 && k == 8 ? 75 : 80, names[i], s);
  Operands o = {c, a, b};
  void (*all[])(Warp*, uint32_t) = {multiply<Element::bf16, 8>, multiply<Element::bf16, 16>, multiply<Element::f16, 8>, multiply<Element::f16, 16>, multiply<Element::tf32, 8>};
  float d[4];
  collective(names[i], ~0u, &o, d, 0, all[i], s);
  memcpy(c, d, sizeof d);
}

void load_matrices(int count, bool transposed, unsigned* r, saddr row, Site s) {
  need(75, "ldmatrix", s);
  const unsigned char* p = shared(row);
  if ((int)current->number < 8 * count) check_aligned(p, 16, "ldmatrix");
  void (*all)(Warp*, uint32_t) = count == 1 ? (transposed ? load<1, true> : load<1, false>)
                               : count == 2 ? (transposed ? load<2, true> : load<2, false>)
                                            : (transposed ? load<4, true> : load<4, false>);
  collective("ldmatrix", ~0u, &p, r, count * 2 + transposed, all, s);
}

// Lane l holds row l/4, columns 2(l%4) and 2(l%4)+1 of an 8×8 matrix, and receives those of
// the transposed one.
unsigned transpose_matrix(unsigned a, Site s) {
  need(75, "movmatrix", s);
  unsigned r;
  collective("movmatrix", ~0u, &a, &r, 0, [](Warp* w, uint32_t) {
    unsigned short m[8][8];
    for (int l = 0; l < 32; l++)
      for (int h = 0; h < 2; h++) m[l / 4][l % 4 * 2 + h] = (unsigned short)(*(const unsigned*)w->lanes[l].in >> 16 * h);
    for (int l = 0; l < 32; l++) *(unsigned*)w->lanes[l].out = m[l % 4 * 2][l / 4] | (unsigned)m[l % 4 * 2 + 1][l / 4] << 16;
  }, s);
  return r;
}

float from_f16(unsigned short v) {
  int exponent = v >> 10 & 31, fraction = v & 1023;
  float magnitude = exponent == 31 ? (fraction ? NAN : INFINITY) : exponent ? ldexpf(1024 + fraction, exponent - 25) : ldexpf(fraction, -24);
  return v >> 15 ? -magnitude : magnitude;
}

// To nearest, ties to even; what is too large becomes infinite.
unsigned short to_f16(float v) {
  unsigned sign = cuemu_bits<unsigned>(v) >> 16 & 0x8000;
  float a = fabsf(v);
  if (a != a) return 0x7fff;
  if (a >= 65520) return sign | 0x7c00;
  if (a < ldexpf(1, -14)) return sign | (unsigned)nearbyintf(ldexpf(a, 24));
  unsigned u = cuemu_bits<unsigned>(a);
  return sign | (((u + 0xfff + (u >> 13 & 1)) >> 13) - (112 << 10));
}

unsigned short to_bf16(float v) {
  unsigned u = cuemu_bits<unsigned>(v);
  return v != v ? 0x7fff : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

}  // namespace cuemu
