// Copies between boxes, whatever their orders, and the channel shuffle. w128, w32 and u8 are
// elements of 16, 4 and 1 bytes.
#include "walk.h"

template <class T>
DEV void copy(const Box& b, const View<T>& to, const View<const T>& from) {
  const unsigned stride = gridDim.x * blockDim.x;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += 2 * stride) {
    const bool two = b.total - i > stride;
    const Place p = place(b, i), q = place(b, two ? i + stride : i);
    const T v = *from(p), w = *from(q);
    *to(p) = v;
    if (two) *to(q) = w;
  }
}

// to = from, element by element of the walk.
extern "C" __global__ void __launch_bounds__(256) copy_w128(BOX_PARAMS, VIEW_PARAMS(uint4, to), VIEW_PARAMS(const uint4, from)) {
  copy<uint4>(BOX, VIEW(uint4, to), VIEW(const uint4, from));
}
extern "C" __global__ void __launch_bounds__(256) copy_w32(BOX_PARAMS, VIEW_PARAMS(unsigned, to), VIEW_PARAMS(const unsigned, from)) {
  copy<unsigned>(BOX, VIEW(unsigned, to), VIEW(const unsigned, from));
}
extern "C" __global__ void __launch_bounds__(256) copy_u8(BOX_PARAMS, VIEW_PARAMS(unsigned char, to), VIEW_PARAMS(const unsigned char, from)) {
  copy<unsigned char>(BOX, VIEW(unsigned char, to), VIEW(const unsigned char, from));
}

// Order is where the elements of samples × channels × positions lie: the first, and the steps
// to neighbours. A position is a column of a row.
struct Order {
  int first, channel, column, row, sample;
};

// transpose copies through tiles of 32 channels × 32 positions in shared memory. Threads read
// neighbouring channels and write neighbouring positions (out) or the other way round. Only
// elements whose feature, channel·positions + position, lies in lo … hi−1 are copied. 32×8
// threads.
template <bool OUT, class T>
DEV void transpose(int samples, int channels, int positions, Divisor columns, T* to, const Order& t, const T* from, const Order& f, int lo, int hi) {
  __shared__ T tile[32][33];
  const int x = threadIdx.x, first_y = threadIdx.y;
  const auto copied = [&](int c, int p) { return c < channels && p < positions && c * positions + p >= lo && c * positions + p < hi; };
  const auto at = [&](const Order& o, int sample, int c, int p) {
    const int row = (int)quotient(columns, (unsigned)p), col = p - row * (int)columns.d;
    return o.first + sample * o.sample + c * o.channel + row * o.row + col * o.column;
  };
  const int across = (channels + 31) / 32, along = (positions + 31) / 32;
  for (long long i = blockIdx.x; i < (long long)samples * across * along; i += gridDim.x) {
    const int sample = (int)(i / (across * along)), rest = (int)(i % (across * along));
    const int c0 = rest % across * 32, p0 = rest / across * 32;
    for (int y = first_y; y < 32; y += 8) {
      const int c = c0 + (OUT ? x : y), p = p0 + (OUT ? y : x);
      if (copied(c, p)) tile[y][x] = from[at(f, sample, c, p)];
    }
    __syncthreads();
    for (int y = first_y; y < 32; y += 8) {
      const int c = c0 + (OUT ? y : x), p = p0 + (OUT ? x : y);
      if (copied(c, p)) to[at(t, sample, c, p)] = tile[x][y];
    }
    __syncthreads();
  }
}

#define TRANSPOSE_PARAMS(T) \
  int samples, int channels, int positions, long long columns, T *to, int t0, int tc, int tw, int th, int tn, const T *from, int f0, int fc, int fw, int fh, int fn, int lo, int hi
#define TRANSPOSE samples, channels, positions, divisor(columns), to, Order{t0, tc, tw, th, tn}, from, Order{f0, fc, fw, fh, fn}, lo, hi

// From channels innermost to positions innermost.
extern "C" __global__ void __launch_bounds__(256) transpose_out_w32(TRANSPOSE_PARAMS(unsigned)) {
  transpose<true, unsigned>(TRANSPOSE);
}
extern "C" __global__ void __launch_bounds__(256) transpose_out_u8(TRANSPOSE_PARAMS(unsigned char)) {
  transpose<true, unsigned char>(TRANSPOSE);
}
// From positions innermost to channels innermost.
extern "C" __global__ void __launch_bounds__(256) transpose_in_w32(TRANSPOSE_PARAMS(unsigned)) {
  transpose<false, unsigned>(TRANSPOSE);
}
extern "C" __global__ void __launch_bounds__(256) transpose_in_u8(TRANSPOSE_PARAMS(unsigned char)) {
  transpose<false, unsigned char>(TRANSPOSE);
}

// y's channel j·groups + g is x's channel g·each + j, each channels a group. A place's level 0
// is runs of y's channels; x's step of it is from channel to channel.
template <int V>
DEV void shuffle(const Box& b, const View<float>& y, const View<const float>& x, Divisor groups, int each) {
  const unsigned stride = gridDim.x * blockDim.x;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += stride) {
    Place p = place(b, i);
    float* to = y(p);
    const unsigned c = p.i[0] * V;
    p.i[0] = 0;
    const float* from = x(p);
    Run<V> r;
    for (int k = 0; k < V; k++) {
      const unsigned j = quotient(groups, c + k), g = c + k - j * groups.d;
      r.v[k] = from[(int)(g * each + j) * x.step[0]];
    }
    store<V>(to, r);
  }
}

extern "C" __global__ void __launch_bounds__(256) shuffle_run4_f32(BOX_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x), long long groups, int each) {
  shuffle<4>(BOX, VIEW(float, y), VIEW(const float, x), divisor(groups), each);
}
extern "C" __global__ void __launch_bounds__(256) shuffle_run1_f32(BOX_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const float, x), long long groups, int each) {
  shuffle<1>(BOX, VIEW(float, y), VIEW(const float, x), divisor(groups), each);
}
