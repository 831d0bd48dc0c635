// What the stand-in for libcuda (../forward.c) says of the driver.
#ifndef CLEAVE_CUDA_H
#define CLEAVE_CUDA_H

// cleave_cuda_load_error says in one line why there are no devices: no libcuda.so.1 was
// found, or its cuInit failed. Null when the driver has started. Read it after cuInit.
extern const char *cleave_cuda_load_error;

// cleave_cuda_missing names the function called last that the driver does not have (such a
// call returns CUDA_ERROR_NOT_FOUND). Null if there was none.
extern const char *cleave_cuda_missing;

#endif
