// Package choose says, without a device, how kernels/cuda computes a kernel call: which of
// its CUDA kernels are launched, with which grids, blocks, shared memory and arguments
// (Bind), and what that takes (Sizer). All of it is a pure function of the call: plans for
// GPUs are made and tested on machines that have none.
//
// A file for each kind of op chooses among its kernels; the kernels are the .cu files of
// kernels/cuda. Choices depend on shapes and on how operands lie, never on the device, so
// results are equal bit for bit on every GPU; the device only decides for which of the
// instruction sets a kernel was compiled that is loaded.
//
// Buffers hold channels innermost (kernels.NHWC), filters too: K×R×S×C.
package choose
