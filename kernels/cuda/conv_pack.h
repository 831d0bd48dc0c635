// Convolutions with narrow groups of any width, several groups to a block.
//
// A group's few channels make short runs, but those of neighbouring groups lie beside them in
// each pixel. A block takes a tile of pixels and the channels of several whole groups, all
// that the tile's windows reach, and turns them round on their way into shared memory: each
// channel becomes a plane of rows there. A lane has 8 pixels side by side and TN filters of
// one group: it reads a row of a plane once, 16 bytes at a time, for all of a filter's taps
// in that row. So no product is one with zeros of another group, and what is wasted is a
// group's filters beyond a multiple of TN.
//
// ROW is the number of taps in a row of the filter, where they are side by side (stride and
// dilation 1, or one tap). 0 stands for any window: columns with equal remainders by the
// stride, a phase, then lie together, so that a tap's pixels are still neighbours; and where the
// dilation is 1, so are the taps of a phase.
#pragma once
#include "dev.h"

enum { PACK_PIXELS = 8 };  // of a lane

// pack_place is the floats between one lane's filters and the next's in shared memory.
constexpr int pack_place(int TN) { return TN % 4 ? TN / 4 * 4 + 4 : TN; }

// Planes is a part of an operand in shared memory: rows and columns of some samples, of each
// channel. pitch floats from row to row, plane from channel to channel; neighbours there
// are row_step and column_step apart in the operand. Column c is at c % phases · phase +
// c / phases.
struct Planes {
  int samples, rows, columns, pitch, plane, row_step, column_step, phases, phase;
};

// reach is the rows or columns that n outputs read through so many taps, and their distance
// in the operand: a single tap leaves out what lies between.
DEV int reach(int n, int taps, int stride, int dilation) { return taps > 1 ? (n - 1) * stride + (taps - 1) * dilation + 1 : n; }

// window_planes is how the planes of an input lie that is read through R×S taps.
template <int ROW>
DEV Planes window_planes(int NS, int TH, int TW, int R, int S, int SH, int SW, int DH, int DW, int pitch, int plane) {
  const int columns = reach(TW, S, SW, DW), phases = ROW == 0 && S > 1 ? SW : 1;
  return Planes{NS, reach(TH, R, SH, DH), columns, pitch, plane, R > 1 ? 1 : SH, S > 1 ? 1 : SW, phases, ((columns + phases - 1) / phases + 3) / 4 * 4};
}

// Loader is a thread's share of the copies: columns first, first + per, … of one plane.
struct Loader {
  int plane, first, per;
};

DEV Loader loader(int planes) {
  const int tid = threadIdx.x;
  return Loader{tid % planes, tid / planes, (int)blockDim.x / planes};
}

// fill starts the copies of this thread's plane, without a commit. from is its channel in an
// operand of N samples of H×W; sample n0, row h0 and column w0 come first. Zeros are written
// for what is outside, or if the channel is not real.
template <bool PHASES>
DEV void fill(const Planes& b, const Loader& l, saddr to, const float* from, int xn, int xh, int xw, int N, int H, int W, int n0, int h0, int w0, bool real) {
  if (l.first >= l.per) return;
  to += (l.plane * b.plane) * 4;
  for (int i = 0; i < b.samples; i++)
    for (int r = 0; r < b.rows; r++, to += b.pitch * 4) {
      const int n = n0 + i, h = h0 + r * b.row_step;
      const bool inside = real && n < N && (unsigned)h < (unsigned)H;
      const float* const row = from + (inside ? n * xn + h * xh : 0);
      if (PHASES) {
        for (int c = l.first; c < b.columns; c += l.per) {
          const int w = w0 + c * b.column_step;
          const bool ok = inside && (unsigned)w < (unsigned)W;
          cp_async4(to + (c % b.phases * b.phase + c / b.phases) * 4, row + (ok ? w * xw : 0), ok);
        }
      } else {
        int w = w0 + l.first * b.column_step;
        for (int c = l.first; c < b.columns; c += l.per, w += l.per * b.column_step) {
          const bool ok = inside && (unsigned)w < (unsigned)W;
          cp_async4(to + c * 4, row + (ok ? w * xw : 0), ok);
        }
      }
    }
}

// read_row reads N floats, 16 bytes at a time if they are ALIGNED to that.
template <bool ALIGNED, int N>
DEV void read_row(float (&v)[N], saddr at) {
  enum { QUADS = ALIGNED ? N / 4 : 0, PAIRS = ALIGNED ? N % 4 / 2 : 0 };
#pragma unroll
  for (int i = 0; i < 4 * QUADS; i += 4) {
    const float4 q = lds128(at + 4 * i);
    v[i] = q.x, v[i + 1] = q.y, v[i + 2] = q.z, v[i + 3] = q.w;
  }
  if (PAIRS) {
    const float2 q = lds64(at + 16 * QUADS);
    v[4 * QUADS] = q.x, v[4 * QUADS + 1] = q.y;
  }
#pragma unroll
  for (int i = 4 * QUADS + 2 * PAIRS; i < N; i++) v[i] = lds32(at + 4 * i);
}

// tap_place is where tap b's first pixel is from that of tap 0, in floats.
DEV int tap_place(const Planes& b, int tap, int DW) { return tap * DW % b.phases * b.phase + tap * DW / b.phases; }
