// Buffers filled with a constant or with random numbers.
#include "random.h"
#include "walk.h"

template <int V>
DEV void fill_const(const Box& b, const View<float>& x, float value) {
  each<V>(b, x, [value]() {
    Run<V> r;
    for (int k = 0; k < V; k++) r.v[k] = value;
    return r;
  });
}

extern "C" __global__ void __launch_bounds__(256) fill_const_run4_f32(BOX_PARAMS, VIEW_PARAMS(float, x), float value) {
  fill_const<4>(BOX, VIEW(float, x), value);
}
extern "C" __global__ void __launch_bounds__(256) fill_const_run1_f32(BOX_PARAMS, VIEW_PARAMS(float, x), float value) {
  fill_const<1>(BOX, VIEW(float, x), value);
}

// x = std·(a normal number). Number e of the key's stream 0 is that of element e of a whole
// tensor; first is x's first element there, e_… are the elements from neighbour to neighbour
// along channels, columns, rows and samples.
extern "C" __global__ void __launch_bounds__(256) fill_normal_f32(BOX_PARAMS, VIEW_PARAMS(float, x), long long key, double std, long long first, long long e_c, long long e_w, long long e_h, long long e_n) {
  const Box b = BOX;
  const View<float> to = VIEW(float, x);
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += gridDim.x * blockDim.x) {
    const Place p = place(b, i);
    const long long e = first + p.i[0] * e_c + p.i[1] * e_w + p.i[2] * e_h + p.i[3] * e_n;
    *to(p) = (float)__dmul_rn(std, normal((unsigned long long)key, 0, (unsigned long long)e));
  }
}
