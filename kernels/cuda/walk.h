// How element-wise kernels walk over boxes: a box has up to four levels, the innermost first.
// A view of it has a step for each level, in elements; a kernel walks over runs of V
// elements that lie one after the other along the innermost level (V 4, 16 bytes aligned, or 1).
#pragma once
#include "dev.h"

// A number below 2^31 to divide numbers below 2^31 by; it comes packed into 64 bits from
// choose.div: d in the low half, m = ceil(2^(32+s) / d) with s = ceil(log2 d) - 1 in the high
// half (Granlund and Montgomery, "Division by invariant integers using multiplication",
// PLDI 1994), m = 0 for d = 1. All zero says that there is nothing to divide.
struct Divisor {
  unsigned d, m;
  int s;
};
DEV Divisor divisor(long long packed) {
  Divisor v;
  v.d = (unsigned)packed;
  v.m = (unsigned)(packed >> 32);
  v.s = v.m ? 31 - __clz((int)(v.d - 1)) : 0;
  return v;
}
DEV unsigned quotient(Divisor v, unsigned n) { return v.m ? __umulhi(n, v.m) >> v.s : n; }

// Place is a run's index along each level.
struct Place {
  unsigned i[4];
};

struct Box {
  unsigned total;  // runs
  Divisor n[3];    // runs or elements of the inner levels; zero where all others are single
};
#define BOX_PARAMS unsigned total, long long n0, long long n1, long long n2
#define BOX \
  Box { total, { divisor(n0), divisor(n1), divisor(n2) } }

DEV Place place(const Box& b, unsigned i) {
  Place p = {{i, 0, 0, 0}};
  for (int l = 0; l < 3 && b.n[l].d; l++) {
    unsigned q = quotient(b.n[l], p.i[l]);
    p.i[l] -= q * b.n[l].d;
    p.i[l + 1] = q;
  }
  return p;
}

// View is an operand: its first element and the elements from run to run of each level.
template <class T>
struct View {
  T* at;
  int step[4];
  __device__ __forceinline__ T* operator()(const Place& p) const {
    return at + (int)(p.i[0] * step[0] + p.i[1] * step[1] + p.i[2] * step[2] + p.i[3] * step[3]);
  }
};
#define VIEW_PARAMS(T, v) T *v##_at, int v##_0, int v##_1, int v##_2, int v##_3
#define VIEW(T, v) \
  View<T> { v##_at, { v##_0, v##_1, v##_2, v##_3 } }

// Run is V elements.
template <int V>
struct Run {
  float v[V];
};
template <int V>
DEV Run<V> load(const float* p) {
  Run<V> r;
  if (V == 4) {
    float4 q = *(const float4*)p;
    r.v[0] = q.x, r.v[1 % V] = q.y, r.v[2 % V] = q.z, r.v[3 % V] = q.w;
  } else {
    for (int k = 0; k < V; k++) r.v[k] = p[k];
  }
  return r;
}
template <int V>
DEV void store(float* p, const Run<V>& r) {
  if (V == 4) {
    float4 q = {r.v[0], r.v[1 % V], r.v[2 % V], r.v[3 % V]};
    *(float4*)p = q;
  } else {
    for (int k = 0; k < V; k++) p[k] = r.v[k];
  }
}

// each sets every element of y to op of those of in. Two runs are loaded before the first is
// stored; y may be one of in.
template <int V, class Op, class... In>
DEV void each(const Box& b, const View<float>& y, Op op, const In&... in) {
  const unsigned stride = gridDim.x * blockDim.x;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += 2 * stride) {
    const bool two = b.total - i > stride;
    const Place p = place(b, i), q = place(b, two ? i + stride : i);
    const Run<V> r = op(load<V>(in(p))...), s = op(load<V>(in(q))...);
    store<V>(y(p), r);
    if (two) store<V>(y(q), s);
  }
}

// maximum of two numbers; what is no number stays.
DEV float maximum(float a, float b) { return b > a || b != b ? b : a; }
// relued is v where it is above zero or no number, else 0.
DEV float relued(float v) { return v > 0 || v != v ? v : 0; }
