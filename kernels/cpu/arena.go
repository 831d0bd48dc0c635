package cpu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"cleave/kernels"
)

const align = 64 // bytes: a cache line, and the widest vector

// overread is how many floats behind an operand tiles may read; what they do not need of
// them is dropped.
const overread = 256

// alignedBytes returns zeroed memory that starts at a multiple of align, and behind which
// tiles may read.
func alignedBytes(n int64) ([]byte, error) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil, errors.New("cpu: needs a little-endian processor")
	}
	if n > 1<<46 {
		return nil, fmt.Errorf("cpu: %d bytes are more than a machine has", n)
	}
	raw := make([]byte, n+align+4*overread)
	hugePages(raw)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(raw))) % align
	return raw[skip : int64(skip)+n : int64(skip)+n], nil
}

// bytes returns a region's memory.
func (b *Backend) bytes(r kernels.Region) ([]byte, error) {
	if b.closed {
		return nil, errClosed
	}
	if r.Offset < 0 || r.Bytes < 0 || r.Offset > int64(len(b.mem))-r.Bytes {
		return nil, fmt.Errorf("region of %d bytes at %d is not in the %d bytes allocated", r.Bytes, r.Offset, len(b.mem))
	}
	return b.mem[r.Offset : r.Offset+r.Bytes : r.Offset+r.Bytes], nil
}

// of returns bytes as elements of four bytes; they must be aligned.
func of[T float32 | int32 | uint32](mem []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/4)
}

// words returns floats as plain words, for copies.
func words(f []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(f))), len(f))
}

// beyond returns v's buffer with what tiles may read behind it.
func (v *view) beyond() []float32 {
	return unsafe.Slice(unsafe.SliceData(v.f), len(v.f)+overread)
}

// exported and imported are an Export and an Import: device memory is host memory.
type (
	exported struct{ mem []byte }
	imported struct{ mem []byte }
)

func (exported) Start() error                  { return nil }
func (e exported) Bytes() []byte               { return e.mem }
func (e exported) Copied(int64) (int64, error) { return int64(len(e.mem)), nil }
func (imported) Start() error                  { return nil }
func (i imported) Bytes() []byte               { return i.mem }
func (imported) Filled(int64) error            { return nil }
func (imported) Finish() error                 { return nil }

// Export implements kernels.Backend; nothing is copied.
func (b *Backend) Export(r kernels.Region) (kernels.Export, error) {
	mem, err := b.bytes(r)
	if err != nil {
		return nil, fmt.Errorf("cpu: export: %w", err)
	}
	return exported{mem}, nil
}

// Import implements kernels.Backend; nothing is copied.
func (b *Backend) Import(r kernels.Region) (kernels.Import, error) {
	mem, err := b.bytes(r)
	if err != nil {
		return nil, fmt.Errorf("cpu: import: %w", err)
	}
	return imported{mem}, nil
}
