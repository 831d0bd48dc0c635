// Convolution as a product of matrices that are never stored (implicit GEMM), for groups
// of any width; a linear layer is the same with one position.
//
//               rows             columns        summands
//   forward     pixels of y      filters k      taps × channels
//   data grad   pixels of x      channels c     taps × filters
//   filter grad filters k        taps × c       pixels of y
//
// A block computes BM×BN outputs of one group. Both operands go through shared memory, 16
// summands a step, the next step's copies in flight while one is multiplied; the filters
// and images are read as they lie, C innermost. A lane keeps TM×TN sums in registers. V is
// the number of elements copied at once: 4 where the operand's rows are whole aligned
// quads, else 1. Nothing outside an operand is read: such copies write zeros.
//
// A data gradient with stride falls into SH×SW phases, the positions of x with equal
// remainders. Each is a convolution with stride 1 and its share of the taps, so no
// zeros are multiplied.
//
// Where there are few tiles the sum is divided into `splits` runs of steps; each writes
// its part, conv_sum_f32 adds them in order.
#include "conv_epilogue.h"

// Tile is how a block's BM×BN outputs are divided: warps of WM×WN, lanes of TM×TN.
template <int BM_, int BN_, int WM_, int WN_, int TM_, int TN_>
struct Tile {
  enum {
    BM = BM_, BN = BN_, WM = WM_, WN = WN_, TM = TM_, TN = TN_,
    LM = WM / TM, LN = WN / TN,          // lanes along rows and columns of a warp
    WARPS_N = BN / WN, THREADS = BM / WM * WARPS_N * 32,
    BK = 16,                             // summands a step
    PITCH = BK + 4,                      // of a row of summands: 5 quads, so 8 rows fall into different banks
  };
};

// Where a lane's outputs are. Lanes 2i and 2i+1 share rows, lanes that differ in bit 1
// share columns: shared memory then serves a half warp at once.
template <class T>
DEV int lane_row(int lane) { return (lane >> 1 & 1) | (lane >> 2 & 2) | (T::LM == 8 ? lane >> 2 & 4 : 0); }
template <class T>
DEV int lane_column(int lane) { return (lane & 1) | (lane >> 1 & 2) | (T::LN == 8 ? lane >> 2 & 4 : 0); }

// Places of filter n of a tile whose filters are rows of summands: those that the lanes of
// a warp read at once (4 apart) become neighbours.
template <class T>
DEV int filter_place(int n) {
  const int o = n % T::WN, j = o % 4 + o / (4 * T::LN) * 4;
  return n - o + j * T::LN + o % (4 * T::LN) / 4;
}

template <int V>
DEV void copy(saddr to, const float* from, bool ok) {
  if (V == 4) cp_async16(to, from, ok);
  else cp_async4(to, from, ok);
}

// Adds a step to the sums. An operand is rows of summands (pitch PITCH) or, transposed,
// summands of rows (pitch BM or BN); a and b point to what the lane reads first.
template <class T, bool AROWS, bool BROWS>
DEV void multiply(float (&sum)[T::TM][T::TN], const float* a, const float* b) {
#pragma unroll
  for (int k = 0; k < T::BK; k += 2) {
    float av[2][T::TM];
#pragma unroll
    for (int i = 0; i < T::TM; i += AROWS ? 1 : 4) {
      if (AROWS) {
        const float2 v = *(const float2*)(a + i * T::LM * T::PITCH + k);
        av[0][i] = v.x, av[1][i] = v.y;
      } else {
#pragma unroll
        for (int u = 0; u < 2; u++) {
          const float4 v = *(const float4*)(a + (k + u) * T::BM + i * T::LM);
          av[u][i] = v.x, av[u][i + 1] = v.y, av[u][i + 2] = v.z, av[u][i + 3] = v.w;
        }
      }
    }
#pragma unroll
    for (int j = 0; j < T::TN; j += BROWS ? 1 : 4) {
      if (BROWS) {
        const float2 v = *(const float2*)(b + j * T::LN * T::PITCH + k);
#pragma unroll
        for (int i = 0; i < T::TM; i++) sum[i][j] += av[0][i] * v.x;
#pragma unroll
        for (int i = 0; i < T::TM; i++) sum[i][j] += av[1][i] * v.y;
      } else {
#pragma unroll
        for (int u = 0; u < 2; u++) {
          const float4 v = *(const float4*)(b + (k + u) * T::BN + j * T::LN);
#pragma unroll
          for (int i = 0; i < T::TM; i++) {
            sum[i][j] += av[u][i] * v.x, sum[i][j + 1] += av[u][i] * v.y;
            sum[i][j + 2] += av[u][i] * v.z, sum[i][j + 3] += av[u][i] * v.w;
          }
        }
      }
    }
  }
}

// Axis is the rows, or the columns, of a convolution turned so that an output gathers:
// output first + i·step of n takes input i·move + base + a·tap for each of its taps a,
// which is the filter's row first_tap + a·tap_step.
struct Axis {
  int n, first, step, move, base, tap, taps, first_tap, tap_step;
};

DEV Axis forward_axis(int outputs, int kernel, int stride, int dilation, int pad) {
  return Axis{outputs, 0, 1, stride, -pad, dilation, kernel, 0, 1};
}

DEV Axis grad_axis(int phase, int inputs, int kernel, int stride, int dilation, int pad) {
  Axis x;
  x.n = phase < inputs ? (inputs - phase + stride - 1) / stride : 0;
  x.first = phase;
  x.step = stride;
  x.move = 1;
  x.tap_step = 1;
  while (x.tap_step * dilation % stride) x.tap_step++;
  x.first_tap = 0;
  while (x.first_tap < kernel && (phase + pad - x.first_tap * dilation) % stride) x.first_tap++;
  x.taps = (kernel - x.first_tap + x.tap_step - 1) / x.tap_step;
  x.base = (phase + pad - x.first_tap * dilation) / stride;
  x.tap = -(x.tap_step * dilation / stride);
  return x;
}

// Summand is a place in the sum over taps (a, b) and channels c; left counts those from it
// to the end.
struct Summand {
  int a, b, c, left;
};

DEV Summand summand(int k, int total, int B, int C) {
  const int t = k / C;
  return Summand{t / B, t % B, k % C, total - k};
}

// Moves by d.left summands, which are d.a, d.b, d.c.
DEV void advance(Summand& k, const Summand& d, int B, int C) {
  k.c += d.c;
  const int carry = k.c >= C;
  k.c -= carry ? C : 0;
  k.b += d.b + carry;
  const int wrap = k.b >= B;
  k.b -= wrap ? B : 0;
  k.a += d.a + wrap;
  k.left -= d.left;
}

// Walk is how a block's threads go through the sum: what a step and a thread's next copy
// within one move, and what a tap moves in the operands. It lies in shared memory: registers are scarce.
struct Walk {
  Summand step, next;
  int in_a, in_b, w_a, w_b, taps_b;
};

#define GEOMETRY                                                                                  \
  int N, int G, int C, int K, int H, int W, int P, int Q, int R, int S, int SH, int SW, int DH, \
      int DW, int PT, int PL

// Gather is a convolution of which each output gathers: forward as it is, a data gradient
// turned round. C and K are the summed and the computed channels of a group.
struct Gather {
  const float* in;
  int in_n, in_c, in_h, in_w, H, W;
  const float* w;
  int w_k, w_c, w_r, w_s, w_g;             // w_g: from one group's filters to the next's
  float* out;
  int out_n, out_c, out_h, out_w, P, Q;    // P, Q: all of the output's rows and columns
  int N, G, C, K;
  const float* bias;
  int bias_k, relu;
  const float* z;
  int splits, split;
  float* part;
};

// Computes the tile blockIdx.x of a phase. GRAD: w lies with the computed channels innermost.
template <class T, bool GRAD, int V>
DEV void gather_tile(const Gather& g, const Axis& y, const Axis& x) {
  enum { A = T::BM * T::PITCH, B = GRAD ? T::BK * T::BN : T::BN * T::PITCH };
  DYN_SHARED(float, sm);
  int* const row_in = (int*)(sm + 2 * (A + B));      // where the tile's pixels are
  unsigned* const row_taps = (unsigned*)row_in + T::BM;
  int* const row_out = row_in + 2 * T::BM;
  Walk& walk = *(Walk*)(row_out + T::BM);
  const saddr base = shared_base(sm);
  const int tid = threadIdx.x, lane = tid & 31, warp = tid >> 5;

  const int across = (g.K + T::BN - 1) / T::BN * g.G;
  const int m0 = blockIdx.x / across * T::BM, group = blockIdx.x % across % g.G, n0 = blockIdx.x % across / g.G * T::BN;
  if (m0 >= g.N * y.n * x.n) return;

  if (tid < T::BM) {
    const int m = m0 + tid, j = m % x.n, i = m / x.n % y.n, n = m / x.n / y.n;
    const int h = i * y.move + y.base, w = j * x.move + x.base;
    unsigned taps = 0;                               // bit a: row a of the taps is inside; bit 16+b: column b
    const bool real = n < g.N;
    for (int a = 0; a < y.taps; a++) taps |= (real && (unsigned)(h + a * y.tap) < (unsigned)g.H) << a;
    for (int b = 0; b < x.taps; b++) taps |= (unsigned)((unsigned)(w + b * x.tap) < (unsigned)g.W) << (16 + b);
    const int p = y.first + i * y.step, q = x.first + j * x.step;
    row_in[tid] = n * g.in_n + h * g.in_h + w * g.in_w + group * g.C * g.in_c;
    row_taps[tid] = taps;
    row_out[tid] = !real ? -1 : g.splits > 1 ? (n * g.P + p) * g.Q + q : n * g.out_n + p * g.out_h + q * g.out_w;
  }
  // This thread's copies of a step: V summands of every MSTEP-th pixel, and
  // forward of every filter likewise; of a gradient, V channels of every KSTEP-th summand.
  enum { PER = T::BK / V, MSTEP = T::THREADS / PER, MS = T::BM / MSTEP };
  enum { COLS = T::BN / V, KSTEP = GRAD ? T::THREADS / COLS : MSTEP, NS = GRAD ? T::BK / KSTEP : T::BN / MSTEP };
  const int am = tid / PER, ak = tid % PER * V;
  const int bn = GRAD ? tid % COLS * V : am, bk = GRAD ? tid / COLS : ak;
  const int columns = g.K - n0 - bn;                 // how many of the group's are left
  const int taps_b = max(x.taps, 1), total = y.taps * x.taps * g.C, steps = (total + T::BK - 1) / T::BK;
  if (tid == 0) {
    walk.step = summand(T::BK, 2 * T::BK, taps_b, g.C);
    walk.next = summand(KSTEP, 2 * KSTEP, taps_b, g.C);
    walk.in_a = y.tap * g.in_h, walk.in_b = x.tap * g.in_w;
    walk.w_a = y.tap_step * g.w_r, walk.w_b = x.tap_step * g.w_s;
    walk.taps_b = taps_b;
  }
  __syncthreads();

  const int run = (steps + g.splits - 1) / g.splits, first = g.split * run, last = min(first + run, steps);
  Summand ka = summand(first * T::BK + ak, total, taps_b, g.C), kb = summand(first * T::BK + bk, total, taps_b, g.C);
  const int w0 = group * g.w_g + y.first_tap * g.w_r + x.first_tap * g.w_s + (n0 + bn) * g.w_k;
  const saddr to_a = base + (am * T::PITCH + ak) * 4;

  auto load = [&](int buffer) {
    const int off = ka.a * walk.in_a + ka.b * walk.in_b + ka.c * (V == 4 ? 1 : g.in_c);
#pragma unroll
    for (int i = 0; i < MS; i++) {
      const unsigned taps = row_taps[am + i * MSTEP];
      const bool ok = ka.left > 0 && (taps >> ka.a & taps >> (16 + ka.b) & 1);
      copy<V>(to_a + buffer * (A + B) * 4 + i * MSTEP * T::PITCH * 4, g.in + (row_in[am + i * MSTEP] + off), ok);
    }
    const saddr to_b = base + buffer * (A + B) * 4 + A * 4;
    if (GRAD) {
#pragma unroll
      for (int i = 0; i < NS; i++) {
        const int o = w0 + kb.a * walk.w_a + kb.b * walk.w_b + kb.c * g.w_c;
        copy<V>(to_b + ((bk + i * KSTEP) * T::BN + bn) * 4, g.w + o, kb.left > 0 && columns > 0);
        advance(kb, walk.next, walk.taps_b, g.C);
      }
    } else {
      const int o = w0 + ka.a * walk.w_a + ka.b * walk.w_b + ka.c * (V == 4 ? 1 : g.w_c);
#pragma unroll
      for (int i = 0; i < NS; i++)
        copy<V>(to_b + (filter_place<T>(bn + i * MSTEP) * T::PITCH + ak) * 4, g.w + (o + i * MSTEP * g.w_k), ka.left > 0 && i * MSTEP < columns);
    }
    advance(ka, walk.step, walk.taps_b, g.C);
    cp_async_commit();
  };

  float sum[T::TM][T::TN];
#pragma unroll
  for (int i = 0; i < T::TM; i++)
#pragma unroll
    for (int j = 0; j < T::TN; j++) sum[i][j] = 0;
  const int wm = warp / T::WARPS_N * T::WM + lane_row<T>(lane), lc = lane_column<T>(lane), wn = warp % T::WARPS_N * T::WN;
  const float* const a0 = sm + wm * T::PITCH;
  const float* const b0 = sm + A + (GRAD ? wn + 4 * lc : (wn + lc) * T::PITCH);
  if (first < last) load(0);
  for (int step = first, buffer = 0; step < last; step++, buffer ^= 1) {
    cp_async_wait<0>();
    __syncthreads();
    if (step + 1 < last) load(buffer ^ 1);
    multiply<T, true, !GRAD>(sum, a0 + buffer * (A + B), b0 + buffer * (A + B));
  }

  // A lane has whole quads of columns.
  const int GK = g.G * g.K;
  float* const out = g.splits > 1 ? g.part + (long long)g.split * g.N * g.P * g.Q * GK : g.out;
  const int out_c = g.splits > 1 ? 1 : g.out_c;
#pragma unroll
  for (int i = 0; i < T::TM; i++) {
    const int o = row_out[wm + i * T::LM];
    if (o < 0) continue;
    float* const row = out + (g.splits > 1 ? (long long)o * GK : o) + group * g.K * out_c;
#pragma unroll
    for (int j = 0; j < T::TN; j += 4) {
      const int n = n0 + wn + 4 * lc + j * T::LN;
      float v[4];
#pragma unroll
      for (int u = 0; u < 4; u++) {
        v[u] = sum[i][j + u];
        if (!GRAD && g.splits == 1) {
          if (g.bias && n + u < g.K) v[u] += g.bias[(group * g.K + n + u) * g.bias_k];
          if (g.z && n + u < g.K) v[u] += g.z[o + (group * g.K + n + u) * out_c];
          if (g.relu) v[u] = v[u] > 0 ? v[u] : 0;
        }
      }
      if (V == 4) {
        if (n < g.K) *(float4*)(row + n) = float4{v[0], v[1], v[2], v[3]};
      } else {
#pragma unroll
        for (int u = 0; u < 4; u++)
          if (n + u < g.K) row[(n + u) * out_c] = v[u];
      }
    }
  }
}

#define FORWARD                                                                                   \
  const float *__restrict__ x, int xn, int xc, int xh, int xw,                                    \
      const float *__restrict__ w, int wk, int wc, int wr, int ws,                                \
      float *__restrict__ y, int yn, int yc, int yh, int yw, GEOMETRY,                            \
      EPILOGUE_PARAMS, float *__restrict__ part, int splits

template <class T, int V>
DEV void forward(FORWARD) {
  const Gather g = {x, xn, xc, xh, xw, H, W, w, wk, wc, wr, ws, K * wk, y, yn, yc, yh, yw, P, Q, N, G, C, K, bias, bk, relu, z, splits, (int)blockIdx.z, part};
  gather_tile<T, false, V>(g, forward_axis(P, R, SH, DH, PT), forward_axis(Q, S, SW, DW, PL));
}

#define DATA_GRAD                                                                                 \
  float *__restrict__ dx, int xn, int xc, int xh, int xw,                                         \
      const float *__restrict__ w, int wk, int wc, int wr, int ws,                                \
      const float *__restrict__ dy, int yn, int yc, int yh, int yw, GEOMETRY,                     \
      float *__restrict__ part, int splits

// blockIdx.y is the phase, blockIdx.z the split.
template <class T, int V>
DEV void data_grad(DATA_GRAD) {
  const int fh = blockIdx.y / SW, fw = blockIdx.y % SW;
  const Gather g = {dy, yn, yc, yh, yw, P, Q, w, wc, wk, wr, ws, K * wk, dx, xn, xc, xh, xw, H, W, N, G, K, C, nullptr, 0, 0, nullptr, splits, (int)blockIdx.z, part};
  gather_tile<T, true, V>(g, grad_axis(fh, H, R, SH, DH, PT), grad_axis(fw, W, S, SW, DW, PL));
}

// Pixel is a position of y; moving by a step is three additions with carries.
struct Pixel {
  int n, p, q;
};

DEV Pixel pixel(int m, int P, int Q) { return Pixel{m / Q / P, m / Q % P, m % Q}; }

DEV void advance(Pixel& m, const Pixel& d, int P, int Q) {
  m.q += d.q;
  const int carry = m.q >= Q;
  m.q -= carry ? Q : 0;
  m.p += d.p + carry;
  const int wrap = m.p >= P;
  m.p -= wrap ? P : 0;
  m.n += d.n + wrap;
}

#define FILTER_GRAD                                                                               \
  const float *__restrict__ x, int xn, int xc, int xh, int xw,                                    \
      const float *__restrict__ dy, int yn, int yc, int yh, int yw,                               \
      float *__restrict__ dw, int wk, int wc, int wr, int ws, GEOMETRY, float *__restrict__ part, int splits

// blockIdx.y is the split. VA is of dy, VB of x and dw.
template <class T, int VA, int VB>
DEV void filter_grad(FILTER_GRAD) {
  enum { A = T::BK * T::BM, B = T::BK * T::BN };
  DYN_SHARED(float, sm);
  const saddr base = shared_base(sm);
  const int tid = threadIdx.x, lane = tid & 31, warp = tid >> 5;
  const int RSC = R * S * C, down = (K + T::BM - 1) / T::BM, across = (RSC + T::BN - 1) / T::BN;
  const int group = blockIdx.x / (down * across), m0 = blockIdx.x / across % down * T::BM, n0 = blockIdx.x % across * T::BN;

  const int total = N * P * Q, steps = (total + T::BK - 1) / T::BK;
  const int run = (steps + splits - 1) / splits, first = blockIdx.y * run, last = min(first + run, steps);

  // This thread's copies: VA filters of every ASTEP-th pixel of dy, VB channels of one tap
  // of every BSTEP-th.
  enum { ACOLS = T::BM / VA, ASTEP = T::THREADS / ACOLS, AS = T::BK / ASTEP };
  enum { BCOLS = T::BN / VB, BSTEP = T::THREADS / BCOLS, BS = T::BK / BSTEP };
  const int ak = tid % ACOLS * VA, ap = tid / ACOLS, bt = tid % BCOLS * VB, bp = tid / BCOLS;
  const bool real_k = m0 + ak < K, real_t = n0 + bt < RSC;
  const int t = (n0 + bt) / C, h0 = t / S * DH - PT, w0 = t % S * DW - PL;
  const float* const yk = dy + (group * K + m0 + ak) * yc;
  const float* const xc0 = x + (group * C + (n0 + bt) % C) * xc;
  Pixel ma = pixel(first * T::BK + ap, P, Q), mb = pixel(first * T::BK + bp, P, Q);
  const Pixel da = pixel(ASTEP, P, Q), db = pixel(BSTEP, P, Q);

  auto load = [&](int buffer) {
    const saddr to = base + buffer * (A + B) * 4;
#pragma unroll
    for (int i = 0; i < AS; i++) {
      copy<VA>(to + ((ap + i * ASTEP) * T::BM + ak) * 4, yk + (ma.n * yn + ma.p * yh + ma.q * yw), real_k && ma.n < N);
      advance(ma, da, P, Q);
    }
#pragma unroll
    for (int i = 0; i < BS; i++) {
      const int h = mb.p * SH + h0, v = mb.q * SW + w0;
      const bool ok = real_t && mb.n < N && (unsigned)h < (unsigned)H && (unsigned)v < (unsigned)W;
      copy<VB>(to + (A + (bp + i * BSTEP) * T::BN + bt) * 4, xc0 + (mb.n * xn + h * xh + v * xw), ok);
      advance(mb, db, P, Q);
    }
    cp_async_commit();
  };

  float sum[T::TM][T::TN];
#pragma unroll
  for (int i = 0; i < T::TM; i++)
#pragma unroll
    for (int j = 0; j < T::TN; j++) sum[i][j] = 0;
  const int lm = warp / T::WARPS_N * T::WM + 4 * lane_row<T>(lane), ln = warp % T::WARPS_N * T::WN + 4 * lane_column<T>(lane);
  if (first < last) load(0);
  for (int step = first, buffer = 0; step < last; step++, buffer ^= 1) {
    cp_async_wait<0>();
    __syncthreads();
    if (step + 1 < last) load(buffer ^ 1);
    multiply<T, false, false>(sum, sm + buffer * (A + B) + lm, sm + buffer * (A + B) + A + ln);
  }

#pragma unroll
  for (int i = 0; i < T::TM; i++) {
    const int k = m0 + lm + i / 4 * 4 * T::LM + i % 4;
    if (k >= K) continue;
    float* const row = splits > 1 ? part + ((long long)blockIdx.y * G * K + group * K + k) * RSC : dw + (group * K + k) * wk;
#pragma unroll
    for (int j = 0; j < T::TN; j++) {
      const int n = n0 + ln + j / 4 * 4 * T::LN + j % 4;
      if (n < RSC) row[splits > 1 ? n : n / C / S * wr + n / C % S * ws + n % C * wc] = sum[i][j];
    }
  }
}

typedef Tile<128, 128, 64, 32, 8, 8> Tile128x128;
typedef Tile<128, 64, 64, 32, 8, 8> Tile128x64;
typedef Tile<64, 64, 32, 32, 8, 4> Tile64x64;
typedef Tile<128, 32, 32, 32, 8, 4> Tile128x32;
typedef Tile<32, 128, 32, 32, 8, 4> Tile32x128;

#define FORWARD_ARGS x, xn, xc, xh, xw, w, wk, wc, wr, ws, y, yn, yc, yh, yw, N, G, C, K, H, W, P, Q, R, S, SH, SW, DH, DW, PT, PL, bias, bk, relu, z, part, splits
extern "C" __global__ void __launch_bounds__(256, 2) conv_forward_gemm_128x128_f32(FORWARD) { forward<Tile128x128, 4>(FORWARD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 3) conv_forward_gemm_128x64_f32(FORWARD) { forward<Tile128x64, 4>(FORWARD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_forward_gemm_64x64_f32(FORWARD) { forward<Tile64x64, 4>(FORWARD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_forward_gemm_128x32_f32(FORWARD) { forward<Tile128x32, 4>(FORWARD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_forward_gemm_64x64_any_f32(FORWARD) { forward<Tile64x64, 1>(FORWARD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_forward_gemm_128x32_any_f32(FORWARD) { forward<Tile128x32, 1>(FORWARD_ARGS); }

#define DATA_GRAD_ARGS dx, xn, xc, xh, xw, w, wk, wc, wr, ws, dy, yn, yc, yh, yw, N, G, C, K, H, W, P, Q, R, S, SH, SW, DH, DW, PT, PL, part, splits
extern "C" __global__ void __launch_bounds__(256, 2) conv_data_grad_gemm_128x128_f32(DATA_GRAD) { data_grad<Tile128x128, 4>(DATA_GRAD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 3) conv_data_grad_gemm_128x64_f32(DATA_GRAD) { data_grad<Tile128x64, 4>(DATA_GRAD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_data_grad_gemm_64x64_f32(DATA_GRAD) { data_grad<Tile64x64, 4>(DATA_GRAD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_data_grad_gemm_128x32_f32(DATA_GRAD) { data_grad<Tile128x32, 4>(DATA_GRAD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_data_grad_gemm_64x64_any_f32(DATA_GRAD) { data_grad<Tile64x64, 1>(DATA_GRAD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_data_grad_gemm_128x32_any_f32(DATA_GRAD) { data_grad<Tile128x32, 1>(DATA_GRAD_ARGS); }

#define FILTER_GRAD_ARGS x, xn, xc, xh, xw, dy, yn, yc, yh, yw, dw, wk, wc, wr, ws, N, G, C, K, H, W, P, Q, R, S, SH, SW, DH, DW, PT, PL, part, splits
extern "C" __global__ void __launch_bounds__(256, 2) conv_filter_grad_gemm_128x128_f32(FILTER_GRAD) { filter_grad<Tile128x128, 4, 4>(FILTER_GRAD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_filter_grad_gemm_128x64_f32(FILTER_GRAD) { filter_grad<Tile128x64, 4, 4>(FILTER_GRAD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 5) conv_filter_grad_gemm_64x64_f32(FILTER_GRAD) { filter_grad<Tile64x64, 4, 4>(FILTER_GRAD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 5) conv_filter_grad_gemm_32x128_f32(FILTER_GRAD) { filter_grad<Tile32x128, 4, 4>(FILTER_GRAD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_filter_grad_gemm_64x64_any_f32(FILTER_GRAD) { filter_grad<Tile64x64, 1, 1>(FILTER_GRAD_ARGS); }
extern "C" __global__ void __launch_bounds__(128, 4) conv_filter_grad_gemm_32x128_any_f32(FILTER_GRAD) { filter_grad<Tile32x128, 1, 1>(FILTER_GRAD_ARGS); }
