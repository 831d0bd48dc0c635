// Filter gradients of the convolutions of conv_pack.h. x and dy both become planes. A lane has
// TN filters × TC channels of one group × a row of taps, one tap where ROW is 0; it goes over
// the rows of a tile, 8 pixels at a time, reading x once for all filters and taps.
#include "conv_pack.h"

// pack_channels is TC: of taps with few sums each, a lane has several channels'.
constexpr int pack_channels(int ROW) { return ROW == 1 ? 4 : ROW == 5 ? 1 : 2; }

// x is N×(G·C)×H×W, dy N×(G·K)×P×Q. A block (blockIdx.x) has GB whole groups, or one of `parts`
// parts of a group; a group has NB columns, the unit BB of them; the filters of column b are
// b, b + NB, …. Tiles of NS samples, TH rows and TW columns of dy are shared out among gridDim.y
// blocks; block y writes its sums to part[y][k][r][s][c]. In a block, slices share a tile's rows.
#define FILTER                                                                                    \
  const float *__restrict__ x, int xn, int xc, int xh, int xw, const float *__restrict__ dy,      \
      int yn, int yc, int yh, int yw, float *__restrict__ part, int N, int G, int C, int K, int H, \
      int W, int P, int Q, int R, int S, int SH, int SW, int DH, int DW, int PT, int PL, int GB,  \
      int NB, int BB, int parts, int slices, int NS, int TH, int TW, int pitch, int plane, int grad_plane
#define FILTER_ARGS x, xn, xc, xh, xw, dy, yn, yc, yh, yw, part, N, G, C, K, H, W, P, Q, R, S, SH, SW, DH, DW, PT, PL, GB, NB, BB, parts, slices, NS, TH, TW, pitch, plane, grad_plane

template <int ROW, int TN>
DEV void filter_grad(FILTER) {
  enum { PX = PACK_PIXELS, TC = pack_channels(ROW), TAPS = ROW ? ROW : 1, READ = PX + TAPS - 1, SUMS = TN * TC * TAPS };
  DYN_SHARED(float, sm);
  const saddr base = shared_base(sm);
  const int tid = threadIdx.x, unit = blockIdx.x;
  const int group = unit / parts * GB, b0 = unit % parts * BB;
  const int across = (Q + TW - 1) / TW, down = (P + TH - 1) / TH, tiles = (N + NS - 1) / NS * down * across;

  // A stage is a tile: C planes of x a group, TN·BB of dy.
  const Planes in = window_planes<ROW>(NS, TH, TW, R, S, SH, SW, DH, DW, pitch, plane);
  const Planes out = {NS, TH, TW, TW + 4, grad_plane, 1, 1, 1, TW};
  const int grads = GB * C * plane, stage = (grads + GB * TN * BB * grad_plane) * 4;
  const Loader lx = loader(GB * C), ly = loader(GB * TN * BB);
  const int xg = group + lx.plane / C, yg = group + ly.plane / (TN * BB);
  const int b = b0 + ly.plane % BB, k = b + ly.plane / BB % TN * NB;
  const bool x_real = xg < G, y_real = yg < G && b < NB && k < K;
  const float* const x_from = x + (long long)(group * C + lx.plane) * xc;
  const float* const y_from = dy + (long long)(yg * K + k) * yc;
  auto load = [&](int tile, int buffer) {
    if (tile < tiles) {
      const int q0 = tile % across * TW, p0 = tile / across % down * TH, n0 = tile / across / down * NS;
      fill<ROW == 0>(in, lx, base + buffer * stage, x_from, xn, xh, xw, N, H, W, n0, p0 * SH - PT, q0 * SW - PL, x_real);
      fill<false>(out, ly, base + buffer * stage + grads * 4, y_from, yn, yh, yw, N, P, Q, n0, p0, q0, y_real);
    }
    cp_async_commit();
  };
  load(blockIdx.y, 0);

  const int taps = ROW ? 1 : S, blocks = (C + TC - 1) / TC, items = GB * R * taps * blocks * BB;
  const int item = tid % items, slice = tid / items;
  const int column = item % BB, c = item / BB % blocks * TC, s = item / BB / blocks % taps, r = item / BB / blocks / taps % R, g = item / BB / blocks / taps / R;
  const saddr pixels = base + (g * C * plane + r * DH * pitch + (ROW ? 0 : tap_place(in, s, DW))) * 4;
  const saddr own_grads = base + (grads + (g * TN * BB + column) * grad_plane) * 4;

  float sum[TN][TC][TAPS];
#pragma unroll
  for (int j = 0; j < TN; j++)
#pragma unroll
    for (int i = 0; i < TC; i++)
#pragma unroll
      for (int t = 0; t < TAPS; t++) sum[j][i][t] = 0;
  for (int tile = blockIdx.y, buffer = 0; tile < tiles; tile += gridDim.y, buffer ^= 1) {
    cp_async_wait<0>();
    __syncthreads();
    load(tile + gridDim.y, buffer ^ 1);
    if (slice >= slices) continue;
    for (int row = slice; row < NS * TH; row += slices) {
      saddr px = pixels + buffer * stage + (row / TH * in.rows + row % TH * (R > 1 ? SH : 1)) * pitch * 4;
      saddr gr = own_grads + buffer * stage + row * out.pitch * 4;
      for (int q = 0; q < TW; q += PX, px += PX * 4, gr += PX * 4) {
        float v[TC][READ];
#pragma unroll
        for (int i = 0; i < TC; i++) read_row<(ROW > 0)>(v[i], px + min(c + i, C - 1) * plane * 4);
#pragma unroll
        for (int j = 0; j < TN; j++) {
          float d[PX];
          read_row<true>(d, gr + j * BB * grad_plane * 4);
#pragma unroll
          for (int o = 0; o < PX; o++)
#pragma unroll
            for (int i = 0; i < TC; i++)
#pragma unroll
              for (int t = 0; t < TAPS; t++) sum[j][i][t] = fmaf(d[o], v[i][o + t], sum[j][i][t]);
        }
      }
    }
  }

  // The slices' sums are added pairwise through shared memory.
  cp_async_wait<0>();
  for (int half = slices / 2; half > 0; half /= 2) {
    __syncthreads();
    float* const mem = sm + (slice % half * SUMS * items + item);
    if (slice >= half && slice < 2 * half) {
#pragma unroll
      for (int i = 0; i < SUMS; i++) mem[i * items] = sum[i / TAPS / TC][i / TAPS % TC][i % TAPS];
    }
    __syncthreads();
    if (slice < half) {
#pragma unroll
      for (int i = 0; i < SUMS; i++) sum[i / TAPS / TC][i / TAPS % TC][i % TAPS] += mem[i * items];
    }
  }
  if (slice > 0 || group + g >= G || b0 + column >= NB) return;
#pragma unroll
  for (int j = 0; j < TN; j++) {
    const int f = b0 + column + j * NB;
    if (f >= K) continue;
    float* const to = part + ((((long long)blockIdx.y * G + group + g) * K + f) * R + r) * S * C + s * C + c;
#pragma unroll
    for (int i = 0; i < TC; i++)
#pragma unroll
      for (int t = 0; t < TAPS; t++)
        if (c + i < C) to[t * C + i] = sum[j][i][t];
  }
}

#define PACK_FILTER(NAME, ROW, TN) \
  extern "C" __global__ void __launch_bounds__(256, 2) conv_pack_filter_##NAME##_t##TN##_f32(FILTER) { filter_grad<ROW, TN>(FILTER_ARGS); }
PACK_FILTER(row1, 1, 4)
PACK_FILTER(row1, 1, 6)
PACK_FILTER(row3, 3, 4)
PACK_FILTER(row3, 3, 6)
PACK_FILTER(row5, 5, 4)
PACK_FILTER(row5, 5, 6)
PACK_FILTER(any, 0, 4)
PACK_FILTER(any, 0, 6)
