// How kernels with values per channel walk over pixels (samples, rows and columns). A thread
// keeps its run of V channels and goes from pixel to pixel: threads are channels along x,
// pixels along y, blocks likewise.
#pragma once
#include "walk.h"

// PIXEL_PARAMS are runs of channels, and pixels in up to three levels. Level 0 of a Place is
// the run of channels.
struct Pixels {
  unsigned channels, total;
  Divisor n[2];
};
#define PIXEL_PARAMS unsigned channels, unsigned total, long long n1, long long n2
#define PIXELS \
  Pixels { channels, total, { divisor(n1), divisor(n2) } }

DEV Place place(const Pixels& g, unsigned channel, unsigned pixel) {
  Place p = {{channel, pixel, 0, 0}};
  for (int l = 0; l < 2 && g.n[l].d; l++) {
    unsigned q = quotient(g.n[l], p.i[l + 1]);
    p.i[l + 1] -= q * g.n[l].d;
    p.i[l + 2] = q;
  }
  return p;
}

DEV unsigned own_channel() { return blockIdx.x * blockDim.x + threadIdx.x; }
DEV unsigned first_pixel() { return blockIdx.y * blockDim.y + threadIdx.y; }
DEV unsigned pixel_stride() { return gridDim.y * blockDim.y; }

// Vector is a value for each channel.
struct Vector {
  const float* at;
  int step;
};
#define VECTOR_PARAMS(v) const float *v##_at, int v##_step
#define VECTOR(v) \
  Vector { v##_at, v##_step }

// values returns those of a run of channels.
template <int V>
DEV Run<V> values(const Vector& v, unsigned channel) {
  Run<V> r;
  for (int k = 0; k < V; k++) r.v[k] = v.at[(int)(channel * V + k) * v.step];
  return r;
}

// each_pixel sets the thread's channels of y to op of those of in, like each in walk.h.
template <int V, class Op, class... In>
DEV void each_pixel(const Pixels& g, const View<float>& y, Op op, const In&... in) {
  const unsigned stride = pixel_stride(), c = own_channel();
  for (unsigned i = first_pixel(); i < g.total; i += 2 * stride) {
    const bool two = g.total - i > stride;
    const Place p = place(g, c, i), q = place(g, c, two ? i + stride : i);
    const Run<V> r = op(load<V>(in(p))...), s = op(load<V>(in(q))...);
    store<V>(y(p), r);
    if (two) store<V>(y(q), s);
  }
}
