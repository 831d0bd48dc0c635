// The convolutions of conv_ring.h where an output gathers: forward, and data gradients with
// stride 1, which are the same with the filters turned round and transposed.
#include "conv_ring.h"

template <int R, int S, int SL, int T>
struct Gather {
  enum {
    WARPS = ring_warps(S, SL), THREADS = 32 * WARPS,
    A = (R + S - 1) / S,                     // rows of the result that a step feeds
    COLS = S * (T - 1) + R,                  // columns of the input that a strip needs
    J = (COLS + 3) / 4,                      // quads a thread and row
    STAGES = ring_stages(S * COLS * WARPS * RING_PIXEL),
  };
};

// x is N×(G·CG)×H×W, y N×(G·CG)×P×Q, w has CG×CG filters a group with strides wg from group to
// group, wo and wi along outputs and inputs, wr and ws. blockIdx.x: 32 channels, y: tile of TH
// rows × TQ columns, z: NS samples. L lanes share an output.
#define GATHER                                                                                    \
  const float *__restrict__ x, int xn, int xh, int xw, const float *__restrict__ w, int wg,       \
      int wo, int wi, int wr, int ws, float *__restrict__ y, int yn, int yc, int yh, int yw,      \
      const float *__restrict__ bias, int bk, int relu, int N, int C, int CG, int L, int H, int W, \
      int P, int Q, int PT, int PL, int NS, int TH, int TQ, int whole
#define GATHER_ARGS x, xn, xh, xw, w, wg, wo, wi, wr, ws, y, yn, yc, yh, yw, bias, bk, relu, N, C, CG, L, H, W, P, Q, PT, PL, NS, TH, TQ, whole

template <int R, int S, int SL, int T>
DEV void gather(GATHER) {
  typedef Gather<R, S, SL, T> D;
  enum { A = D::A, COLS = D::COLS, STAGES = D::STAGES };
  DYN_SHARED(float, sm);
  const saddr base = shared_base(sm);
  const int across = (Q + TQ - 1) / TQ;
  const int c0 = blockIdx.x * RING_CHANNELS, q0 = blockIdx.y % across * TQ, p0 = blockIdx.y / across * TH, n0 = blockIdx.z * NS;
  const int steps = min(TH, P - p0) + A - 1, columns = S * (TQ - 1) + R, slot = NS * columns * RING_PIXEL;

  Rows<D::J, D::THREADS> in;
  in.place(x, xn, xh, xw, N, C, W, c0, RowTile{n0, NS, columns, q0 * S - PL});
  in.to = base + threadIdx.x * 16;
  auto load = [&](int step, int at) {
    if (step < steps) {
#pragma unroll
      for (int u = 0; u < S; u++) in.copy((p0 + step) * S - PT + u, H, at + u * slot, whole);
    }
    cp_async_commit();
  };
#pragma unroll
  for (int i = 0; i < STAGES - 1; i++) load(i, i * S * slot);

  const Lane at = lane_of(CG, L, T, NS, TQ);
  const int channel = c0 + at.channel;
  const bool real = channel < C;
  float f[R * R][SL];
  read_filter<R, SL>(f, w + (channel / CG * wg + channel % CG * wo + at.slice * SL * wi), wi, wr, ws, real);
  const float first = bias && real && at.slice == 0 ? bias[channel * bk] : 0;
  const int live = at.live && real && at.slice == 0 && n0 + at.sample < N ? Q - q0 - at.column : 0;
  const saddr from = base + ((at.sample * columns + at.column * S) * RING_CHANNELS + at.first) * 4;
  float* out = y + ((long long)(n0 + at.sample) * yn + channel * yc + p0 * yh + (q0 + at.column) * yw);

  // Row p of the result gets row S·p + r of the input in step p + r/S; its sums are sum[p % A].
  float sum[A][T];
#pragma unroll
  for (int i = 0; i < A; i++)
#pragma unroll
    for (int o = 0; o < T; o++) sum[i][o] = 0;
  int now = 0;
  for (int t0 = 0; t0 < steps; t0 += A)
#pragma unroll
    for (int ph = 0; ph < A; ph++) {
      const int t = t0 + ph;
      if (t >= steps) break;
      cp_async_wait<STAGES - 2>();
      __syncthreads();
      load(t + STAGES - 1, now == 0 ? (STAGES - 1) * S * slot : now - S * slot);
#pragma unroll
      for (int o = 0; o < T; o++) sum[ph][o] = first;
#pragma unroll
      for (int u = 0; u < S; u++)
#pragma unroll
        for (int c = 0; c < COLS; c++) {
          float v[SL];
          read_slice<SL>(v, from + now + u * slot + c * RING_PIXEL);
#pragma unroll
          for (int s = c % S; s < R; s += S) {
            const int o = (c - s) / S;
            if (c < s || o >= T) continue;
#pragma unroll
            for (int r = u; r < R; r += S) {
              float& a = sum[(ph - r / S + A) % A][o];
#pragma unroll
              for (int i = 0; i < SL; i++) a = fmaf(v[i], f[r * R + s][i], a);
            }
          }
        }
      now = now + S * slot == STAGES * S * slot ? 0 : now + S * slot;
      if (t < A - 1) continue;
#pragma unroll
      for (int o = 0; o < T; o++) {
        float v = sum_slices(sum[(ph + 1) % A][o], L);
        if (relu) v = v > 0 ? v : 0;
        if (o < live) out[o * yw] = v;
      }
      out += yh;
    }
}

#define RING_GATHER(R, S, SL, T) \
  extern "C" __global__ void __launch_bounds__(32 * ring_warps(S, SL), ring_resident(S, SL)) conv_ring_##R##x##R##_c##SL##_s##S##_t##T##_f32(GATHER) { gather<R, S, SL, T>(GATHER_ARGS); }
RING_GATHER(3, 1, 1, 7)
RING_GATHER(3, 1, 1, 8)
RING_GATHER(3, 2, 1, 7)
RING_GATHER(3, 2, 1, 8)
RING_GATHER(5, 1, 1, 7)
RING_GATHER(5, 2, 1, 7)
RING_GATHER(3, 1, 4, 7)
RING_GATHER(3, 1, 4, 8)
RING_GATHER(3, 2, 4, 7)
RING_GATHER(3, 2, 4, 8)
RING_GATHER(3, 1, 8, 7)
RING_GATHER(3, 1, 8, 8)
RING_GATHER(3, 2, 8, 7)
RING_GATHER(3, 2, 8, 8)
