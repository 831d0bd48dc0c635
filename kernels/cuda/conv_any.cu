// Convolution of any shape, one thread an output element: what the other kernels are
// compared with, and what runs where none of them fits. x is N×C×H×W, w is K×C×R×S with the
// C of one group, y is N×K×P×Q; C and K are those of one group. Every operand has a
// stride for each axis.
#include "conv_epilogue.h"

#define GEOMETRY                                                                                  \
  int N, int G, int C, int K, int H, int W, int P, int Q, int R, int S, int SH, int SW, int DH, \
      int DW, int PT, int PL

// y = x * w [+ bias] [+ z], then ReLU if asked for. Thread: one element of y, channels fastest.
extern "C" __global__ void __launch_bounds__(256, 4) conv_forward_any_f32(
    const float* __restrict__ x, int xn, int xc, int xh, int xw,
    const float* __restrict__ w, int wk, int wc, int wr, int ws,
    float* __restrict__ y, int yn, int yc, int yh, int yw, GEOMETRY,
    EPILOGUE_PARAMS, long long count) {
  const long long e = (long long)blockIdx.x * 256 + threadIdx.x;
  if (e >= count) return;
  const int GK = G * K, k = (int)(e % GK), pixel = (int)(e / GK), q = pixel % Q, p = pixel / Q % P, n = pixel / Q / P;
  const float* xg = x + n * xn + k / K * C * xc;
  const float* wg = w + k * wk;
  float sum = 0;
  for (int r = 0; r < R; r++) {
    const int h = p * SH - PT + r * DH;
    if (h < 0 || h >= H) continue;
    for (int s = 0; s < S; s++) {
      const int v = q * SW - PL + s * DW;
      if (v < 0 || v >= W) continue;
      for (int c = 0; c < C; c++) sum = fmaf(xg[c * xc + h * xh + v * xw], wg[c * wc + r * wr + s * ws], sum);
    }
  }
  if (bias) sum += bias[k * bk];
  const int at = n * yn + k * yc + p * yh + q * yw;
  y[at] = followed(sum, z, at, relu);
}

// dx from dy and w. Thread: one element of dx, channels fastest.
extern "C" __global__ void __launch_bounds__(256, 4) conv_data_grad_any_f32(
    float* __restrict__ dx, int xn, int xc, int xh, int xw,
    const float* __restrict__ w, int wk, int wc, int wr, int ws,
    const float* __restrict__ dy, int yn, int yc, int yh, int yw, GEOMETRY, long long count) {
  const long long e = (long long)blockIdx.x * 256 + threadIdx.x;
  if (e >= count) return;
  const int GC = G * C, c = (int)(e % GC), pixel = (int)(e / GC), v = pixel % W, h = pixel / W % H, n = pixel / W / H;
  const int g = c / C;
  const float* yg = dy + n * yn + g * K * yc;
  const float* wg = w + g * K * wk + (c - g * C) * wc;
  float sum = 0;
  for (int r = 0; r < R; r++) {
    const int ph = h + PT - r * DH, p = ph / SH;
    if (ph < 0 || p * SH != ph || p >= P) continue;
    for (int s = 0; s < S; s++) {
      const int qw = v + PL - s * DW, q = qw / SW;
      if (qw < 0 || q * SW != qw || q >= Q) continue;
      for (int k = 0; k < K; k++) sum = fmaf(yg[k * yc + p * yh + q * yw], wg[k * wk + r * wr + s * ws], sum);
    }
  }
  dx[n * xn + c * xc + h * xh + v * xw] = sum;
}

// Partial sums of dw over one of `splits` runs of y's rows (sample by sample):
// part[split][k][r][s][c]. Thread: one element of a part, c fastest; blockIdx.y: the run.
extern "C" __global__ void __launch_bounds__(256) conv_filter_grad_any_f32(
    const float* __restrict__ x, int xn, int xc, int xh, int xw,
    const float* __restrict__ dy, int yn, int yc, int yh, int yw, GEOMETRY,
    float* __restrict__ part, int splits, long long count) {
  const long long e = (long long)blockIdx.x * 256 + threadIdx.x;
  if (e >= count) return;
  const int c = (int)(e % C), t = (int)(e / C), s = t % S, r = t / S % R, k = t / S / R;
  const float* xg = x + (k / K * C + c) * xc;
  const float* yk = dy + k * yc;
  const int rows = N * P, run = (rows + splits - 1) / splits, first = blockIdx.y * run, last = min(first + run, rows);
  float sum = 0;
  for (int row = first; row < last; row++) {
    const int n = row / P, p = row - n * P, h = p * SH - PT + r * DH;
    if (h < 0 || h >= H) continue;
    float line = 0;
    for (int q = 0; q < Q; q++) {
      const int v = q * SW - PL + s * DW;
      if (v >= 0 && v < W) line = fmaf(xg[n * xn + h * xh + v * xw], yk[n * yn + p * yh + q * yw], line);
    }
    sum += line;
  }
  part[blockIdx.y * count + e] = sum;
}

// out = part[0] + part[1] + …, in this order, [+ bias] [+ z], then ReLU if asked for. Parts lie
// one after the other, each n×h×w×c without gaps. Thread: one element, c fastest.
extern "C" __global__ void __launch_bounds__(256) conv_sum_f32(
    const float* __restrict__ part, int parts, float* __restrict__ out, int on, int oc, int oh, int ow,
    int C, int H, int W, EPILOGUE_PARAMS, long long count) {
  const long long e = (long long)blockIdx.x * 256 + threadIdx.x;
  if (e >= count) return;
  float sum = 0;
#pragma unroll 8
  for (int i = 0; i < parts; i++) sum += part[i * count + e];
  const int c = (int)(e % C), pixel = (int)(e / C), w = pixel % W, h = pixel / W % H, n = pixel / W / H;
  if (bias) sum += bias[c * bk];
  const int at = n * on + c * oc + h * oh + w * ow;
  out[at] = followed(sum, z, at, relu);
}
