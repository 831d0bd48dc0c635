// Local response normalisation (Krizhevsky et al. 2012, §3.3) and its gradient. A warp takes
// a pixel and a tile of its channels at a time. It keeps those of x whose squares are needed
// in shared memory, and sums windows from there.
#include "channels.h"

// Window is the half width of a window and the box's channels of x: windows end at them.
struct Window {
  int half, channels;
  float k, alpha, beta;
};

// scale is K + Alpha·Σx² around channel c; near holds x from channel first on.
DEV float scale(const Window& w, const float* near, int first, int c) {
  const int lo = c - w.half < 0 ? 0 : c - w.half, hi = c + w.half < w.channels ? c + w.half + 1 : w.channels;
  float s = 0;
  for (int j = lo; j < hi; j++) s = fmaf(near[j - first], near[j - first], s);
  return fmaf(w.alpha, s, w.k);
}

// power returns d^(−beta); that of an infinite d is no number.
DEV float power(float d, float beta) {
  if (beta == 0.75f) {
    const float q = rsqrtf(d);
    return q * sqrtf(q) + (d - d);
  }
  return powf(d, -beta);
}

// stage copies channels lo … hi−1 of a pixel of x to shared memory. V is the channels that are read at once:
// where it is 4, pixels are aligned to 16 bytes.
template <int V>
DEV void stage(float* near, const float* pixel, int step, int lo, int hi) {
  const int lane = threadIdx.x;
  if (V == 4) {
    for (int c = lo / 4 * 4 + 4 * lane; c < hi; c += 128) {
      const Run<4> r = load<4>(pixel + c);
      for (int k = 0; k < 4; k++)
        if (c + k >= lo && c + k < hi) near[c + k - lo] = r.v[k];
    }
  } else {
    for (int c = lo + lane; c < hi; c += 32) near[c - lo] = pixel[c * step];
  }
}

DEV int least(int a, int b) { return a < b ? a : b; }
DEV int most(int a, int b) { return a > b ? a : b; }

// y's channel c is x's channel offset + c. Blocks along x take a pixel a warp, blocks along y
// tiles of channels; a warp's shared memory is pitch floats.
template <int V>
DEV void lrn_fwd(const Pixels& g, const View<float>& y, const View<const float>& x, const Window& w, int channels, int offset, int tile, int pitch) {
  DYN_SHARED(float, shared);
  float* near = shared + threadIdx.y * pitch;
  const int lane = threadIdx.x;
  const unsigned pixel = blockIdx.x * blockDim.y + threadIdx.y;
  if (pixel >= g.total) return;  // a whole warp
  const Place p = place(g, 0, pixel);
  const int begin = offset + (int)blockIdx.y * tile, end = least(begin + tile, offset + channels);  // of x
  const int lo = most(begin - w.half, 0), hi = least(end + w.half, w.channels);
  stage<V>(near, x(p), x.step[0], lo, hi);
  __syncwarp();
  float* to = y(p);
  for (int c = begin + lane; c < end; c += 32) to[(c - offset) * y.step[0]] = near[c - lo] * power(scale(w, near, lo, c), w.beta);
}

#define LRN_FWD_PARAMS                                                                                                                                                                \
  PIXEL_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x), int half, int x_channels, float k, float alpha, float beta, int y_channels, int offset, int tile, int pitch
#define LRN_FWD PIXELS, VIEW(float, y), VIEW(const float, x), Window{half, x_channels, k, alpha, beta}, y_channels, offset, tile, pitch

// y = x/(K + Alpha·Σx²)^Beta.
extern "C" __global__ void __launch_bounds__(256) lrn_fwd_run4_f32(LRN_FWD_PARAMS) {
  lrn_fwd<4>(LRN_FWD);
}
extern "C" __global__ void __launch_bounds__(256) lrn_fwd_run1_f32(LRN_FWD_PARAMS) {
  lrn_fwd<1>(LRN_FWD);
}

// dx = dy·d^(−β) − slope·x·Σ(dy·x·d^(−β−1)) over the channels of dy's box in the window.
// dx's channel c is x's channel offset + c, dy's is x's channel dy_first + c.
template <int V>
DEV void lrn_bwd(const Pixels& g, const View<float>& dx, const View<const float>& x, const View<const float>& dy, const Window& w, float slope, int channels, int offset, int dy_channels,
                 int dy_first, int tile, int pitch) {
  DYN_SHARED(float, shared);
  float *near = shared + 3 * threadIdx.y * pitch, *powers = near + pitch, *ratios = powers + pitch;
  const int lane = threadIdx.x;
  const unsigned pixel = blockIdx.x * blockDim.y + threadIdx.y;
  if (pixel >= g.total) return;  // a whole warp
  const Place p = place(g, 0, pixel);
  const int begin = offset + (int)blockIdx.y * tile, end = least(begin + tile, offset + channels);            // of x
  const int first = most(begin - w.half, dy_first), last = least(end + w.half, dy_first + dy_channels);      // whose windows hold one of the tile's
  const int lo = most(first - w.half, 0), hi = least(last + w.half, w.channels);
  stage<V>(near, x(p), x.step[0], lo, hi);
  __syncwarp();
  const float* from = dy(p);
  for (int c = first + lane; c < last; c += 32) {
    const float d = scale(w, near, lo, c), f = power(d, w.beta);
    powers[c - first] = f;
    ratios[c - first] = from[(c - dy_first) * dy.step[0]] * near[c - lo] * f / d;
  }
  __syncwarp();
  float* to = dx(p);
  for (int c = begin + lane; c < end; c += 32) {
    float s = 0;
    for (int j = most(c - w.half, first); j < least(c + w.half + 1, last); j++) s += ratios[j - first];
    to[(c - offset) * dx.step[0]] = from[(c - dy_first) * dy.step[0]] * powers[c - first] - slope * near[c - lo] * s;
  }
}

#define LRN_BWD_PARAMS                                                                                                                                                              \
  PIXEL_PARAMS, VIEW_PARAMS(float, dx), VIEW_PARAMS(const float, x), VIEW_PARAMS(const float, dy), int half, int x_channels, float k, float alpha, float beta, float slope, int dx_channels, \
      int offset, int dy_channels, int dy_first, int tile, int pitch
#define LRN_BWD \
  PIXELS, VIEW(float, dx), VIEW(const float, x), VIEW(const float, dy), Window{half, x_channels, k, alpha, beta}, slope, dx_channels, offset, dy_channels, dy_first, tile, pitch

// The gradient with respect to x.
extern "C" __global__ void __launch_bounds__(256) lrn_bwd_run4_f32(LRN_BWD_PARAMS) {
  lrn_bwd<4>(LRN_BWD);
}
extern "C" __global__ void __launch_bounds__(256) lrn_bwd_run1_f32(LRN_BWD_PARAMS) {
  lrn_bwd<1>(LRN_BWD);
}
