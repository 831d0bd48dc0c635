// The convolutions of conv_pack.h where an output gathers: forward, and data gradients, which
// are the same with the filters turned round and transposed; of a data gradient with stride
// each phase (see conv_gemm.cu) is such a convolution, and a launch of its own.
#include "conv_pack.h"

// Rewrites filters as conv_pack's blocks read them: packed[unit][chunk][r][s][c][column][u].
// A unit is GB whole groups, or one of `parts` parts of a group; it has GB·NB columns of TN
// filters, in PLACE floats. A chunk is CK of the C summed channels. What is no filter is
// zero. wg: from group to group; wo, wi: along computed and summed channels. Thread: an element.
extern "C" __global__ void __launch_bounds__(256)
    conv_pack_filters_f32(const float* __restrict__ w, int wg, int wo, int wi, int wr, int ws, float* __restrict__ packed, int G, int C, int K, int R, int S,
                          int GB, int NB, int parts, int CK, int TN, int PLACE, long long count) {
  const long long e = (long long)blockIdx.x * 256 + threadIdx.x;
  if (e >= count) return;
  const int chunks = (C + CK - 1) / CK, u = (int)(e % PLACE);
  int i = (int)(e / PLACE);
  const int column = i % (GB * NB);
  i /= GB * NB;
  const int c = i % CK, s = i / CK % S, r = i / CK / S % R;
  i /= CK * S * R;
  const int chunk = i % chunks, unit = i / chunks;
  const int group = unit / parts * GB + column / NB, k = (unit % parts * NB + column % NB) * TN + u, from = chunk * CK + c;
  packed[e] = u < TN && group < G && k < K && from < C ? w[group * wg + k * wo + from * wi + r * wr + s * ws] : 0;
}

// store writes TN filters' values of a pixel, of which `left` are real. whole: runs of 4, or of
// 2 if TN is no multiple of 4, are aligned.
template <int TN>
DEV void store(float* to, int yc, const float (&v)[TN], int left, bool whole) {
  if (whole && left >= TN) {
    if (TN % 4 == 0) {
#pragma unroll
      for (int j = 0; j < TN; j += 4) *(float4*)(to + j) = make_float4(v[j], v[j + 1], v[j + 2], v[j + 3]);
    } else {
#pragma unroll
      for (int j = 0; j < TN; j += 2) *(float2*)(to + j) = make_float2(v[j], v[j + 1]);
    }
    return;
  }
#pragma unroll
  for (int j = 0; j < TN; j++)
    if (j < left) to[j * yc] = v[j];
}

// add_taps adds the products of TAPS taps side by side, of so many channels, to a lane's sums.
// ALIGNED: pixels are at 16 bytes.
template <int TAPS, bool ALIGNED, int TN>
DEV void add_taps(float (&sum)[PACK_PIXELS][TN], saddr pixels, saddr filters, int channels, int plane, int next, int tap) {
  for (int c = 0; c < channels; c++, pixels += plane, filters += next) {
    float v[PACK_PIXELS + TAPS - 1];
    read_row<ALIGNED>(v, pixels);
#pragma unroll
    for (int t = 0; t < TAPS; t++) {
      float f[TN];
      read_row<true>(f, filters + t * tap);
#pragma unroll
      for (int i = 0; i < PACK_PIXELS; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) sum[i][j] = fmaf(v[i + t], f[j], sum[i][j]);
    }
  }
}

// x is N×(G·C)×H×W, y N×(G·K)×P×Q. Tap (a, b) of the R×S is (FR0 + a·FRS, FS0 + b·FSS) of the
// packed filters' FR×FS; PH phases of a row's taps are staged at once. A block takes a unit
// (blockIdx.x's fastest) and a tile of NS samples, TH rows and TW columns of y; 8 of TW are a
// set, and a warp has 8 sets × 4 columns of filters.
#define GATHER                                                                                    \
  const float *__restrict__ x, int xn, int xc, int xh, int xw, const float *__restrict__ packed,  \
      float *__restrict__ y, int yn, int yc, int yh, int yw, const float *__restrict__ bias,      \
      int bk, int relu, int N, int G, int C, int K, int H, int W, int P, int Q, int R, int S,     \
      int SH, int SW, int DH, int DW, int PT, int PL, int FR, int FS, int FR0, int FRS, int FS0,  \
      int FSS, int GB, int NB, int parts, int CK, int PH, int NS, int TH, int TW, int pitch, int plane, int whole
#define GATHER_ARGS x, xn, xc, xh, xw, packed, y, yn, yc, yh, yw, bias, bk, relu, N, G, C, K, H, W, P, Q, R, S, SH, SW, DH, DW, PT, PL, FR, FS, FR0, FRS, FS0, FSS, GB, NB, parts, CK, PH, NS, TH, TW, pitch, plane, whole

template <int ROW, int TN>
DEV void gather(GATHER) {
  enum { PX = PACK_PIXELS, PLACE = pack_place(TN) };
  DYN_SHARED(float, sm);
  const saddr base = shared_base(sm);
  const int tid = threadIdx.x, lane = tid % 32, warp = tid / 32;
  const int units = (G + GB - 1) / GB * parts, unit = blockIdx.x % units, tile = blockIdx.x / units;
  const int across = (Q + TW - 1) / TW, down = (P + TH - 1) / TH;
  const int q0 = tile % across * TW, p0 = tile / across % down * TH, n0 = tile / across / down * NS;
  const int group = unit / parts * GB, columns = GB * NB, chunks = (C + CK - 1) / CK;

  // A step is PH phases of a row of taps of a chunk; a phase is taps f, f + phases, …. Filters
  // have two buffers, planes too if there are several chunks.
  const Planes in = window_planes<ROW>(NS, TH, TW, R, S, SH, SW, DH, DW, pitch, plane);
  const int phases = ROW == 0 && DW == 1 ? in.phases : 1, pieces = (phases + PH - 1) / PH, most = (S + phases - 1) / phases;
  const int planes = GB * CK, input = planes * plane * 4, slab = CK * columns * PLACE, piece = PH * most * slab * 4;
  const int steps = chunks * R * pieces;
  const saddr filters = base + (chunks > 1 ? 2 : 1) * input;
  const Loader mine = loader(planes);
  const int own_group = group + mine.plane / CK, own_channel = mine.plane % CK;
  const float* from = x + (long long)(own_group * C + own_channel) * xc;
  const float* slabs = packed + (long long)unit * chunks * FR * FS * slab;
  int next_chunk = 0, next_row = 0, next_piece = 0;
  auto load = [&](int buffer) {
    if (next_chunk < chunks && R > 0) {
      if (next_row == 0 && next_piece == 0) {
        fill<ROW == 0>(in, mine, base + (next_chunk & 1) * input, from, xn, xh, xw, N, H, W, n0, p0 * SH - PT, q0 * SW - PL,
                       own_group < G && next_chunk * CK + own_channel < C);
        from += CK * xc;
      }
      const float* const row = slabs + ((next_chunk * FR + FR0 + next_row * FRS) * FS + FS0) * slab;
      for (int i = 0, f = next_piece * PH; i < PH && f < phases; i++, f++)
        for (int b = f, t = i * most; b < S; b += phases, t++)
          for (int q = tid * 4; q < slab; q += blockDim.x * 4) cp_async16(filters + buffer * piece + (t * slab + q) * 4, row + (b * FSS * slab + q));
      if (++next_piece == pieces) next_piece = 0, next_row++;
      if (next_row == R) next_row = 0, next_chunk++;
    }
    cp_async_commit();
  };
  load(0);

  // Half a warp reads 4 sets and 4 columns, which shared memory serves at once (conv_gemm.cu).
  const int warps = (columns + 3) / 4, sets = NS * TH * (TW / PX);
  const int set = warp / warps * 8 + (lane >> 1 & 1) + (lane >> 2 & 2) + (lane >> 2 & 4), column = warp % warps * 4 + (lane & 1) + (lane >> 1 & 2);
  const bool real = set < sets && column < columns;
  const int at_set = real ? set : 0, at_column = real ? column : 0;
  const int q = at_set % (TW / PX) * PX, p = at_set / (TW / PX) % TH, n = at_set / (TW / PX) / TH;
  const saddr pixels = base + (at_column / NB * CK * plane + (n * in.rows + p * (R > 1 ? SH : 1)) * pitch + q) * 4;
  const saddr own_filters = filters + at_column * PLACE * 4;
  const int g = group + at_column / NB, k = (unit % parts * NB + at_column % NB) * TN;
  const int left = real && g < G && n0 + n < N && p0 + p < P ? K - k : 0;

  float sum[PX][TN];
#pragma unroll
  for (int i = 0; i < PX; i++)
#pragma unroll
    for (int j = 0; j < TN; j++) sum[i][j] = bias && j < left ? bias[(g * K + k + j) * bk] : 0;
  int chunk = 0, row = 0, f0 = 0;
  for (int step = 0; step < steps; step++) {
    cp_async_wait<0>();
    __syncthreads();
    load(~step & 1);
    const int channels = min(CK, C - chunk * CK), next = columns * PLACE * 4, tap = slab * 4;
    const saddr rows = pixels + (chunk & 1) * input + row * DH * pitch * 4, w = own_filters + (step & 1) * piece;
    if (ROW > 0) {
      add_taps<ROW ? ROW : 1, true>(sum, rows, w, channels, plane * 4, next, tap);
    } else if (DW > 1) {
      for (int b = 0; b < S; b++) add_taps<1, false>(sum, rows + tap_place(in, b, DW) * 4, w + b * tap, channels, plane * 4, next, tap);
    } else {
      for (int f = f0; f < min(f0 + PH, phases); f++) {
        saddr a = rows + f * in.phase * 4, b = w + (f - f0) * most * tap;
        int taps = (S - f + phases - 1) / phases;
        for (; taps >= 4; taps -= 4, a += 16, b += 4 * tap) add_taps<4, true>(sum, a, b, channels, plane * 4, next, tap);
        if (taps == 3) add_taps<3, true>(sum, a, b, channels, plane * 4, next, tap);
        if (taps == 2) add_taps<2, true>(sum, a, b, channels, plane * 4, next, tap);
        if (taps == 1) add_taps<1, true>(sum, a, b, channels, plane * 4, next, tap);
      }
    }
    f0 += PH;
    if (f0 >= phases) f0 = 0, row++;
    if (row == R) row = 0, chunk++;
  }

  if (left <= 0) return;
  float* out = y + ((long long)(n0 + n) * yn + (g * K + k) * yc + (p0 + p) * yh + (q0 + q) * yw);
#pragma unroll
  for (int i = 0; i < PX; i++, out += yw) {
    if (q0 + q + i >= Q) break;
#pragma unroll
    for (int j = 0; j < TN; j++)
      if (relu) sum[i][j] = sum[i][j] > 0 ? sum[i][j] : 0;
    store<TN>(out, yc, sum[i], left, whole);
  }
}

#define PACK_GATHER(NAME, ROW, TN) \
  extern "C" __global__ void __launch_bounds__(TN == 4 ? 256 : 192, 2) conv_pack_##NAME##_t##TN##_f32(GATHER) { gather<ROW, TN>(GATHER_ARGS); }
PACK_GATHER(row1, 1, 4)
PACK_GATHER(row1, 1, 6)
PACK_GATHER(row1, 1, 8)
PACK_GATHER(row3, 3, 4)
PACK_GATHER(row3, 3, 6)
PACK_GATHER(row3, 3, 8)
PACK_GATHER(row5, 5, 4)
PACK_GATHER(row5, 5, 6)
PACK_GATHER(row5, 5, 8)
PACK_GATHER(any, 0, 4)
PACK_GATHER(any, 0, 6)
PACK_GATHER(any, 0, 8)
