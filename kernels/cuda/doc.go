// Package cuda runs kernels on one NVIDIA GPU, through gorgonia.org/cu.
//
// Its kernels are the .cu files of this folder, compiled to PTX by scripts/gen.sh and
// embedded; package choose says which of them a call launches. Work is queued on three
// streams: kernels on one, copies to the host and from it on two others, ordered by events.
// Nothing is allocated after Backend.Alloc and the bindings.
//
// The runtime is behind the build tag gpu, which needs cgo and cuda.h; scripts/build-gpu.sh
// finds or fetches all that and builds the worker. Such a binary also runs where there is no
// driver: Open then says so. Without the tag Open says that this build has no CUDA.
package cuda
