// Filter gradients of the convolutions of conv_ring.h. A lane has a filter and the R·R sums of
// its slice of channels; it reads a slice of x and, from registers, the rows of dy that meet it.
#include "conv_ring.h"

template <int R, int S, int SL, int T>
struct Filter {
  enum {
    WARPS = ring_warps(S, SL), THREADS = 32 * WARPS,
    A = (R + S - 1) / S,                     // rows of dy that a step's rows of x meet
    COLS = S * (T - 1) + R,
    JX = (COLS + 3) / 4, JY = (T + 3) / 4,
    STAGES = ring_stages((S * COLS + T) * WARPS * RING_PIXEL),
  };
};

// x is N×(G·CG)×H×W, dy N×(G·CG)×P×Q. Tiles of NS samples, TH rows and TQ columns are shared out
// among gridDim.y blocks; block y writes its sums to part[y][k][r][s][c].
#define FILTER                                                                                    \
  const float *__restrict__ x, int xn, int xh, int xw, const float *__restrict__ dy, int yn,      \
      int yh, int yw, float *__restrict__ part, int N, int C, int CG, int L, int H, int W, int P, \
      int Q, int PT, int PL, int NS, int TH, int TQ, int whole
#define FILTER_ARGS x, xn, xh, xw, dy, yn, yh, yw, part, N, C, CG, L, H, W, P, Q, PT, PL, NS, TH, TQ, whole

template <int R, int S, int SL, int T>
DEV void filter_grad(FILTER) {
  typedef Filter<R, S, SL, T> D;
  enum { A = D::A, COLS = D::COLS, STAGES = D::STAGES };
  DYN_SHARED(float, sm);
  const saddr base = shared_base(sm);
  const int across = (Q + TQ - 1) / TQ, down = (P + TH - 1) / TH, tiles = (N + NS - 1) / NS * down * across;
  const int c0 = blockIdx.x * RING_CHANNELS, splits = gridDim.y;
  const int columns = S * (TQ - 1) + R, row = NS * columns * RING_PIXEL, slot = S * row + NS * TQ * RING_PIXEL;
  // A tile takes TH + A − 1 steps, the last of which have zeros for dy. Copies run ahead of the
  // sums, across tiles.
  const int steps = TH + A - 1, mine = (tiles - (int)blockIdx.y + splits - 1) / splits, total = mine * steps;

  Rows<D::JX, D::THREADS> in;
  Rows<D::JY, D::THREADS> grad;
  in.to = base + threadIdx.x * 16;
  grad.to = in.to + S * row;
  int tile = blockIdx.y, left = 0, p = 0, last = 0;  // what is copied next: its row of dy, and the first one after the tile
  auto load = [&](int at) {
    if (left == 0 && tile < tiles) {
      const int q0 = tile % across * TQ, n0 = tile / across / down * NS;
      p = tile / across % down * TH;
      last = min(p + TH, P);
      left = steps;
      in.place(x, xn, xh, xw, N, C, W, c0, RowTile{n0, NS, columns, q0 * S - PL});
      grad.place(dy, yn, yh, yw, N, C, Q, c0, RowTile{n0, NS, TQ, q0});
      tile += splits;
    }
    if (left > 0) {
#pragma unroll
      for (int u = 0; u < S; u++) in.copy(p * S - PT + u, H, at + u * row, whole);
      grad.copy(p, last, at, whole);
      p++;
      left--;
    }
    cp_async_commit();
  };
  for (int i = 0; i < STAGES - 1; i++) load(i * slot);

  const Lane at = lane_of(CG, L, T, NS, TQ);
  const saddr from = base + ((at.sample * columns + at.column * S) * RING_CHANNELS + at.first) * 4;
  const saddr grads = base + S * row + ((at.sample * TQ + at.column) * RING_CHANNELS + at.channel) * 4;
  float sum[R * R][SL], g[A][T];  // g[j]: the row of dy that came j steps ago
#pragma unroll
  for (int i = 0; i < R * R; i++)
#pragma unroll
    for (int c = 0; c < SL; c++) sum[i][c] = 0;
#pragma unroll
  for (int j = 0; j < A; j++)
#pragma unroll
    for (int o = 0; o < T; o++) g[j][o] = 0;
  int now = 0;
#pragma unroll 1
  for (int t = 0; t < total; t++) {
    cp_async_wait<STAGES - 2>();
    __syncthreads();
    load(now == 0 ? (STAGES - 1) * slot : now - slot);
#pragma unroll
    for (int j = A - 1; j > 0; j--)
#pragma unroll
      for (int o = 0; o < T; o++) g[j][o] = g[j - 1][o];
#pragma unroll
    for (int o = 0; o < T; o++) g[0][o] = at.live ? lds32(grads + now + o * RING_PIXEL) : 0;
#pragma unroll
    for (int u = 0; u < S; u++)
#pragma unroll
      for (int c = 0; c < COLS; c++) {
        float v[SL];
        read_slice<SL>(v, from + now + u * row + c * RING_PIXEL);
#pragma unroll
        for (int s = c % S; s < R; s += S) {
          const int o = (c - s) / S;
          if (c < s || o >= T) continue;
#pragma unroll
          for (int r = u; r < R; r += S)
#pragma unroll
            for (int i = 0; i < SL; i++) sum[r * R + s][i] = fmaf(v[i], g[r / S][o], sum[r * R + s][i]);
        }
      }
    now = now + slot == STAGES * slot ? 0 : now + slot;
  }

  // The strips' sums are added pairwise through shared memory.
  cp_async_wait<0>();
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll 1
  for (int half = D::WARPS / 2; half >= L; half /= 2) {
    __syncthreads();
    float* const mem = sm + (warp % half * R * R * SL * 32 + lane);
    if (warp >= half && warp < 2 * half) {
#pragma unroll
      for (int i = 0; i < R * R * SL; i++) mem[i * 32] = sum[i / SL][i % SL];
    }
    __syncthreads();
    if (warp < half) {
#pragma unroll
      for (int i = 0; i < R * R * SL; i++) sum[i / SL][i % SL] += mem[i * 32];
    }
  }
  if (warp >= L || c0 + at.channel >= C) return;
  float* const out = part + ((long long)blockIdx.y * C + c0 + at.channel) * (R * R * CG) + at.slice * SL;
#pragma unroll
  for (int i = 0; i < R * R; i++)
#pragma unroll
    for (int c = 0; c < SL; c++) out[i * CG + c] = sum[i][c];
}

#define RING_FILTER(R, S, SL, T) \
  extern "C" __global__ void __launch_bounds__(32 * ring_warps(S, SL), ring_resident(S, SL)) conv_ring_filter_##R##x##R##_c##SL##_s##S##_t##T##_f32(FILTER) { filter_grad<R, S, SL, T>(FILTER_ARGS); }
RING_FILTER(3, 1, 1, 7)
RING_FILTER(3, 1, 1, 8)
RING_FILTER(3, 2, 1, 7)
RING_FILTER(3, 2, 1, 8)
RING_FILTER(5, 1, 1, 7)
RING_FILTER(5, 2, 1, 7)
RING_FILTER(3, 1, 4, 7)
RING_FILTER(3, 1, 4, 8)
RING_FILTER(3, 2, 4, 7)
RING_FILTER(3, 2, 4, 8)
RING_FILTER(3, 1, 8, 7)
RING_FILTER(3, 1, 8, 8)
RING_FILTER(3, 2, 8, 7)
RING_FILTER(3, 2, 8, 8)
