// The windows of a pool: which rows and columns of x window (p, q) of y holds, and which
// windows hold a pixel. A Place of a box has runs of channels, columns, rows and samples.
#pragma once
#include "walk.h"

struct Pool {
  int r, s;               // rows and columns of a window
  int stride_r, stride_s; //
  int top, left;          // padding
  int h, w;               // rows and columns of x
  int p, q;               // rows and columns of y
};
#define POOL_PARAMS int r, int s, int stride_r, int stride_s, int top, int left, int h, int w, int p, int q
#define POOL \
  Pool { r, s, stride_r, stride_s, top, left, h, w, p, q }

// Span is lo … hi−1.
struct Span {
  int lo, hi;
};

// under returns the indices of x, size in all, under window o of an axis.
DEV Span under(int o, int kernel, int stride, int before, int size) {
  const int lo = o * stride - before, hi = lo + kernel;
  Span s = {lo < 0 ? 0 : lo, hi < size ? hi : size};
  return s;
}

// over returns the windows, count in all, that hold index i of x.
DEV Span over(int i, int kernel, int stride, int before, int count) {
  const int first = i + before - kernel + stride, last = (i + before) / stride + 1;
  Span s = {first < 0 ? 0 : first / stride, last < count ? last : count};
  return s;
}

// row is where the columns of a row begin in a view.
template <class T>
DEV T* row_of(const View<T>& v, const Place& p, int row) {
  return v.at + (int)(p.i[0] * v.step[0] + p.i[3] * v.step[3] + row * v.step[2]);
}
