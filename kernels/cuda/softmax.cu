// Softmax, cross entropy and what is counted beside it. Logits are N samples × classes, of
// which a rank may have some only: class is the first one's.
#include "blocksum.h"
#include "random.h"
#include "walk.h"

// Rows are the operands that all kernels of a sample have; a vector has a step from sample
// to sample.
struct Logits {
  const float* at;
  int classes, step, pitch;  // step from class to class, pitch from sample to sample
  __device__ __forceinline__ float operator()(int n, int k) const { return at[n * pitch + k * step]; }
};
#define LOGITS_PARAMS const float *logits, int classes, int logits_step, int logits_pitch
#define LOGITS \
  Logits { logits, classes, logits_step, logits_pitch }

// own returns which of the rank's classes is the label; −1 if there is no label.
DEV int own_class(int label, int first) { return label < 0 ? -1 : label - first; }

// block_max returns the maximum of all 256 threads' v to thread 0.
DEV float block_max(float v, float* scratch) {
  const int t = threadIdx.x;
  scratch[t] = v;
  for (int half = 128; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) scratch[t] = maximum(scratch[t], scratch[t + half]);
  }
  return scratch[0];
}

// top = the sample's largest logit; what is no number stays. A block for each sample.
extern "C" __global__ void __launch_bounds__(256) row_max_f32(float* top, int top_pitch, LOGITS_PARAMS) {
  __shared__ float scratch[256];
  const Logits x = LOGITS;
  const int n = blockIdx.x, t = threadIdx.x;
  float m = x(n, t < classes ? t : 0);
  for (int k = t + 256; k < classes; k += 256) m = maximum(m, x(n, k));
  m = block_max(m, scratch);
  if (t == 0) top[n * top_pitch] = m;
}

// es = Σexp(logit − top), and the label's logit − top, or 0 if the rank does not have it.
extern "C" __global__ void __launch_bounds__(256) exp_sum_f32(float* es, int es_step, int es_pitch, LOGITS_PARAMS, const int* labels, int label_pitch, const float* top, int top_pitch, int first) {
  __shared__ double scratch[256];
  const Logits x = LOGITS;
  const int n = blockIdx.x, t = threadIdx.x;
  const float m = top[n * top_pitch];
  double s = 0;
  for (int k = t; k < classes; k += 256) s += (double)expf(x(n, k) - m);
  s = block_sum(s, scratch);
  if (t > 0) return;
  const int own = own_class(labels[n * label_pitch], first);
  es[n * es_pitch] = (float)s;
  es[n * es_pitch + es_step] = own >= 0 && own < classes ? x(n, own) - m : 0;
}

// above = how many of the rank's classes come before the label: with a larger logit, or with
// an equal one and a smaller index.
extern "C" __global__ void __launch_bounds__(256) count_above_f32(float* above, int above_pitch, LOGITS_PARAMS, const int* labels, int label_pitch, const float* top, int top_pitch, const float* es,
                                                                  int es_step, int es_pitch, int first) {
  __shared__ double scratch[256];
  const Logits x = LOGITS;
  const int n = blockIdx.x, t = threadIdx.x, label = labels[n * label_pitch];
  const float m = top[n * top_pitch], own = es[n * es_pitch + es_step];
  int count = 0;
  for (int k = t; k < classes && label >= 0; k += 256) {
    const float v = x(n, k) - m;
    if (v > own || (v == own && k < label - first)) count++;
  }
  const double s = block_sum(count, scratch);
  if (t == 0) above[n * above_pitch] = (float)s;
}

// dlogits = (exp(logit − top)/Σexp − [the label])·scale with scale = seed/count; 0 without a
// label.
extern "C" __global__ void __launch_bounds__(256) loss_grad_f32(float* dlogits, int d_step, int d_pitch, LOGITS_PARAMS, const int* labels, int label_pitch, const float* top, int top_pitch,
                                                                const float* es, int es_pitch, const float* seed, int first, double count) {
  const Logits x = LOGITS;
  const int n = blockIdx.x, label = labels[n * label_pitch], own = own_class(label, first);
  const float m = top[n * top_pitch], sum = es[n * es_pitch], factor = (float)((double)*seed / count);
  for (int k = threadIdx.x; k < classes; k += 256) {
    float p = expf(x(n, k) - m) / sum;
    if (k == own && label >= 0) p -= 1;
    dlogits[n * d_pitch + k * d_step] = label < 0 ? 0 : p * factor;
  }
}

// loss = Σ(log Σexp − the label's) / count over the samples with a label, added from the first
// to the last: ranks on different devices report the same bits. One block.
extern "C" __global__ void __launch_bounds__(256) loss_f32(float* loss, int samples, const int* labels, int label_pitch, const float* es, int es_step, int es_pitch, double count) {
  __shared__ double scratch[256];
  const int t = threadIdx.x;
  double s = 0;
  for (int first = 0; first < samples; first += 256) {
    const int n = first + t;
    if (n < samples && labels[n * label_pitch] >= 0) scratch[t] = __dsub_rn(logarithm(es[n * es_pitch]), es[n * es_pitch + es_step]);
    __syncthreads();
    for (int i = 0; t == 0 && i < min(256, samples - first); i++)
      if (labels[(first + i) * label_pitch] >= 0) s = __dadd_rn(s, scratch[i]);
    __syncthreads();
  }
  if (t == 0) *loss = (float)(s / count);
}

// hits = the samples with a label before which fewer than one class comes, and fewer than
// five. One block.
extern "C" __global__ void __launch_bounds__(256) hits_f32(float* hits, int hits_pitch, int samples, const int* labels, int label_pitch, const float* above, int above_pitch) {
  __shared__ double scratch[256];
  int one = 0, five = 0;
  for (int n = threadIdx.x; n < samples; n += 256)
    if (labels[n * label_pitch] >= 0) {
      one += above[n * above_pitch] < 1;
      five += above[n * above_pitch] < 5;
    }
  const double s1 = block_sum(one, scratch);
  __syncthreads();
  const double s5 = block_sum(five, scratch);
  if (threadIdx.x == 0) {
    hits[0] = (float)s1;
    hits[hits_pitch] = (float)s5;
  }
}
