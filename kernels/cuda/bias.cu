// Bias: a value per channel is added.
#include "channels.h"

template <int V>
DEV void bias_fwd(const Pixels& g, const View<float>& y, const View<const float>& x, const Vector& b, bool relu) {
  if (own_channel() >= g.channels) return;
  const Run<V> shift = values<V>(b, own_channel());
  each_pixel<V>(g, y, [shift, relu](Run<V> r) {
    for (int k = 0; k < V; k++) {
      const float v = r.v[k] + shift.v[k];
      r.v[k] = relu ? relued(v) : v;
    }
    return r;
  }, x);
}

// y = x + b, with ReLU if asked for.
extern "C" __global__ void __launch_bounds__(256) bias_fwd_run4_f32(PIXEL_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x), VECTOR_PARAMS(b), int relu) {
  bias_fwd<4>(PIXELS, VIEW(float, y), VIEW(const float, x), VECTOR(b), relu);
}
extern "C" __global__ void __launch_bounds__(256) bias_fwd_run1_f32(PIXEL_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x), VECTOR_PARAMS(b), int relu) {
  bias_fwd<1>(PIXELS, VIEW(float, y), VIEW(const float, x), VECTOR(b), relu);
}
