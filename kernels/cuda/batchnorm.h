// What batch normalisation's kernels share.
#pragma once
#include "channels.h"

// A channel's 1/σ.
DEV float inverse_deviation(float variance, float eps) { return 1.0f / sqrtf(variance + eps); }

// scales returns γ/σ of a run of channels.
template <int V>
DEV Run<V> scales(const Vector& variance, const Vector& gamma, unsigned c, float eps) {
  const Run<V> var = values<V>(variance, c);
  Run<V> scale = values<V>(gamma, c);
  for (int k = 0; k < V; k++) scale.v[k] *= inverse_deviation(var.v[k], eps);
  return scale;
}

// normal is what an x becomes that is so far from its mean. The mean is subtracted first:
// x·scale + shift would cancel where it is large.
DEV float normal(float x, float scale, float shift) { return fmaf(x, scale, shift); }
