// The result codes of the CUDA driver API that the emulator returns.
#pragma once

namespace cuemu {

// X(name without CUDA_ERROR_, value, text). The values are those of cuda.h.
#define CUEMU_RESULTS(X)                                                                    \
  X(INVALID_VALUE, 1, "invalid argument")                                                   \
  X(OUT_OF_MEMORY, 2, "out of memory")                                                      \
  X(NOT_INITIALIZED, 3, "initialization error")                                             \
  X(NO_DEVICE, 100, "no CUDA-capable device is detected")                                   \
  X(INVALID_DEVICE, 101, "invalid device ordinal")                                          \
  X(INVALID_CONTEXT, 201, "invalid device context")                                         \
  X(NO_BINARY_FOR_GPU, 209, "no kernel image is available for execution on the device")     \
  X(INVALID_PTX, 218, "a PTX JIT compilation failed")                                       \
  X(UNSUPPORTED_PTX_VERSION, 222, "the provided PTX was compiled with an unsupported toolchain") \
  X(INVALID_HANDLE, 400, "invalid resource handle")                                         \
  X(NOT_FOUND, 500, "named symbol not found")                                               \
  X(NOT_READY, 600, "device not ready")                                                     \
  X(ILLEGAL_ADDRESS, 700, "an illegal memory access was encountered")                       \
  X(LAUNCH_OUT_OF_RESOURCES, 701, "too many resources requested for launch")                \
  X(HOST_MEMORY_ALREADY_REGISTERED, 712, "part or all of the requested memory range is already mapped") \
  X(HOST_MEMORY_NOT_REGISTERED, 713, "pointer does not correspond to a registered memory region") \
  X(MISALIGNED_ADDRESS, 716, "misaligned address")                                          \
  X(LAUNCH_FAILED, 719, "unspecified launch failure")                                       \
  X(NOT_SUPPORTED, 801, "operation not supported")                                          \
  X(CONTEXT_IS_DESTROYED, 709, "context is destroyed")                                      \
  X(DEVICE_UNAVAILABLE, 46, "CUDA-capable device(s) is/are busy or unavailable")            \
  X(UNKNOWN, 999, "unknown error")

enum Result {
  SUCCESS = 0,
#define X(name, value, text) name = value,
  CUEMU_RESULTS(X)
#undef X
};

}  // namespace cuemu
