//go:build gpu

package cuda

import (
	"fmt"
	"unsafe"

	"gorgonia.org/cu"

	"cleave/kernels"
)

// chunk is the bytes of one copy: large enough to reach the bus's rate, small enough that
// the network can begin soon.
const chunk = 1 << 20

// transfer is a region of the arena with pinned memory of the same size on the host.
type transfer struct {
	b      *Backend
	device cu.DevicePtr
	host   pinned
	behind cu.Event   // the kernels before it
	copied []cu.Event // each chunk, or the last one alone
}

// newTransfer prepares a transfer with so many events for its chunks.
func (b *Backend) newTransfer(r kernels.Region, events int) (*transfer, error) {
	defer b.leave()
	if err := b.enter(); err != nil {
		return nil, err
	}
	t := &transfer{b: b}
	var err error
	if t.device, err = b.address(r); err != nil {
		return nil, err
	}
	if t.host, err = pin(r.Bytes); err != nil {
		return nil, fmt.Errorf("%d bytes of pinned host memory: %w", r.Bytes, err)
	}
	b.transfers = append(b.transfers, t)
	t.copied = make([]cu.Event, events)
	for _, e := range append([]*cu.Event{&t.behind}, pointers(t.copied)...) {
		if *e, err = cu.MakeEvent(cu.DisableTiming); err != nil {
			return nil, named(err)
		}
	}
	return t, nil
}

func pointers(events []cu.Event) []*cu.Event {
	all := make([]*cu.Event, len(events))
	for i := range events {
		all[i] = &events[i]
	}
	return all
}

func (t *transfer) free() error {
	for _, e := range append([]*cu.Event{&t.behind}, pointers(t.copied)...) {
		if *e != (cu.Event{}) {
			if err := cu.DestroyEvent(e); err != nil {
				return named(err)
			}
		}
	}
	return t.host.free()
}

// follow makes a stream wait for all kernels launched so far.
func (t *transfer) follow(s cu.Stream) error {
	if err := t.behind.Record(t.b.compute); err != nil {
		return t.failed(err)
	}
	return t.failed(s.Wait(t.behind, 0))
}

// failed is what a transfer says of a driver's error.
func (t *transfer) failed(err error) error {
	if err == nil {
		return nil
	}
	return t.b.lost(named(err))
}

// Bytes returns the host's memory.
func (t *transfer) Bytes() []byte { return t.host.mem }

// part returns the address of a byte of the host's memory.
func (t *transfer) part(offset int64) unsafe.Pointer { return unsafe.Add(t.host.at, offset) }

// export is a kernels.Export.
type export struct{ *transfer }

// Export implements kernels.Backend.
func (b *Backend) Export(r kernels.Region) (kernels.Export, error) {
	t, err := b.newTransfer(r, int(max(1, (r.Bytes+chunk-1)/chunk)))
	if err != nil {
		return nil, fmt.Errorf("cuda: export: %w", err)
	}
	return export{t}, nil
}

// Start implements kernels.Export.
func (e export) Start() error {
	defer e.b.leave()
	if err := e.b.enter(); err != nil {
		return err
	}
	if err := e.follow(e.b.out); err != nil {
		return err
	}
	size := int64(len(e.host.mem))
	for i := range e.copied {
		at := int64(i) * chunk
		if n := min(chunk, size-at); n > 0 {
			if err := cu.MemcpyDtoHAsync(e.part(at), e.device+cu.DevicePtr(at), n, e.b.out); err != nil {
				return e.failed(err)
			}
		}
		if err := e.copied[i].Record(e.b.out); err != nil {
			return e.failed(err)
		}
	}
	return nil
}

// Copied implements kernels.Export.
func (e export) Copied(have int64) (int64, error) {
	defer e.b.leave()
	if err := e.b.enter(); err != nil {
		return 0, err
	}
	size := int64(len(e.host.mem))
	next := max(have, 0) / chunk // the first chunk that is not known to be there
	if have >= size && size > 0 {
		return size, nil
	}
	if have >= 0 {
		if err := e.copied[next].Synchronize(); err != nil {
			return 0, e.failed(err)
		}
		next++
	}
	for ; next < int64(len(e.copied)); next++ {
		if err := e.copied[next].Query(); err == cu.NotReady {
			break
		} else if err != nil {
			return 0, e.failed(err)
		}
	}
	return min(next*chunk, size), nil
}

// imported is a kernels.Import.
type imported struct {
	*transfer
	queued int64 // bytes whose copy is queued
}

// Import implements kernels.Backend.
func (b *Backend) Import(r kernels.Region) (kernels.Import, error) {
	t, err := b.newTransfer(r, 1)
	if err != nil {
		return nil, fmt.Errorf("cuda: import: %w", err)
	}
	return &imported{transfer: t}, nil
}

// Start implements kernels.Import.
func (i *imported) Start() error {
	defer i.b.leave()
	if err := i.b.enter(); err != nil {
		return err
	}
	if err := i.copied[0].Synchronize(); err != nil { // of the use before
		return i.failed(err)
	}
	i.queued = 0
	return i.follow(i.b.in)
}

// Filled implements kernels.Import: whole chunks are copied at once, and the rest with the
// last of them.
func (i *imported) Filled(n int64) error {
	size := int64(len(i.host.mem))
	if n < size {
		n -= n % chunk
	}
	if n <= i.queued {
		return nil
	}
	defer i.b.leave()
	if err := i.b.enter(); err != nil {
		return err
	}
	at := i.queued
	i.queued = n
	return i.failed(cu.MemcpyHtoDAsync(i.device+cu.DevicePtr(at), i.part(at), n-at, i.b.in))
}

// Finish implements kernels.Import.
func (i *imported) Finish() error {
	if err := i.Filled(int64(len(i.host.mem))); err != nil {
		return err
	}
	defer i.b.leave()
	if err := i.b.enter(); err != nil {
		return err
	}
	if err := i.copied[0].Record(i.b.in); err != nil {
		return i.failed(err)
	}
	return i.failed(i.b.compute.Wait(i.copied[0], 0))
}
