// Element-wise sums and maxima of several operands.
#include "walk.h"

template <int V>
DEV void add_fwd(const Box& b, const View<float>& y, const View<const float>& p, const View<const float>& q, bool relu) {
  each<V>(b, y, [relu](Run<V> r, Run<V> s) {
    for (int k = 0; k < V; k++) {
      const float v = r.v[k] + s.v[k];
      r.v[k] = relu ? relued(v) : v;
    }
    return r;
  }, p, q);
}

// several sets y to op of the first count (1 to 4) of its operands, taken in order.
template <int V, class Op>
DEV void several(const Box& b, const View<float>& y, int count, Op op, const View<const float> (&in)[4]) {
  const unsigned stride = gridDim.x * blockDim.x;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += stride) {
    const Place p = place(b, i);
    Run<V> r[4];
    for (int j = 0; j < 4; j++)
      if (j < count) r[j] = load<V>(in[j](p));
    for (int j = 1; j < 4; j++)
      if (j < count)
        for (int k = 0; k < V; k++) r[0].v[k] = op(r[0].v[k], r[j].v[k]);
    store<V>(y(p), r[0]);
  }
}

template <int V>
DEV void sum(const Box& b, const View<float>& y, int count, const View<const float> (&in)[4]) {
  several<V>(b, y, count, [](float p, float q) { return p + q; }, in);
}

template <int V>
DEV void max_of(const Box& b, const View<float>& y, int count, const View<const float> (&in)[4]) {
  several<V>(b, y, count, [](float p, float q) { return maximum(p, q); }, in);
}

// y = p + q, with ReLU if asked for.
extern "C" __global__ void __launch_bounds__(256) add_fwd_run4_f32(BOX_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, p), VIEW_PARAMS(const float, q), int relu) {
  add_fwd<4>(BOX, VIEW(float, y), VIEW(const float, p), VIEW(const float, q), relu);
}
extern "C" __global__ void __launch_bounds__(256) add_fwd_run1_f32(BOX_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, p), VIEW_PARAMS(const float, q), int relu) {
  add_fwd<1>(BOX, VIEW(float, y), VIEW(const float, p), VIEW(const float, q), relu);
}

#define FOUR_PARAMS VIEW_PARAMS(const float, p), VIEW_PARAMS(const float, q), VIEW_PARAMS(const float, r), VIEW_PARAMS(const float, s)
#define FOUR {VIEW(const float, p), VIEW(const float, q), VIEW(const float, r), VIEW(const float, s)}

// y = p + q + r + s, of which the first count are given.
extern "C" __global__ void __launch_bounds__(256) sum_run4_f32(BOX_PARAMS, VIEW_PARAMS(float, y), int count, FOUR_PARAMS) {
  sum<4>(BOX, VIEW(float, y), count, FOUR);
}
extern "C" __global__ void __launch_bounds__(256) sum_run1_f32(BOX_PARAMS, VIEW_PARAMS(float, y), int count, FOUR_PARAMS) {
  sum<1>(BOX, VIEW(float, y), count, FOUR);
}

// y = max(p, q, r, s), of which the first count are given.
extern "C" __global__ void __launch_bounds__(256) max_run4_f32(BOX_PARAMS, VIEW_PARAMS(float, y), int count, FOUR_PARAMS) {
  max_of<4>(BOX, VIEW(float, y), count, FOUR);
}
extern "C" __global__ void __launch_bounds__(256) max_run1_f32(BOX_PARAMS, VIEW_PARAMS(float, y), int count, FOUR_PARAMS) {
  max_of<1>(BOX, VIEW(float, y), count, FOUR);
}
