// What follows the sums of a forward convolution (kernels.Epilogue) beside its bias: z, which lies
// as y does, and ReLU. Batch norm is in the filters and the bias by then (bn_fold_f32).
#pragma once
#include "dev.h"

#define EPILOGUE_PARAMS const float *__restrict__ bias, int bk, int relu, const float *__restrict__ z

// followed is a sum with its bias when z, if there is one, and ReLU have followed; at is its place in y.
DEV float followed(float v, const float* z, int at, int relu) {
  if (z) v += z[at];
  return relu && !(v > 0) ? 0 : v;
}
