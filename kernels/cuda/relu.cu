// ReLU and its gradient.
#include "walk.h"

template <int V>
DEV void relu_fwd(const Box& b, const View<float>& y, const View<const float>& x) {
  each<V>(b, y, [](Run<V> r) {
    for (int k = 0; k < V; k++) r.v[k] = relued(r.v[k]);
    return r;
  }, x);
}

template <int V>
DEV void relu_bwd(const Box& b, const View<float>& dx, const View<const float>& y, const View<const float>& dy) {
  each<V>(b, dx, [](Run<V> r, Run<V> g) {
    for (int k = 0; k < V; k++) g.v[k] = r.v[k] > 0 ? g.v[k] : 0;
    return g;
  }, y, dy);
}

// y = max(x, 0).
extern "C" __global__ void __launch_bounds__(256) relu_fwd_run4_f32(BOX_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x)) {
  relu_fwd<4>(BOX, VIEW(float, y), VIEW(const float, x));
}
extern "C" __global__ void __launch_bounds__(256) relu_fwd_run1_f32(BOX_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x)) {
  relu_fwd<1>(BOX, VIEW(float, y), VIEW(const float, x));
}

// dx = dy where y > 0, else 0.
extern "C" __global__ void __launch_bounds__(256) relu_bwd_run4_f32(BOX_PARAMS, VIEW_PARAMS(float, dx), VIEW_PARAMS(const float, y), VIEW_PARAMS(const float, dy)) {
  relu_bwd<4>(BOX, VIEW(float, dx), VIEW(const float, y), VIEW(const float, dy));
}
extern "C" __global__ void __launch_bounds__(256) relu_bwd_run1_f32(BOX_PARAMS, VIEW_PARAMS(float, dx), VIEW_PARAMS(const float, y), VIEW_PARAMS(const float, dy)) {
  relu_bwd<1>(BOX, VIEW(float, dx), VIEW(const float, y), VIEW(const float, dy));
}
