// What a training step does to parameters and running statistics. Every rounding is the CPU
// backend's, so replicas on both kinds of device stay equal bit for bit.
#include "walk.h"

// Momentum with weight decay: m = mu·m + g + decay·w; w −= rate·m, four roundings and two.
struct Momentum {
  float mu, decay, rate;
  __device__ __forceinline__ void update(float& w, float& m, float g) const {
    m = __fadd_rn(__fadd_rn(__fmul_rn(mu, m), g), __fmul_rn(decay, w));
    w = __fsub_rn(w, __fmul_rn(rate, m));
  }
};

template <int V>
DEV void sgd(const Box& b, const View<float>& to, const View<const float>& w, const View<float>& m, const View<const float>& g, const Momentum& step) {
  const unsigned stride = gridDim.x * blockDim.x;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += stride) {
    const Place p = place(b, i);
    Run<V> rw = load<V>(w(p)), rm = load<V>(m(p));
    const Run<V> rg = load<V>(g(p));
    for (int k = 0; k < V; k++) step.update(rw.v[k], rm.v[k], rg.v[k]);
    store<V>(m(p), rm);
    store<V>(to(p), rw);
  }
}

#define SGD_PARAMS BOX_PARAMS, VIEW_PARAMS(float, to), VIEW_PARAMS(const float, w), VIEW_PARAMS(float, m), VIEW_PARAMS(const float, g), const float *rate, float mu, float decay
#define SGD BOX, VIEW(float, to), VIEW(const float, w), VIEW(float, m), VIEW(const float, g), Momentum{mu, decay, *rate}

// One parameter's step, w to to.
extern "C" __global__ void __launch_bounds__(256) sgd_run4_f32(SGD_PARAMS) {
  sgd<4>(SGD);
}
extern "C" __global__ void __launch_bounds__(256) sgd_run1_f32(SGD_PARAMS) {
  sgd<1>(SGD);
}

// A chunk of a parameter whose elements lie one after the other; w, m and g are bytes from
// the arena's beginning (choose.SGDTable).
struct Chunk {
  long long w, m, g, count;
};

// The steps of many parameters, in place: each block takes a chunk.
extern "C" __global__ void __launch_bounds__(256) sgd_many_f32(const Chunk* chunks, char* arena, const float* rate, float mu, float decay) {
  const Chunk chunk = chunks[blockIdx.x];
  float *w = (float*)(arena + chunk.w), *m = (float*)(arena + chunk.m);
  const float* g = (const float*)(arena + chunk.g);
  const Momentum step = {mu, decay, *rate};
  const int count = (int)chunk.count, runs = ((chunk.w | chunk.m | chunk.g) & 15) == 0 ? count / 4 : 0;
  for (int i = threadIdx.x; i < runs; i += 2 * 256) {
    const bool two = i + 256 < runs;
    const int a = 4 * i, b = two ? a + 4 * 256 : a;
    Run<4> wa = load<4>(w + a), ma = load<4>(m + a), wb = load<4>(w + b), mb = load<4>(m + b);
    const Run<4> ga = load<4>(g + a), gb = load<4>(g + b);
    for (int k = 0; k < 4; k++) {
      step.update(wa.v[k], ma.v[k], ga.v[k]);
      step.update(wb.v[k], mb.v[k], gb.v[k]);
    }
    store<4>(w + a, wa);
    store<4>(m + a, ma);
    if (two) {
      store<4>(w + b, wb);
      store<4>(m + b, mb);
    }
  }
  for (int i = 4 * runs + threadIdx.x; i < count; i += 256) step.update(w[i], m[i], g[i]);
}

template <int V>
DEV void running_stat(const Box& b, const View<float>& to, const View<const float>& running, const View<const float>& stat, double rate, double unbias) {
  each<V>(b, to, [rate, unbias](Run<V> r, Run<V> s) {
    for (int k = 0; k < V; k++) {
      const double old = r.v[k];
      r.v[k] = (float)__dadd_rn(old, __dmul_rn(rate, __dsub_rn(__dmul_rn(unbias, (double)s.v[k]), old)));
    }
    return r;
  }, running, stat);
}

// to = running + rate·(unbias·stat − running).
extern "C" __global__ void __launch_bounds__(256) running_stat_run4_f32(BOX_PARAMS, VIEW_PARAMS(float, to), VIEW_PARAMS(const float, running), VIEW_PARAMS(const float, stat), double rate, double unbias) {
  running_stat<4>(BOX, VIEW(float, to), VIEW(const float, running), VIEW(const float, stat), rate, unbias);
}
extern "C" __global__ void __launch_bounds__(256) running_stat_run1_f32(BOX_PARAMS, VIEW_PARAMS(float, to), VIEW_PARAMS(const float, running), VIEW_PARAMS(const float, stat), double rate, double unbias) {
  running_stat<1>(BOX, VIEW(float, to), VIEW(const float, running), VIEW(const float, stat), rate, unbias);
}
