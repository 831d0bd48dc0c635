// Dropout (Srivastava et al. 2014): element e of a whole tensor takes number e of the step's
// stream, as in the CPU backend. Numbers come in blocks of four.
#include "random.h"
#include "walk.h"

// Runs are the axis along which the numbers of neighbours follow each other: a place's
// levels are a neighbouring run, a block of four numbers of the run, and two outer axes.
// The numbers of a run of length elements begin with first + Σ place·e_…; views have the
// step from element to element of a run in level 1.
#define DROPOUT_PARAMS                                                                                                                                                            \
  BOX_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x), int length, long long first, long long e_0, long long e_2, long long e_3, long long key, const int *step, unsigned below, \
      float scale

template <int V>
DEV void dropout(const Box& b, const View<float>& y, const View<const float>& x, int length, long long first, const long long (&e)[3], unsigned long long key, unsigned long long step,
                 unsigned below, float scale) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += gridDim.x * blockDim.x) {
    Place p = place(b, i);
    const unsigned long long run = first + p.i[0] * e[0] + p.i[2] * e[1] + p.i[3] * e[2];  // number of the run's first element
    const unsigned long long block = run / 4 + p.i[1];
    const int at = (int)(4 * block - run);  // the block's first number, as an element of the run
    if (at >= length) continue;
    const Words bits = philox(key, step, block);
    p.i[1] = 0;
    float* to = y(p) + at * y.step[1];
    const float* from = x(p) + at * x.step[1];
    if (V == 4 && at >= 0 && at + 4 <= length) {
      Run<4> r = load<4>(from);
      for (int k = 0; k < 4; k++) r.v[k] = bits.w[k] > below ? r.v[k] * scale : 0;
      store<4>(to, r);
      continue;
    }
    float v[4];
    for (int k = 0; k < 4; k++)
      if (at + k >= 0 && at + k < length) v[k] = from[k * x.step[1]];
    for (int k = 0; k < 4; k++)
      if (at + k >= 0 && at + k < length) to[k * y.step[1]] = bits.w[k] > below ? v[k] * scale : 0;
  }
}

#define DROPOUT BOX, VIEW(float, y), VIEW(const float, x), length, first, {e_0, e_2, e_3}, (unsigned long long)key, (unsigned long long)(long long)*step, below, scale

// y = x·scale where the number's bits are above below, else 0. In run4 the fours of a run lie
// one after the other, aligned to 16 bytes.
extern "C" __global__ void __launch_bounds__(256) dropout_run4_f32(DROPOUT_PARAMS) {
  dropout<4>(DROPOUT);
}
extern "C" __global__ void __launch_bounds__(256) dropout_run1_f32(DROPOUT_PARAMS) {
  dropout<1>(DROPOUT);
}
