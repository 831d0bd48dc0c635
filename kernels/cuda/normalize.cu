// Image bytes to numbers: (v/255 − mean)/deviation for each channel, those beyond the fourth
// like it.
#include "walk.h"

// A block makes a table of its channels' 256 values with the CPU backend's roundings. Its
// threads then look up elements; channels are a place's level 0.
extern "C" __global__ void __launch_bounds__(256) normalize_u8_f32(BOX_PARAMS, VIEW_PARAMS(float, y), VIEW_PARAMS(const unsigned char, x), int tables, double mean0, double mean1, double mean2, double mean3,
                                                                   double inverse0, double inverse1, double inverse2, double inverse3) {
  __shared__ float values[4][256];
  const double mean[4] = {mean0, mean1, mean2, mean3}, inverse[4] = {inverse0, inverse1, inverse2, inverse3};
  for (int c = 0; c < 4; c++)
    if (c < tables) values[c][threadIdx.x] = (float)__dmul_rn(__dsub_rn(__ddiv_rn((double)threadIdx.x, 255.0), mean[c]), inverse[c]);
  __syncthreads();
  const Box b = BOX;
  const View<float> to = VIEW(float, y);
  const View<const unsigned char> from = VIEW(const unsigned char, x);
  const unsigned stride = gridDim.x * blockDim.x;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < b.total; i += 2 * stride) {
    const bool two = b.total - i > stride;
    const Place p = place(b, i), q = place(b, two ? i + stride : i);
    const int v = *from(p), w = *from(q);
    *to(p) = values[p.i[0] < 3 ? p.i[0] : 3][v];
    if (two) *to(q) = values[q.i[0] < 3 ? q.i[0] : 3][w];
  }
}
