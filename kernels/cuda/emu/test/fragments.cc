// The matrix instructions against the formulas of the PTX ISA 8.7, typed from its text: sections
// "Matrix Fragments for mma.m16n8k8", "Matrix Fragments for mma.m16n8k16 with floating point
// type", "Warp-level matrix instructions: ldmatrix" and "movmatrix". groupID = %laneid >> 2,
// threadID_in_group = %laneid % 4.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "driver.h"

namespace {

std::mt19937 rng(1);

// Small whole numbers: exact in each type, and so are their sums of products.
int small() { return (int)(rng() % 15) - 7; }

unsigned bits_of(float v) {
  unsigned u;
  memcpy(&u, &v, sizeof u);
  return u;
}

unsigned short bf16(int v) { return (unsigned short)(bits_of((float)v) >> 16); }
unsigned short f16(int v) {  // of |v| < 2048
  if (v == 0) return 0;
  int e = 0, m = std::abs(v);
  while (m < 1024) m *= 2, e--;
  return (unsigned short)((v < 0 ? 0x8000 : 0) | (25 + e) << 10 | (m & 1023));
}

struct Place {
  int row, col;
};

// multiply tries an instruction: where(i) of A, B and C are those of a lane's element i.
template <class A, class B>
void multiply(const Gpu& g, const char* kernel, int K, int na, int nb, unsigned short (*half)(int), A where_a, B where_b) {
  std::vector<int> a(16 * K), b(K * 8), c(16 * 8);
  for (auto* m : {&a, &b, &c})
    for (int& v : *m) v = small();
  const int pa = half ? na / 2 : na, pb = half ? nb / 2 : nb;  // registers
  std::vector<unsigned> ra(32 * pa), rb(32 * pb);
  std::vector<float> rc(32 * 4);
  auto where_c = [](int group, int tig, int i) { return Place{i < 2 ? group : group + 8, tig * 2 + (i & 1)}; };
  for (int lane = 0; lane < 32; lane++) {
    const int group = lane >> 2, tig = lane % 4;
    for (int i = 0; i < na; i++) {
      const Place p = where_a(group, tig, i);
      const int v = a[p.row * K + p.col];
      if (half) ra[lane * pa + i / 2] |= (unsigned)half(v) << 16 * (i % 2);
      else ra[lane * pa + i] = bits_of((float)v);
    }
    for (int i = 0; i < nb; i++) {
      const Place p = where_b(group, tig, i);
      const int v = b[p.row * 8 + p.col];
      if (half) rb[lane * pb + i / 2] |= (unsigned)half(v) << 16 * (i % 2);
      else rb[lane * pb + i] = bits_of((float)v);
    }
    for (int i = 0; i < 4; i++) {
      const Place p = where_c(group, tig, i);
      rc[lane * 4 + i] = (float)c[p.row * 8 + p.col];
    }
  }
  const uint64_t out = g.alloc(32 * 4 * 4);
  OK(g.launch(kernel, 32, {g.put(ra), g.put(rb), g.put(rc), out}));
  OK(g.finish());
  const auto d = g.get<float>(out, 32 * 4);
  for (int lane = 0; lane < 32; lane++)
    for (int i = 0; i < 4; i++) {
      const Place p = where_c(lane >> 2, lane % 4, i);
      int want = c[p.row * 8 + p.col];
      for (int k = 0; k < K; k++) want += a[p.row * K + k] * b[k * 8 + p.col];
      if (d[lane * 4 + i] != (float)want)
        throw Failure{std::string(kernel) + ": lane " + std::to_string(lane) + " has " + std::to_string(d[lane * 4 + i]) + " in register " + std::to_string(i) + ", want " + std::to_string(want)};
    }
}

}  // namespace

void test_fragments(const Gpu& g) {
  // .m16n8k8, .f16 and .bf16: a0 a1 in row groupID, a2 a3 in row groupID + 8; columns 2t + (i & 1).
  auto a8 = [](int group, int t, int i) { return Place{i < 2 ? group : group + 8, t * 2 + (i & 1)}; };
  auto b8 = [](int group, int t, int i) { return Place{t * 2 + i, group}; };
  multiply(g, "m16n8k8_bf16", 8, 4, 2, bf16, a8, b8);
  multiply(g, "m16n8k8_f16", 8, 4, 2, f16, a8, b8);
  // .m16n8k16: rows groupID for 0 ≤ i < 2 and 4 ≤ i < 6; columns + 8 for i ≥ 4.
  auto a16 = [](int group, int t, int i) { return Place{(i >= 0 && i < 2) || (i >= 4 && i < 6) ? group : group + 8, t * 2 + (i & 1) + (i >= 4 ? 8 : 0)}; };
  auto b16 = [](int group, int t, int i) { return Place{t * 2 + (i & 1) + (i >= 2 ? 8 : 0), group}; };
  multiply(g, "m16n8k16_bf16", 16, 8, 4, bf16, a16, b16);
  multiply(g, "m16n8k16_f16", 16, 8, 4, f16, a16, b16);
  // .m16n8k8, .tf32: a0 and a2 in row groupID; a0 and a1 in column threadID_in_group, the others 4 further on.
  auto at = [](int group, int t, int i) { return Place{i == 0 || i == 2 ? group : group + 8, i < 2 ? t : t + 4}; };
  auto bt = [](int group, int t, int i) { return Place{i == 0 ? t : t + 4, group}; };
  multiply(g, "m16n8k8_tf32", 8, 4, 2, nullptr, at, bt);
}

void test_load(const Gpu& g) {
  std::vector<unsigned> words(128);
  for (unsigned& w : words) w = rng();
  auto element = [&](int matrix, int row, int col) { return (unsigned short)(words[matrix * 32 + row * 4 + col / 2] >> 16 * (col % 2)); };
  struct { const char* kernel; int count; bool transposed; } cases[] = {
      {"load_x1", 1, false}, {"load_x2", 2, false}, {"load_x4", 4, false}, {"load_x1_trans", 1, true}, {"load_x2_trans", 2, true}, {"load_x4_trans", 4, true}, {"movmatrix", 1, true}};
  for (const auto& c : cases) {
    // movmatrix takes its matrix in the lanes' registers as ldmatrix would give it: word l is lane l's.
    const uint64_t out = g.alloc(128 * 4);
    OK(g.launch(c.kernel, 32, {g.put(words), out}));
    OK(g.finish());
    const auto got = g.get<unsigned>(out, 32 * c.count);
    for (int lane = 0; lane < 32; lane++)
      for (int i = 0; i < c.count; i++)
        for (int h = 0; h < 2; h++) {
          // Row lane/4, elements 2(lane%4) and the next; .trans loads the matrix in column-major format.
          const int row = lane / 4, col = lane % 4 * 2 + h;
          const unsigned short want = c.transposed ? element(i, col, row) : element(i, row, col);
          if ((unsigned short)(got[lane * c.count + i] >> 16 * h) != want) throw Failure{std::string(c.kernel) + ": lane " + std::to_string(lane) + ", matrix " + std::to_string(i) + ", half " + std::to_string(h)};
        }
  }
}

namespace {

// nearest returns which of the non-negative values, which rise, is nearest to v; of two as near
// the one with an even index, or the larger.
size_t nearest(const std::vector<double>& values, double v, bool even) {
  size_t i = (size_t)(std::lower_bound(values.begin(), values.end(), v) - values.begin());
  if (i == values.size()) return i - 1;
  if (i == 0 || values[i] == v) return i;
  const double below = v - values[i - 1], above = values[i] - v;
  if (below != above) return below < above ? i - 1 : i;
  return even && i % 2 ? i - 1 : i;
}

}  // namespace

void test_convert(const Gpu& g) {
  // All positive halves, and infinity as the value that would come next.
  std::vector<double> halves;
  for (int u = 0; u < 0x7c00; u++) halves.push_back(u < 1024 ? std::ldexp(u, -24) : std::ldexp(1024 + u % 1024, u / 1024 - 25));
  halves.push_back(65536);
  std::vector<float> v;
  for (size_t i = 0; i + 1 < halves.size(); i++) {  // each, and what lies between it and the next
    const float middle = (float)((halves[i] + halves[i + 1]) / 2);
    for (float x : {(float)halves[i], std::nextafterf(middle, 0), middle, std::nextafterf(middle, 1e9f)}) v.push_back(x);
  }
  for (int i = 0; i < 4096; i++) v.push_back(std::ldexp(1 + (float)(rng() % (1 << 23)) / (1 << 23), (int)(rng() % 200) - 100));
  for (int i = 0; i < 512; i++) v.push_back(std::ldexp(1 + (float)(i * 2 + 1) / 256, i % 60 - 30));    // ties of bf16
  for (int i = 0; i < 2048; i++) v.push_back(std::ldexp(1 + (float)(i * 2 + 1) / 4096, i % 60 - 30));  // and of tf32
  v.resize((v.size() + 255) / 256 * 256);
  const size_t n = v.size();
  const uint64_t tf32 = g.alloc(4 * n), bf = g.alloc(4 * n), f = g.alloc(4 * n);
  OK(g.launch("convert", 256, {g.put(v), tf32, bf, f}, 0, (int)(n / 256)));
  OK(g.finish());
  const auto t = g.get<unsigned>(tf32, n), b = g.get<unsigned>(bf, n), h = g.get<unsigned>(f, n);
  // cut keeps so many fraction bits of a float, to the nearest.
  auto cut = [](float x, int bits, bool even) {
    const double unit = std::ldexp(1.0, std::ilogb(x) - bits), q = std::floor(x / unit), rest = x / unit - q;
    const bool up = rest > 0.5 || (rest == 0.5 && (!even || std::fmod(q, 2) != 0));
    return bits_of((float)((q + up) * unit));
  };
  for (size_t i = 0; i < n; i++) {
    const std::string at = " of " + std::to_string(v[i]) + ", number " + std::to_string(i);
    const unsigned half = (unsigned)nearest(halves, v[i], true);  // the last is infinity: 0x7c00
    if (h[i] != (half | (half | 0x8000) << 16)) throw Failure{"f16" + at};
    if (v[i] == 0) continue;
    const bool normal = v[i] >= 1.1754944e-38f;
    const unsigned short want = (unsigned short)(cut(v[i], 7, true) >> 16);
    if (normal && b[i] != (want | (want | 0x8000u) << 16)) throw Failure{"bf16" + at};
    if (normal && t[i] != cut(v[i], 10, false)) throw Failure{"tf32" + at};
  }
}
