// Data gradients of the convolutions of conv_ring.h with stride 2. No zeros are inserted: the
// result is divided into pairs of rows and of columns; row p of dy feeds rows 2p + r − PT, of
// pairs d(r) further on, d(r) = ⌊(r − F)/2⌋, where PT and PL are 2·(first pair) + F.
#include "conv_ring.h"

constexpr int scatter_low(int R, int F) { return (R - 1 - F) / 2; }  // the last pair that a row feeds

template <int R, int F, int SL>
struct Scatter {
  enum {
    WARPS = ring_warps(1, SL), THREADS = 32 * WARPS,
    T = 4,                                   // pairs of columns of a strip
    A = scatter_low(R, F) + F + 1,           // pairs of rows that a row of dy feeds
    COLS = T + A - 1,                        // columns of dy that a strip needs
    J = (COLS + 3) / 4,
    STAGES = ring_stages(COLS * WARPS * RING_PIXEL),
  };
};

// dx is N×(G·CG)×H×W, dy N×(G·CG)×P×Q. w as in conv_ring.cu: outputs are dx's channels. Tiles
// are of TH pairs of rows and TQ pairs of columns; P0 and Q0 are the rows and columns of dy
// that belong to the first pairs: (PT − F)/2, (PL − F)/2.
#define SCATTER                                                                                   \
  float *__restrict__ dx, int xn, int xc, int xh, int xw, const float *__restrict__ w, int wg,    \
      int wo, int wi, int wr, int ws, const float *__restrict__ dy, int yn, int yh, int yw, int N, \
      int C, int CG, int L, int H, int W, int P, int Q, int P0, int Q0, int NS, int TH, int TQ, int whole
#define SCATTER_ARGS dx, xn, xc, xh, xw, w, wg, wo, wi, wr, ws, dy, yn, yh, yw, N, C, CG, L, H, W, P, Q, P0, Q0, NS, TH, TQ, whole

template <int R, int F, int SL>
DEV void scatter(SCATTER) {
  typedef Scatter<R, F, SL> D;
  enum { T = D::T, A = D::A, COLS = D::COLS, STAGES = D::STAGES, LOW = scatter_low(R, F) };
  DYN_SHARED(float, sm);
  const saddr base = shared_base(sm);
  const int down = (H + 1) / 2, wide = (W + 1) / 2, across = (wide + TQ - 1) / TQ;
  const int c0 = blockIdx.x * RING_CHANNELS, q0 = blockIdx.y % across * TQ, p0 = blockIdx.y / across * TH, n0 = blockIdx.z * NS;
  const int steps = min(TH, down - p0) + A - 1, columns = TQ + A - 1, slot = NS * columns * RING_PIXEL;

  Rows<D::J, D::THREADS> in;
  in.place(dy, yn, yh, yw, N, C, Q, c0, RowTile{n0, NS, columns, Q0 + q0 - LOW});
  in.to = base + threadIdx.x * 16;
  auto load = [&](int step, int at) {
    if (step < steps) in.copy(P0 + p0 - LOW + step, P, at, whole);
    cp_async_commit();
  };
#pragma unroll
  for (int i = 0; i < STAGES - 1; i++) load(i, i * slot);

  const Lane at = lane_of(CG, L, T, NS, TQ);
  const int channel = c0 + at.channel;
  const bool real = channel < C;
  float f[R * R][SL];
  read_filter<R, SL>(f, w + (channel / CG * wg + channel % CG * wo + at.slice * SL * wi), wi, wr, ws, real);
  const int live = at.live && real && at.slice == 0 && n0 + at.sample < N ? W - 2 * (q0 + at.column) : 0;
  const saddr from = base + ((at.sample * columns + at.column) * RING_CHANNELS + at.first) * 4;
  int h = 2 * p0;
  float* out = dx + ((long long)(n0 + at.sample) * xn + channel * xc + h * xh + 2 * (q0 + at.column) * xw);

  // Step t begins pair t, whose sums are sum[t % A], and ends pair t − A + 1.
  float sum[A][2][2 * T];
#pragma unroll
  for (int i = 0; i < A; i++)
#pragma unroll
    for (int o = 0; o < 2 * T; o++) sum[i][0][o] = sum[i][1][o] = 0;
  int now = 0;
  for (int t0 = 0; t0 < steps; t0 += A)
#pragma unroll
    for (int ph = 0; ph < A; ph++) {
      const int t = t0 + ph;
      if (t >= steps) break;
      cp_async_wait<STAGES - 2>();
      __syncthreads();
      load(t + STAGES - 1, now == 0 ? (STAGES - 1) * slot : now - slot);
#pragma unroll
      for (int o = 0; o < 2 * T; o++) sum[ph][0][o] = sum[ph][1][o] = 0;
#pragma unroll
      for (int c = 0; c < COLS; c++) {
        float v[SL];
        read_slice<SL>(v, from + now + c * RING_PIXEL);
#pragma unroll
        for (int s = 0; s < R; s++) {
          const int o = 2 * (c - LOW) + s - F;
          if (o < 0 || o >= 2 * T) continue;
#pragma unroll
          for (int r = 0; r < R; r++) {
            const int pair = (r - F + 2 * A) / 2 - A, age = LOW - pair;
            float& a = sum[(ph - age + A) % A][(r - F + 2 * A) % 2][o];
#pragma unroll
            for (int i = 0; i < SL; i++) a = fmaf(v[i], f[r * R + s][i], a);
          }
        }
      }
      now = now + slot == STAGES * slot ? 0 : now + slot;
      if (t < A - 1) continue;
#pragma unroll
      for (int b = 0; b < 2; b++) {
#pragma unroll
        for (int o = 0; o < 2 * T; o++) {
          const float v = sum_slices(sum[(ph + 1) % A][b][o], L);
          if (o < live && h + b < H) out[b * xh + o * xw] = v;
        }
      }
      h += 2;
      out += 2 * xh;
    }
}

#define RING_SCATTER(R, F, SL) \
  extern "C" __global__ void __launch_bounds__(32 * ring_warps(1, SL), ring_resident(1, SL)) conv_ring_scatter_##R##x##R##_c##SL##_f##F##_f32(SCATTER) { scatter<R, F, SL>(SCATTER_ARGS); }
RING_SCATTER(3, 0, 1)
RING_SCATTER(3, 1, 1)
RING_SCATTER(5, 0, 1)
RING_SCATTER(3, 0, 4)
RING_SCATTER(3, 1, 4)
RING_SCATTER(3, 0, 8)
RING_SCATTER(3, 1, 8)
