// The sum of squares of a box, in two levels: each block adds up some runs, then one adds the
// blocks' sums.
#include "blocksum.h"
#include "walk.h"

template <int V>
DEV void sum_of_squares(const Box& b, const View<const float>& x, double* partials) {
  __shared__ double scratch[256];
  const unsigned stride = gridDim.x * blockDim.x;
  double s = 0;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += 2 * stride) {
    const bool two = b.total - i > stride;
    const Run<V> r = load<V>(x(place(b, i))), q = load<V>(x(place(b, two ? i + stride : i)));
    float a = 0, c = 0;
    for (int k = 0; k < V; k++) {
      a = fmaf(r.v[k], r.v[k], a);
      c = fmaf(q.v[k], q.v[k], c);
    }
    s += (double)(two ? a + c : a);
  }
  s = block_sum(s, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = s;
}

// Each block's share of the sum.
extern "C" __global__ void __launch_bounds__(256) sum_of_squares_run4_f32(BOX_PARAMS, VIEW_PARAMS(const float, x), double* partials) {
  sum_of_squares<4>(BOX, VIEW(const float, x), partials);
}
extern "C" __global__ void __launch_bounds__(256) sum_of_squares_run1_f32(BOX_PARAMS, VIEW_PARAMS(const float, x), double* partials) {
  sum_of_squares<1>(BOX, VIEW(const float, x), partials);
}

// out = the sum of so many partials. One block.
extern "C" __global__ void __launch_bounds__(256) sum_total_f32(const double* partials, int count, float* out) {
  __shared__ double scratch[256];
  double s = 0;
  for (int i = threadIdx.x; i < count; i += 256) s += partials[i];
  s = block_sum(s, scratch);
  if (threadIdx.x == 0) *out = (float)s;
}
