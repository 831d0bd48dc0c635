//go:build gpu

package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/dustin/go-humanize"
	"gorgonia.org/cu"

	"cleave/kernels"
	"cleave/kernels/cuda/choose"
)

// Backend is a kernels.Backend on one GPU.
type Backend struct {
	choose.Sizer
	context
	index      int // of the device
	capability int // such as 86
	retained   bool
	compute    cu.Stream // kernels
	in, out    cu.Stream // copies to the device and to the host
	streams    []*cu.Stream
	modules    map[string]cu.Module   // by source file
	functions  map[string]cu.Function // by kernel
	arena      cu.DevicePtr
	size       int64 // of the arena
	transfers  []*transfer
	tables     []cu.DevicePtr // of launches
	flushed    cu.DevicePtr   // see Flush
	marks      marks
	closed     bool
}

var _ kernels.Backend = (*Backend)(nil)

var errClosed = errors.New("cuda: the backend is closed")

// enter lets the calling goroutine call the driver until leave.
func (b *Backend) enter() error {
	runtime.LockOSThread()
	return b.attach()
}

func (b *Backend) leave() { runtime.UnlockOSThread() }

// Alloc implements kernels.Backend.
func (b *Backend) Alloc(bytes int64) error {
	defer b.leave()
	switch err := b.enter(); {
	case b.closed:
		return errClosed
	case err != nil:
		return err
	case b.arena != 0:
		return errors.New("cuda: memory is allocated already")
	case bytes < 0:
		return fmt.Errorf("cuda: allocate %d bytes", bytes)
	}
	free, _, err := cu.MemInfo()
	if err != nil {
		return named(err)
	}
	arena, err := cu.MemAlloc(max(bytes, 1))
	if err != nil {
		return fmt.Errorf("%w: the plan takes %s, free on GPU %d are %s", named(err), humanize.IBytes(uint64(bytes)), b.index, humanize.IBytes(uint64(free)))
	}
	b.arena, b.size = arena, bytes
	if err := cu.MemsetD8Async(arena, 0, bytes, b.compute); err != nil {
		return named(err)
	}
	return named(b.compute.Synchronize())
}

// Memory implements kernels.Backend.
func (b *Backend) Memory() uint64 {
	total, err := b.device.TotalMem()
	if err != nil {
		return 0
	}
	return uint64(total)
}

// address returns where a region lies on the device.
func (b *Backend) address(r kernels.Region) (cu.DevicePtr, error) {
	if b.closed {
		return 0, errClosed
	}
	if r.Offset < 0 || r.Bytes < 0 || r.Offset > b.size-r.Bytes {
		return 0, fmt.Errorf("region of %d bytes at %d is not in the %d bytes allocated", r.Bytes, r.Offset, b.size)
	}
	return b.arena + cu.DevicePtr(r.Offset), nil
}

// Sync implements kernels.Backend.
func (b *Backend) Sync() error {
	defer b.leave()
	if b.closed {
		b.enter()
		return errClosed
	}
	if err := b.enter(); err != nil {
		return err
	}
	for _, s := range b.streams {
		if err := s.Synchronize(); err != nil {
			return b.lost(named(err))
		}
	}
	return nil
}

// Close implements kernels.Backend. After an error of the device nothing more is expected
// of it: the process should end.
func (b *Backend) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	defer runtime.UnlockOSThread() // of Open
	if !b.retained {
		return nil
	}
	defer b.leave()
	errs := []error{b.enter()}
	for _, s := range b.streams {
		errs = append(errs, named(s.Synchronize()))
	}
	for _, t := range b.transfers {
		errs = append(errs, t.free())
	}
	errs = append(errs, b.marks.close())
	for _, m := range b.modules {
		errs = append(errs, unload(m))
	}
	for _, s := range b.streams {
		errs = append(errs, named(s.Destroy()))
	}
	for _, t := range b.tables {
		errs = append(errs, named(cu.MemFree(t)))
	}
	if b.arena != 0 {
		errs = append(errs, named(cu.MemFree(b.arena)))
	}
	errs = append(errs, b.release())
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return fmt.Errorf("cuda: close: %w", errs[i])
	}
	return nil
}
