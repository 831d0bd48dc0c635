//go:build gpu

package cuda

/*
#include <cuda.h>

// Which context a thread has as its current one, so that it is set once. A context that was
// freed and made anew has its address again but another number.
static __thread unsigned long long attached;

static CUresult attach(CUcontext c, unsigned long long number) {
	if (attached == number) return CUDA_SUCCESS;
	CUresult r = cuCtxSetCurrent(c);
	attached = r == CUDA_SUCCESS ? number : 0;
	return r;
}

static CUresult pin(void **p, size_t n) { return cuMemHostAlloc(p, n, CU_MEMHOSTALLOC_PORTABLE); }

// The write need not wait until the host could see what kernels before it wrote.
static CUresult write_value(CUstream s, CUdeviceptr at, unsigned v) {
	return cuStreamWriteValue32(s, at, v, CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER);
}

static const char *name(CUresult r) {
	const char *s = 0;
	return cuGetErrorName(r, &s) == CUDA_SUCCESS ? s : 0;
}

#include <cleave_cuda.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"

	"gorgonia.org/cu"
)

// What cu lacks. Handles cross as bits: both packages know them as pointers.
var (
	_ [unsafe.Sizeof(C.CUcontext(nil))]struct{} = [unsafe.Sizeof(cu.CUContext{})]struct{}{}
	_ [unsafe.Sizeof(C.CUmodule(nil))]struct{}  = [unsafe.Sizeof(cu.Module{})]struct{}{}
	_ [unsafe.Sizeof(C.CUstream(nil))]struct{}  = [unsafe.Sizeof(cu.Stream{})]struct{}{}
)

// context is a device's primary context, retained.
type context struct {
	device cu.Device
	ctx    cu.CUContext
	number uint64 // in this process, from 1 on
}

var contexts atomic.Uint64

func retain(d cu.Device) (context, error) {
	ctx, err := d.RetainPrimaryCtx()
	return context{d, ctx, contexts.Add(1)}, named(err)
}

// attach makes c the calling thread's current context.
func (c context) attach() error {
	return status(C.attach(*(*C.CUcontext)(unsafe.Pointer(&c.ctx)), C.ulonglong(c.number)))
}

// release leaves no current context on the calling thread.
func (c context) release() error {
	return errors.Join(context{}.attach(), named(c.device.ReleasePrimaryCtx()))
}

func unload(m cu.Module) error {
	return status(C.cuModuleUnload(*(*C.CUmodule)(unsafe.Pointer(&m))))
}

const notSupported = C.CUDA_ERROR_NOT_SUPPORTED

// writeValue has a stream write a word once all before it is done.
func writeValue(s cu.Stream, at uint64, v uint32) error {
	return status(C.write_value(*(*C.CUstream)(unsafe.Pointer(&s)), C.CUdeviceptr(at), C.uint(v)))
}

// pinned is host memory that the device copies to and from while the processor does other
// things.
type pinned struct {
	at  unsafe.Pointer
	mem []byte
}

func pin(bytes int64) (pinned, error) {
	var at unsafe.Pointer
	if err := status(C.pin(&at, C.size_t(max(bytes, 1)))); err != nil {
		return pinned{}, err
	}
	return pinned{at, unsafe.Slice((*byte)(at), bytes)}, nil
}

func (p pinned) free() error { return named(cu.MemFreeHost(p.at)) }

// loadError says why there is no driver; empty if there is one.
func loadError() string {
	if C.cleave_cuda_load_error == nil {
		return ""
	}
	return C.GoString(C.cleave_cuda_load_error)
}

// Error is a CUDA driver's error.
type Error struct {
	Code int
	Name string // such as CUDA_ERROR_OUT_OF_MEMORY
}

func (e *Error) Error() string { return e.Name }

func status(r C.CUresult) error {
	if r == C.CUDA_SUCCESS {
		return nil
	}
	e := &Error{Code: int(r), Name: fmt.Sprintf("CUDA error %d", int(r))}
	if s := C.name(r); s != nil {
		e.Name = C.GoString(s)
	}
	return e
}

// named gives an error of cu the driver's name.
func named(err error) error {
	if v := reflect.ValueOf(err); err != nil && v.CanInt() {
		return status(C.CUresult(v.Int()))
	}
	return err
}
