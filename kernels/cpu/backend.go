// Package cpu runs kernels on the host's processors.
//
// In every buffer channels are innermost (kernels.NHWC), in filters too: K×R×S×C, so a
// vector is channels of one pixel. Copies also read and write kernels.NCHW, and images may
// lie in either order. Convolutions sum in registers over packed filters and a padded copy
// of a few rows of the input (conv.go); linear layers read their operands where they are.
// The inner loops are assembly where the processor has AVX2 or AVX-512 and plain Go elsewhere (see
// Tier). Work is divided over threads such that each element is computed by one thread in
// one fixed order: results do not depend on the number of threads and repeat bit for bit.
package cpu

import (
	"errors"
	"fmt"
	"runtime"

	"cleave/kernels"

	"github.com/dustin/go-humanize"
)

// Backend is a kernels.Backend on a pool of threads. Memory is little-endian, as the wire
// is, so exports and imports are the arena's own bytes.
type Backend struct {
	Sizer
	tier    *tier
	tierErr error
	pool    *pool
	mem     []byte
	closed  bool
}

var _ kernels.Backend = (*Backend)(nil)

// New returns a backend of that many threads, the caller's own among them; fewer than one
// means one per processor. An unusable CLEAVE_CPU (see Check) is reported by Alloc.
func New(threads int) *Backend {
	if threads < 1 {
		threads = runtime.GOMAXPROCS(0)
	}
	t, err := chosen()
	return newBackend(threads, t, err)
}

func newBackend(threads int, t *tier, err error) *Backend {
	return &Backend{Sizer: Sizer{Threads: threads}, tier: t, tierErr: err, pool: newPool(threads)}
}

// Check reports whether the backend can be used on this machine: the tier that the
// environment variable CLEAVE_CPU asks for (generic, avx2 or avx512) must be there.
func Check() error {
	_, err := chosen()
	return err
}

// Open is New behind Check.
func Open(threads int) (kernels.Backend, error) {
	if err := Check(); err != nil {
		return nil, err
	}
	return New(threads), nil
}

// List describes the processors in one line.
func List() ([]string, error) {
	if err := Check(); err != nil {
		return nil, err
	}
	line := fmt.Sprintf("cpu  %d threads  %s", runtime.NumCPU(), Tier())
	if m := (*Backend)(nil).Memory(); m > 0 {
		line += "  " + humanize.IBytes(m) + " of memory"
	}
	return []string{line}, nil
}

// Alloc implements kernels.Backend.
func (b *Backend) Alloc(bytes int64) error {
	switch {
	case b.tierErr != nil:
		return b.tierErr
	case b.closed:
		return errClosed
	case b.mem != nil:
		return errors.New("cpu: memory is allocated already")
	case bytes < 0:
		return fmt.Errorf("cpu: allocate %d bytes", bytes)
	}
	mem, err := alignedBytes(bytes)
	if err != nil {
		return err
	}
	b.mem = mem
	return nil
}

// Sync implements kernels.Backend. A launch returns when its work is done, so there is
// nothing to wait for.
func (b *Backend) Sync() error { return nil }

// Close implements kernels.Backend. It ends the threads and waits for them.
func (b *Backend) Close() error {
	if !b.closed {
		b.closed = true
		b.pool.close()
		b.mem = nil
	}
	return nil
}

var errClosed = errors.New("cpu: the backend is closed")
