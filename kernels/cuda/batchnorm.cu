// Batch normalisation (Ioffe and Szegedy 2015) from given statistics, and its gradient. The
// sums over pixels are in channelsum.cu.
#include "batchnorm.h"

// Z is View<const float> of what is added, or nothing.
template <int V, class... Z>
DEV void bn_fwd(const Pixels& g, const View<float>& y, const View<const float>& x, const Vector& mean, const Vector& variance, const Vector& gamma, const Vector& beta, float eps, bool relu, const Z&... z) {
  const unsigned c = own_channel();
  if (c >= g.channels) return;
  const Run<V> m = values<V>(mean, c), shift = values<V>(beta, c), scale = scales<V>(variance, gamma, c, eps);
  each_pixel<V>(g, y, [m, scale, shift, relu](Run<V> r, const auto&... z) {
    for (int k = 0; k < V; k++) {
      const float v = (normal(r.v[k] - m.v[k], scale.v[k], shift.v[k]) + ... + z.v[k]);
      r.v[k] = relu ? relued(v) : v;
    }
    return r;
  }, x, z...);
}

// wf = w·γ/σ, K×R×S×C without gaps, and bf = β + (bias − mean)·γ/σ: a convolution with them is
// one that a batch norm follows. w has a stride for each axis. Thread: one element of wf, c fastest.
extern "C" __global__ void __launch_bounds__(256) bn_fold_f32(
    float* __restrict__ wf, float* __restrict__ bf, const float* __restrict__ w, int wk, int wc, int wr, int ws, int C, int R, int S,
    VECTOR_PARAMS(bias), VECTOR_PARAMS(mean), VECTOR_PARAMS(variance), VECTOR_PARAMS(gamma), VECTOR_PARAMS(beta), float eps, unsigned count) {
  const unsigned e = blockIdx.x * 256 + threadIdx.x;
  if (e >= count) return;
  const unsigned c = e % C, tap = e / C % (R * S), k = e / C / (R * S);
  const float scale = scales<1>(VECTOR(variance), VECTOR(gamma), k, eps).v[0];
  wf[e] = w[(int)(k * wk + c * wc + tap / S * wr + tap % S * ws)] * scale;
  if (c == 0 && tap == 0) bf[k] = normal((bias_at ? bias_at[(int)k * bias_step] : 0) - mean_at[(int)k * mean_step], scale, beta_at[(int)k * beta_step]);
}

// The factors of a channel's gradient:
// dx = γ/σ·(dy − dβ/count − (x − mean)·dγ/(σ·count)), where there is a beta with dy only
// where bn_fwd with ReLU lets x pass.
template <int V>
DEV void bn_bwd(const Pixels& g, const View<float>& dx, const View<const float>& x, const Vector& mean, const Vector& variance, const Vector& gamma, const Vector& dgamma, const Vector& dbeta,
                const Vector& beta, const View<const float>& dy, float eps, float count) {
  const unsigned c = own_channel();
  if (c >= g.channels) return;
  const Run<V> m = values<V>(mean, c), var = values<V>(variance, c);
  const Run<V> scale = scales<V>(variance, gamma, c, eps);
  Run<V> slope = values<V>(dgamma, c), shift = values<V>(dbeta, c), bias = {};
  const bool relu = beta.at != 0;
  if (relu) bias = values<V>(beta, c);
  for (int k = 0; k < V; k++) {
    slope.v[k] = inverse_deviation(var.v[k], eps) * slope.v[k] / count;
    shift.v[k] /= count;
  }
  each_pixel<V>(g, dx, [m, scale, slope, shift, bias, relu](Run<V> r, Run<V> d) {
    for (int k = 0; k < V; k++) {
      const float x = r.v[k] - m.v[k], g = relu && !(normal(x, scale.v[k], bias.v[k]) > 0) ? 0 : d.v[k];
      r.v[k] = scale.v[k] * (g - shift.v[k] - x * slope.v[k]);
    }
    return r;
  }, x, dy);
}

#define BN_FWD_PARAMS \
  PIXEL_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x), VECTOR_PARAMS(mean), VECTOR_PARAMS(variance), VECTOR_PARAMS(gamma), VECTOR_PARAMS(beta), float eps, int relu
#define BN_FWD PIXELS, VIEW(float, y), VIEW(const float, x), VECTOR(mean), VECTOR(variance), VECTOR(gamma), VECTOR(beta), eps, relu

// y = (x − mean)/σ·γ + β with σ² = variance + eps, with ReLU if asked for.
extern "C" __global__ void __launch_bounds__(256) bn_fwd_run4_f32(BN_FWD_PARAMS) {
  bn_fwd<4>(BN_FWD);
}
extern "C" __global__ void __launch_bounds__(256) bn_fwd_run1_f32(BN_FWD_PARAMS) {
  bn_fwd<1>(BN_FWD);
}

// The same with z added before the ReLU.
extern "C" __global__ void __launch_bounds__(256) bn_add_fwd_run4_f32(BN_FWD_PARAMS, VIEW_PARAMS(const float, z)) {
  bn_fwd<4>(BN_FWD, VIEW(const float, z));
}
extern "C" __global__ void __launch_bounds__(256) bn_add_fwd_run1_f32(BN_FWD_PARAMS, VIEW_PARAMS(const float, z)) {
  bn_fwd<1>(BN_FWD, VIEW(const float, z));
}

#define BN_BWD_PARAMS                                                                                                                                                                     \
  PIXEL_PARAMS, VIEW_PARAMS(float, dx), VIEW_PARAMS(const float, x), VECTOR_PARAMS(mean), VECTOR_PARAMS(variance), VECTOR_PARAMS(gamma), VECTOR_PARAMS(dgamma), VECTOR_PARAMS(dbeta), \
      VECTOR_PARAMS(beta), VIEW_PARAMS(const float, dy), float eps, float count
#define BN_BWD PIXELS, VIEW(float, dx), VIEW(const float, x), VECTOR(mean), VECTOR(variance), VECTOR(gamma), VECTOR(dgamma), VECTOR(dbeta), VECTOR(beta), VIEW(const float, dy), eps, count

// The gradient with respect to x.
extern "C" __global__ void __launch_bounds__(256) bn_bwd_run4_f32(BN_BWD_PARAMS) {
  bn_bwd<4>(BN_BWD);
}
extern "C" __global__ void __launch_bounds__(256, 4) bn_bwd_run1_f32(BN_BWD_PARAMS) {
  bn_bwd<1>(BN_BWD);
}
