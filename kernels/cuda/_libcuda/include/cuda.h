// Stands before the CUDA toolkit's cuda.h on the include path. CUDA 13 renamed functions
// that gorgonia.org/cu calls, five of them to versions with other parameters. The driver
// still has those of CUDA 12, and only they are in every driver since version 530: a
// program built with the headers of CUDA 13 calls these too.
#include_next <cuda.h>

#if !defined(CLEAVE_CUDA_12_CALLS) && CUDA_VERSION >= 13000
#define CLEAVE_CUDA_12_CALLS

#undef cuCtxCreate
#define cuCtxCreate cuCtxCreate_v2
CUresult CUDAAPI cuCtxCreate(CUcontext *context, unsigned int flags, CUdevice device);

#undef cuMemAdvise
CUresult CUDAAPI cuMemAdvise(CUdeviceptr at, size_t bytes, CUmem_advise advice, CUdevice device);

#undef cuMemPrefetchAsync
CUresult CUDAAPI cuMemPrefetchAsync(CUdeviceptr at, size_t bytes, CUdevice device, CUstream stream);

#undef cuGraphAddDependencies
CUresult CUDAAPI cuGraphAddDependencies(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to, size_t n);

#undef cuGraphGetEdges
CUresult CUDAAPI cuGraphGetEdges(CUgraph graph, CUgraphNode *from, CUgraphNode *to, size_t *n);

#undef cuEventElapsedTime
CUresult CUDAAPI cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end);

#endif
