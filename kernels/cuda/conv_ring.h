// Convolutions with groups of 1, 4, 8, 16 or 32 channels and as many filters, by square filters
// of R rows with stride 1 or 2. Such layers do little with each byte, so each is read once:
//
// A block has 32 channels, 128 bytes a pixel, and a tile of rows. It takes the rows in order,
// through a ring of slots in shared memory that asynchronous copies fill a few steps ahead; a
// barrier a step. Where a row is narrow the tile is a super row: NS samples side by side, TQ
// columns of each. What lies outside of an image is copied as zeros, so nothing below knows
// edges.
//
// A lane has a channel of the result, its R·R·SL filter values (or their sums) in registers, SL
// being the channels of its group or, of wider groups, eight of them: then L lanes share an
// output, each with its slice of the sum. A warp has a strip of T columns of a tile. A row of
// the input feeds several rows of the result, whose sums turn round in registers.
#pragma once
#include "dev.h"

enum { RING_CHANNELS = 32, RING_PIXEL = 128, RING_BYTES = 48 << 10 };  // of a block, bytes a pixel, most of shared memory

// Warps of a block for stride S and slices SL, and blocks that a multiprocessor should hold:
// two thirds of its threads where lanes need many registers.
constexpr int ring_warps(int S, int SL) { return S == 1 && SL < 8 ? 8 : 4; }
constexpr int ring_resident(int S, int SL) { return ring_warps(S, SL) == 8 ? 2 : SL == 1 ? 4 : 3; }

constexpr int ring_stages(int slot) { return RING_BYTES / slot > 4 ? 4 : RING_BYTES / slot; }

// RowTile is where a block's super rows are: from sample n0 and column q0 on, NS samples, each
// with `columns` pixels, of which the first is column `left`.
struct RowTile {
  int n0, ns, columns, left;
};

// Rows copies rows of an operand into slots, J quads of channels a thread.
template <int J, int THREADS>
struct Rows {
  enum { NONE = -0x7fffffff - 1 };
  int off[J];  // of this thread's quads from sample n0's row, channel c0; NONE where nothing is
  int quads;   // of a row, all threads together
  int channels, step;
  saddr to;    // this thread's first quad in the first slot
  const float* row;

  // place finds the quads of a tile. x is N samples of C channels and W columns, with strides
  // xn, xh, xw and 1; c0 the block's first channel.
  __device__ __forceinline__ void place(const float* x, int xn, int xh, int xw, int N, int C, int W, int c0, RowTile t) {
    const int tid = threadIdx.x, c = tid % 8 * 4;
    quads = t.ns * t.columns * 8;
    channels = C - c0 - c;
    step = xh;
#pragma unroll
    for (int j = 0; j < J; j++) {
      const int px = tid / 8 + j * (THREADS / 8), n = px / t.columns, col = t.left + px - n * t.columns;
      off[j] = channels > 0 && t.n0 + n < N && (unsigned)col < (unsigned)W ? n * xn + col * xw + c : NONE;
    }
    row = x + ((long long)t.n0 * xn + c0);
  }

  // copy starts the copies of row h of H into the slot at this distance, without a commit.
  // whole: a quad is 16 aligned bytes.
  __device__ __forceinline__ void copy(int h, int H, int slot, bool whole) {
    const bool inside = (unsigned)h < (unsigned)H;
    const float* const from = row + (long long)h * step;
#pragma unroll
    for (int j = 0; j < J; j++) {
      if ((int)threadIdx.x + j * THREADS >= quads) continue;
      const bool ok = inside && off[j] != NONE;
      const saddr at = to + slot + j * (THREADS * 16);
      const float* const quad = from + (ok ? off[j] : 0);
      if (whole) cp_async16(at, quad, ok);
      else
        for (int u = 0; u < 4; u++) cp_async4(at + 4 * u, quad + u, ok && u < channels);
    }
  }
};

// Lane is where a lane's channel and its columns are.
struct Lane {
  int channel, first, slice;  // of the block's: the result's, and the first summed one; which part of the sum
  int sample, column;         // of the tile's: the strip's
  bool live;                  // whether there is such a strip
};

// lane_of places the lanes of a block: L lanes an output, groups of CG channels, strips of T columns.
DEV Lane lane_of(int CG, int L, int T, int NS, int TQ) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, strip = warp / L, m = strip * T;
  Lane v;
  v.channel = warp % L * (32 / L) + lane / L;
  v.slice = lane % L;
  v.first = (v.channel & ~(CG - 1)) + v.slice * (CG / L);
  v.live = m < NS * TQ;
  v.sample = v.live ? m / TQ : 0;
  v.column = v.live ? m % TQ : 0;
  return v;
}

// read_slice reads SL channels of a pixel.
template <int SL>
DEV void read_slice(float (&v)[SL], saddr at) {
  if (SL == 1) v[0] = lds32(at);
#pragma unroll
  for (int i = 0; i + 4 <= SL; i += 4) {
    const float4 q = lds128(at + 4 * i);
    v[i] = q.x, v[i + 1] = q.y, v[i + 2] = q.z, v[i + 3] = q.w;
  }
}

// sum_slices adds the parts of L neighbouring lanes, all of which get the sum.
DEV float sum_slices(float v, int L) {
  for (int d = 1; d < L; d *= 2) v += __shfl_xor_sync(~0u, v, d);
  return v;
}

// read_filter reads the R×R filter values of a lane's slice, zeros if the channel is not real.
template <int R, int SL>
DEV void read_filter(float (&w)[R * R][SL], const float* from, int wi, int wr, int ws, bool real) {
#pragma unroll
  for (int r = 0; r < R; r++)
#pragma unroll
    for (int s = 0; s < R; s++)
#pragma unroll
      for (int i = 0; i < SL; i++) w[r * R + s][i] = real ? from[i * wi + r * wr + s * ws] : 0;
}
