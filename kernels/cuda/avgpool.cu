// Average pool and its gradient.
#include "pool.h"

// Divisors says what the sum of a window is divided by: its elements in x or, counting
// padding, in x and its padding, which ends at these rows and columns.
struct Divisors {
  int count_pad, rows, cols;
};

DEV int counted(int o, int kernel, int stride, int before, int size, bool pad, int end) {
  const Span in = under(o, kernel, stride, before, size);
  if (!pad) return in.hi - in.lo;
  const int lo = o * stride - before;
  return (lo + kernel < end ? lo + kernel : end) - lo;
}
DEV int counted_rows(const Pool& g, const Divisors& d, int row) { return counted(row, g.r, g.stride_r, g.top, g.h, d.count_pad, d.rows); }
DEV int counted_cols(const Pool& g, const Divisors& d, int col) { return counted(col, g.s, g.stride_s, g.left, g.w, d.count_pad, d.cols); }
DEV float divisor_of(int rows, int cols) { return rows * cols > 1 ? (float)(rows * cols) : 1.0f; }

template <int V>
DEV void avgpool_fwd(const Box& b, const Pool& g, const Divisors& d, const View<float>& y, const View<const float>& x) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += gridDim.x * blockDim.x) {
    const Place p = place(b, i);
    const Span rows = under((int)p.i[2], g.r, g.stride_r, g.top, g.h), cols = under((int)p.i[1], g.s, g.stride_s, g.left, g.w);
    Run<V> sum;
    for (int k = 0; k < V; k++) sum.v[k] = 0;
    for (int row = rows.lo; row < rows.hi; row++) {
      const float* from = row_of(x, p, row) + cols.lo * x.step[1];
#pragma unroll 4
      for (int col = cols.lo; col < cols.hi; col++, from += x.step[1]) {
        const Run<V> tap = load<V>(from);
        for (int k = 0; k < V; k++) sum.v[k] += tap.v[k];
      }
    }
    const float n = divisor_of(counted_rows(g, d, (int)p.i[2]), counted_cols(g, d, (int)p.i[1]));
    for (int k = 0; k < V; k++) sum.v[k] /= n;
    store<V>(y(p), sum);
  }
}

template <int V>
DEV void avgpool_bwd(const Box& b, const Pool& g, const Divisors& d, const View<float>& dx, const View<const float>& dy) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += gridDim.x * blockDim.x) {
    const Place p = place(b, i);
    const Span rows = over((int)p.i[2], g.r, g.stride_r, g.top, g.p), cols = over((int)p.i[1], g.s, g.stride_s, g.left, g.q);
    Run<V> sum;
    for (int k = 0; k < V; k++) sum.v[k] = 0;
#pragma unroll 1  // a pixel lies in few windows; unrolled, divisors take more registers than there are
    for (int row = rows.lo; row < rows.hi; row++) {
      const int in_rows = counted_rows(g, d, row);
      const float* from = row_of(dy, p, row);
#pragma unroll 1
      for (int col = cols.lo; col < cols.hi; col++) {
        const Run<V> r = load<V>(from + col * dy.step[1]);
        const float n = divisor_of(in_rows, counted_cols(g, d, col));
        for (int k = 0; k < V; k++) sum.v[k] += r.v[k] / n;
      }
    }
    store<V>(dx(p), sum);
  }
}

#define AVGPOOL_PARAMS BOX_PARAMS, POOL_PARAMS, int count_pad, int end_r, int end_s
#define AVGPOOL BOX, POOL, Divisors{count_pad, end_r, end_s}

// y = the mean of each window.
extern "C" __global__ void __launch_bounds__(256) avgpool_fwd_run4_f32(AVGPOOL_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x)) {
  avgpool_fwd<4>(AVGPOOL, VIEW(float, y), VIEW(const float, x));
}
extern "C" __global__ void __launch_bounds__(256) avgpool_fwd_run1_f32(AVGPOOL_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x)) {
  avgpool_fwd<1>(AVGPOOL, VIEW(float, y), VIEW(const float, x));
}

// dx = for each pixel, the sum of dy over the divisor of the windows that hold it.
extern "C" __global__ void __launch_bounds__(256) avgpool_bwd_run4_f32(AVGPOOL_PARAMS, VIEW_PARAMS(float, dx), VIEW_PARAMS(const float, dy)) {
  avgpool_bwd<4>(AVGPOOL, VIEW(float, dx), VIEW(const float, dy));
}
extern "C" __global__ void __launch_bounds__(256) avgpool_bwd_run1_f32(AVGPOOL_PARAMS, VIEW_PARAMS(float, dx), VIEW_PARAMS(const float, dy)) {
  avgpool_bwd<1>(AVGPOOL, VIEW(float, dx), VIEW(const float, dy));
}
