// Max pool and its gradient.
#include "pool.h"

// each_tap calls f with the row, the column and the elements of every tap of a window, the
// last first. R×S is the window, 0×0 any. In a window of known size all taps are loaded
// before f is called; taps beyond x are the nearest within, which follow: no maximum and no
// first of its value changes.
template <int V, int R, int S, class F>
DEV void each_tap(const View<const float>& x, const Place& p, const Span& rows, const Span& cols, F f) {
  if constexpr (R > 0) {
    Run<V> tap[R * S];
    for (int j = 0; j < R * S; j++) {
      const int row = rows.lo + j / S, col = cols.lo + j % S;
      tap[j] = load<V>(row_of(x, p, row < rows.hi ? row : rows.hi - 1) + (col < cols.hi ? col : cols.hi - 1) * x.step[1]);
    }
    for (int j = R * S - 1; j >= 0; j--) {
      const int row = rows.lo + j / S, col = cols.lo + j % S;
      f(row < rows.hi ? row : rows.hi - 1, col < cols.hi ? col : cols.hi - 1, tap[j]);
    }
  } else {
    for (int row = rows.hi - 1; row >= rows.lo; row--) {
      const float* from = row_of(x, p, row);
      for (int col = cols.hi - 1; col >= cols.lo; col--) f(row, col, load<V>(from + col * x.step[1]));
    }
  }
}

template <int V, int R, int S>
DEV void maxpool_fwd(const Box& b, const Pool& g, const View<float>& y, const View<const float>& x) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += gridDim.x * blockDim.x) {
    const Place p = place(b, i);
    const Span rows = under((int)p.i[2], g.r, g.stride_r, g.top, g.h), cols = under((int)p.i[1], g.s, g.stride_s, g.left, g.w);
    Run<V> best = load<V>(row_of(x, p, rows.lo) + cols.lo * x.step[1]);
    each_tap<V, R, S>(x, p, rows, cols, [&best](int, int, const Run<V>& tap) {
      for (int k = 0; k < V; k++) best.v[k] = maximum(best.v[k], tap.v[k]);
    });
    store<V>(y(p), best);
  }
}

#define MAXPOOL_FWD_PARAMS BOX_PARAMS, POOL_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x)
#define MAXPOOL_FWD BOX, POOL, VIEW(float, y), VIEW(const float, x)

// y = the maximum of each window; windows of 3×3, 2×2 and any size.
extern "C" __global__ void __launch_bounds__(256) maxpool_fwd_3x3_run4_f32(MAXPOOL_FWD_PARAMS) {
  maxpool_fwd<4, 3, 3>(MAXPOOL_FWD);
}
extern "C" __global__ void __launch_bounds__(256) maxpool_fwd_2x2_run4_f32(MAXPOOL_FWD_PARAMS) {
  maxpool_fwd<4, 2, 2>(MAXPOOL_FWD);
}
extern "C" __global__ void __launch_bounds__(256) maxpool_fwd_run4_f32(MAXPOOL_FWD_PARAMS) {
  maxpool_fwd<4, 0, 0>(MAXPOOL_FWD);
}
extern "C" __global__ void __launch_bounds__(256) maxpool_fwd_run1_f32(MAXPOOL_FWD_PARAMS) {
  maxpool_fwd<1, 0, 0>(MAXPOOL_FWD);
}

// Taps holds, for a run of channels, which tap of a window is its maximum: they count from the
// window's begin, in the padding or not, row by row. T has room for the last.
template <int V, class T>
struct alignas(V * sizeof(T)) Taps {
  T v[V];
};

// y = the maximum of each window, index = the first tap that has it.
template <int V, int R, int S>
DEV void maxpool_index(const Box& b, const Pool& g, const View<float>& y, const View<unsigned char>& index, const View<const float>& x) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += gridDim.x * blockDim.x) {
    const Place p = place(b, i);
    const Span rows = under((int)p.i[2], g.r, g.stride_r, g.top, g.h), cols = under((int)p.i[1], g.s, g.stride_s, g.left, g.w);
    const int row0 = (int)p.i[2] * g.stride_r - g.top, col0 = (int)p.i[1] * g.stride_s - g.left;
    Run<V> best = load<V>(row_of(x, p, rows.lo) + cols.lo * x.step[1]);
    Taps<V, unsigned char> t;
    for (int k = 0; k < V; k++) t.v[k] = 0;
    each_tap<V, R, S>(x, p, rows, cols, [&](int row, int col, const Run<V>& tap) {
      const unsigned char j = (unsigned char)((row - row0) * g.s + col - col0);
      for (int k = 0; k < V; k++)
        if (tap.v[k] >= best.v[k] || tap.v[k] != tap.v[k]) best.v[k] = tap.v[k], t.v[k] = j;
    });
    store<V>(y(p), best);
    *(Taps<V, unsigned char>*)index(p) = t;
  }
}

#define MAXPOOL_INDEX_PARAMS BOX_PARAMS, POOL_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(unsigned char, index), VIEW_PARAMS(const float, x)
#define MAXPOOL_INDEX BOX, POOL, VIEW(float, y), VIEW(unsigned char, index), VIEW(const float, x)
extern "C" __global__ void __launch_bounds__(256) maxpool_index_3x3_run4_f32(MAXPOOL_INDEX_PARAMS) {
  maxpool_index<4, 3, 3>(MAXPOOL_INDEX);
}
extern "C" __global__ void __launch_bounds__(256) maxpool_index_2x2_run4_f32(MAXPOOL_INDEX_PARAMS) {
  maxpool_index<4, 2, 2>(MAXPOOL_INDEX);
}
extern "C" __global__ void __launch_bounds__(256) maxpool_index_run4_f32(MAXPOOL_INDEX_PARAMS) {
  maxpool_index<4, 0, 0>(MAXPOOL_INDEX);
}
extern "C" __global__ void __launch_bounds__(256) maxpool_index_run1_f32(MAXPOOL_INDEX_PARAMS) {
  maxpool_index<1, 0, 0>(MAXPOOL_INDEX);
}

enum { NO_TAP = 0xffff };

// The first half of the gradient without an index: taps = for each element of y, the first tap
// of its window that x has y's value at; NO_TAP where there is none. Taps lie as y's box would
// lie alone.
template <int V, int R, int S>
DEV void maxpool_find(const Box& b, const Pool& g, unsigned short* taps, const View<const float>& x, const View<const float>& y) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += gridDim.x * blockDim.x) {
    const Place p = place(b, i);
    const Span rows = under((int)p.i[2], g.r, g.stride_r, g.top, g.h), cols = under((int)p.i[1], g.s, g.stride_s, g.left, g.w);
    const int row0 = (int)p.i[2] * g.stride_r - g.top, col0 = (int)p.i[1] * g.stride_s - g.left;
    const Run<V> best = load<V>(y(p));
    Taps<V, unsigned short> t;
    for (int k = 0; k < V; k++) t.v[k] = NO_TAP;
    each_tap<V, R, S>(x, p, rows, cols, [&](int row, int col, const Run<V>& tap) {
      const unsigned short j = (unsigned short)((row - row0) * g.s + col - col0);
      for (int k = 0; k < V; k++)
        if (tap.v[k] == best.v[k]) t.v[k] = j;
    });
    ((Taps<V, unsigned short>*)taps)[i] = t;
  }
}

#define MAXPOOL_FIND_PARAMS BOX_PARAMS, POOL_PARAMS, unsigned short *taps, VIEW_PARAMS(const float, x), VIEW_PARAMS(const float, y)
#define MAXPOOL_FIND BOX, POOL, taps, VIEW(const float, x), VIEW(const float, y)
extern "C" __global__ void __launch_bounds__(256) maxpool_find_3x3_run4_f32(MAXPOOL_FIND_PARAMS) {
  maxpool_find<4, 3, 3>(MAXPOOL_FIND);
}
extern "C" __global__ void __launch_bounds__(256) maxpool_find_2x2_run4_f32(MAXPOOL_FIND_PARAMS) {
  maxpool_find<4, 2, 2>(MAXPOOL_FIND);
}
extern "C" __global__ void __launch_bounds__(256) maxpool_find_run4_f32(MAXPOOL_FIND_PARAMS) {
  maxpool_find<4, 0, 0>(MAXPOOL_FIND);
}
extern "C" __global__ void __launch_bounds__(256) maxpool_find_run1_f32(MAXPOOL_FIND_PARAMS) {
  maxpool_find<1, 0, 0>(MAXPOOL_FIND);
}

// dx = the sum of dy of the windows that hold the pixel and whose tap it is, in the windows'
// order.
template <int V, class T>
DEV void maxpool_gather(const Box& b, const Pool& g, const View<float>& dx, const View<const T>& taps, const View<const float>& dy) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += gridDim.x * blockDim.x) {
    const Place p = place(b, i);
    const int row = (int)p.i[2], col = (int)p.i[1];
    const Span rows = over(row, g.r, g.stride_r, g.top, g.p), cols = over(col, g.s, g.stride_s, g.left, g.q);
    Run<V> sum;
    for (int k = 0; k < V; k++) sum.v[k] = 0;
    for (int wr = rows.lo; wr < rows.hi; wr++)
      for (int wc = cols.lo; wc < cols.hi; wc++) {
        const Taps<V, T> t = *(const Taps<V, T>*)(row_of(taps, p, wr) + wc * taps.step[1]);
        const Run<V> d = load<V>(row_of(dy, p, wr) + wc * dy.step[1]);
        const int own = (row + g.top - wr * g.stride_r) * g.s + col + g.left - wc * g.stride_s;
        for (int k = 0; k < V; k++)
          if (t.v[k] == own) sum.v[k] += d.v[k];
      }
    store<V>(dx(p), sum);
  }
}

#define MAXPOOL_GATHER_PARAMS(T) BOX_PARAMS, POOL_PARAMS, VIEW_PARAMS(float, dx), VIEW_PARAMS(const T, taps), VIEW_PARAMS(const float, dy)
#define MAXPOOL_GATHER(T) BOX, POOL, VIEW(float, dx), VIEW(const T, taps), VIEW(const float, dy)
extern "C" __global__ void __launch_bounds__(256) maxpool_gather_run4_f32(MAXPOOL_GATHER_PARAMS(unsigned short)) {
  maxpool_gather<4, unsigned short>(MAXPOOL_GATHER(unsigned short));
}
extern "C" __global__ void __launch_bounds__(256) maxpool_gather_run1_f32(MAXPOOL_GATHER_PARAMS(unsigned short)) {
  maxpool_gather<1, unsigned short>(MAXPOOL_GATHER(unsigned short));
}
extern "C" __global__ void __launch_bounds__(256) maxpool_index_bwd_run4_f32(MAXPOOL_GATHER_PARAMS(unsigned char)) {
  maxpool_gather<4, unsigned char>(MAXPOOL_GATHER(unsigned char));
}
extern "C" __global__ void __launch_bounds__(256) maxpool_index_bwd_run1_f32(MAXPOOL_GATHER_PARAMS(unsigned char)) {
  maxpool_gather<1, unsigned char>(MAXPOOL_GATHER(unsigned char));
}
