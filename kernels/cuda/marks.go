//go:build gpu

package cuda

import (
	"fmt"
	"slices"
	"sync/atomic"

	"gorgonia.org/cu"
)

// marks tell which kernel failed. A device reports an error at whatever call comes next, or
// later; so the compute stream writes the number of each call that has ended to the host's
// memory, where it can be read when nothing else of the device can.
type marks struct {
	word   pinned        // the number of the last call that has ended
	issued atomic.Uint32 // of the last call that was launched
	recent [marked]atomic.Pointer[bound]
	off    atomic.Bool // the driver cannot
}

// marked is how many of the latest calls are known: more than a step's.
const marked = 1 << 14

// bound is a kernel call as an error describes it.
type bound struct {
	kernels []string
	about   func() string
}

func (c *bound) String() string {
	last := c.kernels[len(c.kernels)-1]
	if len(c.kernels) > 1 {
		last = c.kernels[0] + " … " + last
	}
	return last + " for " + c.about()
}

func (m *marks) open() (err error) {
	m.word, err = pin(4)
	if err == nil {
		*m.value() = 0
	}
	return err
}

func (m *marks) close() error {
	if m.word.at == nil {
		return nil
	}
	return m.word.free()
}

func (m *marks) value() *uint32 { return (*uint32)(m.word.at) }

// launched records a call of which all kernels are on the stream.
func (m *marks) launched(c *bound, s cu.Stream) error {
	if m.off.Load() {
		return nil
	}
	n := m.issued.Load() + 1
	m.recent[n%marked].Store(c)
	m.issued.Store(n)
	err := writeValue(s, uint64(uintptr(m.word.at)), n)
	if e, ok := err.(*Error); ok && e.Code == notSupported {
		m.off.Store(true)
		return nil
	}
	return err
}

// unfinished returns the first call that has not ended; nil if all have, or if it is not known.
func (m *marks) unfinished() *bound {
	done, issued := atomic.LoadUint32(m.value()), m.issued.Load()
	if m.off.Load() || done == issued || issued-done >= marked {
		return nil
	}
	return m.recent[(done+1)%marked].Load()
}

// lasting are the errors that a kernel, a copy or the device itself leaves behind: every
// later call returns them. (CUDA driver API, "CUresult".)
var lasting = []int{214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999}

// launchFailed describes the error of a kernel's launch.
func (b *Backend) launchFailed(err error, kernel string, c *bound) error {
	err = named(err)
	if e, ok := err.(*Error); ok && slices.Contains(lasting, e.Code) && b.marks.unfinished() != nil {
		return b.lost(err)
	}
	return fmt.Errorf("GPU %d: %w: launch of %s for %s", b.index, err, kernel, c.about())
}

// lost describes an error that the device reports some time after its cause.
func (b *Backend) lost(err error) error {
	if c := b.marks.unfinished(); c != nil {
		return fmt.Errorf("GPU %d: %w in %v, the first call that did not end", b.index, err, c)
	}
	return fmt.Errorf("GPU %d: %w in a copy, or in a kernel before it", b.index, err)
}
