// Sums over pixels, one for each channel, in two levels: each block adds up some pixels and
// writes its sums to the workspace, then channel_total adds those of all blocks in order.
// Four pixels are added in single precision, all else in double precision.
#include "batchnorm.h"

// Terms are S terms of each channel of a run.
template <int V, int S>
struct Terms {
  Run<V> of[S];
};

// partial_sums adds up value, the terms of a run, over the block's pixels.
// partials[blockIdx.y][kind][channel]; blocks along y share pixels out.
template <int V, int S, class Value>
DEV void partial_sums(const Pixels& g, double* partials, Value value) {
  __shared__ double sums[256 * V * S];
  const unsigned c = own_channel(), x = threadIdx.x, stride = pixel_stride();
  double s[S][V];
  for (int q = 0; q < S; q++)
    for (int k = 0; k < V; k++) s[q][k] = 0;
  if (c < g.channels) {
    unsigned i = first_pixel();
    for (; i < g.total && g.total - i > 3 * stride; i += 4 * stride) {
      Terms<V, S> r[4];
      for (int j = 0; j < 4; j++) r[j] = value(place(g, c, i + j * stride));
      for (int q = 0; q < S; q++)
        for (int k = 0; k < V; k++) s[q][k] += (double)((r[0].of[q].v[k] + r[1].of[q].v[k]) + (r[2].of[q].v[k] + r[3].of[q].v[k]));
    }
    for (; i < g.total; i += stride) {
      const Terms<V, S> r = value(place(g, c, i));
      for (int q = 0; q < S; q++)
        for (int k = 0; k < V; k++) s[q][k] += (double)r.of[q].v[k];
    }
  }
  double* own = sums + (threadIdx.y * blockDim.x + x) * V * S;
  for (int q = 0; q < S; q++)
    for (int k = 0; k < V; k++) own[q * V + k] = s[q][k];
  for (unsigned n = blockDim.y; n > 1;) {
    const unsigned half = (n + 1) / 2;
    __syncthreads();
    if (threadIdx.y < n - half)
      for (int k = 0; k < V * S; k++) own[k] += own[half * blockDim.x * V * S + k];
    n = half;
  }
  if (threadIdx.y == 0 && c < g.channels)
    for (int q = 0; q < S; q++)
      for (int k = 0; k < V; k++) partials[(((size_t)blockIdx.y * S + q) * g.channels + c) * V + k] = own[q * V + k];
}

template <int V>
DEV void channel_sum(const Pixels& g, double* partials, const View<const float>& x) {
  partial_sums<V, 1>(g, partials, [&](const Place& p) { return Terms<V, 1>{{load<V>(x(p))}}; });
}

template <int V>
DEV void channel_squares(const Pixels& g, double* partials, const View<const float>& x, const Vector& mean) {
  Run<V> m = {};
  if (own_channel() < g.channels) m = values<V>(mean, own_channel());
  partial_sums<V, 1>(g, partials, [&](const Place& p) {
    Run<V> r = load<V>(x(p));
    for (int k = 0; k < V; k++) {
      const float d = r.v[k] - m.v[k];
      r.v[k] = d * d;
    }
    return Terms<V, 1>{{r}};
  });
}

template <int V>
DEV void channel_products(const Pixels& g, double* partials, const View<const float>& x, const View<const float>& dy, const Vector& mean) {
  Run<V> m = {};
  if (own_channel() < g.channels) m = values<V>(mean, own_channel());
  partial_sums<V, 1>(g, partials, [&](const Place& p) {
    Run<V> r = load<V>(x(p));
    const Run<V> d = load<V>(dy(p));
    for (int k = 0; k < V; k++) r.v[k] = (r.v[k] - m.v[k]) * d.v[k];
    return Terms<V, 1>{{r}};
  });
}

// Squares are taken of how far x is from the channel's first element, which is nearer to the
// mean than zero is: else they would cancel where deviations are small beside it.
template <int V>
DEV void channel_moments(const Pixels& g, double* partials, const View<const float>& x) {
  Run<V> first = {};
  if (own_channel() < g.channels) first = load<V>(x(Place{{own_channel(), 0, 0, 0}}));
  partial_sums<V, 2>(g, partials, [&](const Place& p) {
    Terms<V, 2> t = {{load<V>(x(p))}};
    for (int k = 0; k < V; k++) {
      const float d = t.of[0].v[k] - first.v[k];
      t.of[1].v[k] = d * d;
    }
    return t;
  });
}

template <int V>
DEV void channel_grads(const Pixels& g, double* partials, const View<const float>& x, const View<const float>& dy, const Vector& mean, const Vector& variance, const Vector& gamma,
                       const Vector& beta, float eps, bool relu) {
  Run<V> m = {}, scale = {}, shift = {};
  const unsigned c = own_channel();
  if (c < g.channels) m = values<V>(mean, c), scale = scales<V>(variance, gamma, c, eps), shift = values<V>(beta, c);
  partial_sums<V, 2>(g, partials, [&](const Place& p) {
    const Run<V> r = load<V>(x(p));
    Terms<V, 2> t = {{load<V>(dy(p))}};
    for (int k = 0; k < V; k++) {
      const float d = r.v[k] - m.v[k];
      if (relu && !(normal(d, scale.v[k], shift.v[k]) > 0)) t.of[0].v[k] = 0;
      t.of[1].v[k] = d * t.of[0].v[k];
    }
    return t;
  });
}

// Sums of x.
extern "C" __global__ void __launch_bounds__(256) channel_sum_run4_f32(PIXEL_PARAMS, double* partials, VIEW_PARAMS(const float, x)) {
  channel_sum<4>(PIXELS, partials, VIEW(const float, x));
}
extern "C" __global__ void __launch_bounds__(256) channel_sum_run1_f32(PIXEL_PARAMS, double* partials, VIEW_PARAMS(const float, x)) {
  channel_sum<1>(PIXELS, partials, VIEW(const float, x));
}

// Sums of (x − mean)².
extern "C" __global__ void __launch_bounds__(256) channel_squares_run4_f32(PIXEL_PARAMS, double* partials, VIEW_PARAMS(const float, x), VECTOR_PARAMS(mean)) {
  channel_squares<4>(PIXELS, partials, VIEW(const float, x), VECTOR(mean));
}
extern "C" __global__ void __launch_bounds__(256) channel_squares_run1_f32(PIXEL_PARAMS, double* partials, VIEW_PARAMS(const float, x), VECTOR_PARAMS(mean)) {
  channel_squares<1>(PIXELS, partials, VIEW(const float, x), VECTOR(mean));
}

// Sums of (x − mean)·dy.
extern "C" __global__ void __launch_bounds__(256) channel_products_run4_f32(PIXEL_PARAMS, double* partials, VIEW_PARAMS(const float, x), VIEW_PARAMS(const float, dy), VECTOR_PARAMS(mean)) {
  channel_products<4>(PIXELS, partials, VIEW(const float, x), VIEW(const float, dy), VECTOR(mean));
}
extern "C" __global__ void __launch_bounds__(256) channel_products_run1_f32(PIXEL_PARAMS, double* partials, VIEW_PARAMS(const float, x), VIEW_PARAMS(const float, dy), VECTOR_PARAMS(mean)) {
  channel_products<1>(PIXELS, partials, VIEW(const float, x), VIEW(const float, dy), VECTOR(mean));
}

// Sums of x, and of the squares of its distances from the channel's first element.
extern "C" __global__ void __launch_bounds__(256) channel_moments_run4_f32(PIXEL_PARAMS, double* partials, VIEW_PARAMS(const float, x)) {
  channel_moments<4>(PIXELS, partials, VIEW(const float, x));
}
extern "C" __global__ void __launch_bounds__(256) channel_moments_run1_f32(PIXEL_PARAMS, double* partials, VIEW_PARAMS(const float, x)) {
  channel_moments<1>(PIXELS, partials, VIEW(const float, x));
}

#define CHANNEL_GRADS_PARAMS                                                                                                                                                             \
  PIXEL_PARAMS, double *partials, VIEW_PARAMS(const float, x), VIEW_PARAMS(const float, dy), VECTOR_PARAMS(mean), VECTOR_PARAMS(variance), VECTOR_PARAMS(gamma), VECTOR_PARAMS(beta), \
      float eps, int relu
#define CHANNEL_GRADS PIXELS, partials, VIEW(const float, x), VIEW(const float, dy), VECTOR(mean), VECTOR(variance), VECTOR(gamma), VECTOR(beta), eps, relu

// Sums of dy and of (x − mean)·dy, with ReLU only where bn_fwd's lets x pass.
extern "C" __global__ void __launch_bounds__(256) channel_grads_run4_f32(CHANNEL_GRADS_PARAMS) {
  channel_grads<4>(CHANNEL_GRADS);
}
extern "C" __global__ void __launch_bounds__(256) channel_grads_run1_f32(CHANNEL_GRADS_PARAMS) {
  channel_grads<1>(CHANNEL_GRADS);
}

// channel_sums returns to the threads of row 0 the sum of all blocks' partials of a kind, of
// kinds. 32×8 threads: channels along x; along y each adds every eighth block, and the eight
// sums are added in order.
DEV double channel_sums(const double* partials, int blocks, int channels, int kind, int kinds) {
  __shared__ double sums[8][32];
  const int x = threadIdx.x, y = threadIdx.y, c = blockIdx.x * 32 + x;
  double s = 0;
  if (c < channels)
    for (int b = y; b < blocks; b += 8) s += partials[((size_t)b * kinds + kind) * channels + c];
  __syncthreads();  // of the kind before
  sums[y][x] = s;
  __syncthreads();
  if (y == 0)
    for (int j = 1; j < 8; j++) s += sums[j][x];
  return s;
}

// out = sum of all blocks' partials / divisor, and / √(variance + eps) where there is a
// variance.
extern "C" __global__ void __launch_bounds__(256) channel_total_f32(const double* partials, int blocks, int channels, float* out, int out_step, double divisor, VECTOR_PARAMS(variance), double eps) {
  double s = channel_sums(partials, blocks, channels, 0, 1);
  const int c = blockIdx.x * 32 + threadIdx.x;
  if (threadIdx.y > 0 || c >= channels) return;
  s /= divisor;
  if (variance_at) s /= sqrt((double)variance_at[c * variance_step] + eps);
  out[c * out_step] = (float)s;
}

// Mean and variance, both divided by divisor, of pixels that channel_moments has added up.
extern "C" __global__ void __launch_bounds__(256)
    channel_statistics_f32(const double* partials, int blocks, int channels, const float* x, int x_step, float* variance, int variance_step, float* mean, int mean_step, double pixels, double divisor) {
  const double sum = channel_sums(partials, blocks, channels, 0, 2), squares = channel_sums(partials, blocks, channels, 1, 2);
  const int c = blockIdx.x * 32 + threadIdx.x;
  if (threadIdx.y > 0 || c >= channels) return;
  const double first = x[c * x_step], m = sum / divisor, off = m - first;
  const double s = squares - off * (2 * (sum - pixels * first) - pixels * off);
  mean[c * mean_step] = (float)m;
  variance[c * variance_step] = (float)((s > 0 || s != s ? s : 0) / divisor);
}

// The gradients of beta and gamma.
extern "C" __global__ void __launch_bounds__(256)
    channel_grads_total_f32(const double* partials, int blocks, int channels, float* dgamma, int dgamma_step, float* dbeta, int dbeta_step, VECTOR_PARAMS(variance), double eps) {
  const double sum = channel_sums(partials, blocks, channels, 0, 2), products = channel_sums(partials, blocks, channels, 1, 2);
  const int c = blockIdx.x * 32 + threadIdx.x;
  if (threadIdx.y > 0 || c >= channels) return;
  dbeta[c * dbeta_step] = (float)sum;
  dgamma[c * dgamma_step] = (float)(products / sqrt((double)variance_at[c * variance_step] + eps));
}
