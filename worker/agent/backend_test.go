package agent

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"cleave/kernels"
	"cleave/layout"
)

// fakeBackend knows fill_const, sum and copy of vectors, and shows its arena to seen
// before each launch.
type fakeBackend struct {
	arena []byte
	seen  func(code kernels.Code, arena []byte)

	mu     sync.Mutex
	closed bool
}

func (b *fakeBackend) Overlaps() bool { return false }

func (b *fakeBackend) Device() string { return "fake" }

func (b *fakeBackend) Format(kernels.Use, kernels.DType, layout.Shape) kernels.Format {
	return kernels.NCHW
}

func (b *fakeBackend) Bytes(_ kernels.Format, d kernels.DType, s layout.Shape) int64 {
	return int64(s.Volume()) * d.Size()
}

func (b *fakeBackend) Contiguous(kernels.Format, kernels.DType, layout.Shape, layout.Box) (kernels.Region, bool) {
	return kernels.Region{}, false
}

func (b *fakeBackend) Workspace(kernels.Desc, layout.Shape, []layout.Shape) int64 { return 0 }
func (b *fakeBackend) Seconds(kernels.Desc, layout.Shape, []layout.Shape) float64 { return 0 }
func (b *fakeBackend) Kernel(kernels.Desc, layout.Shape, []layout.Shape) string   { return "" }

func (b *fakeBackend) Memory() uint64 { return 0 }

func (b *fakeBackend) Alloc(n int64) error {
	b.arena = make([]byte, n)
	return nil
}

func (b *fakeBackend) Bind(d kernels.Desc, out kernels.Operand, in []kernels.Operand, _ kernels.Region) (kernels.Launch, error) {
	at := func(o kernels.Operand, i int) []byte { return b.arena[o.Region.Offset+4*int64(i):] }
	switch d.Code {
	case kernels.FillConst, kernels.Sum:
	default:
		return nil, fmt.Errorf("the fake backend has no %v", d.Code)
	}
	return func() error {
		if b.seen != nil {
			b.seen(d.Code, b.arena)
		}
		for i := range out.Shape.Volume() {
			v := float32(d.Value)
			for _, o := range in {
				v += math.Float32frombits(binary.NativeEndian.Uint32(at(o, i)))
			}
			binary.NativeEndian.PutUint32(at(out, i), math.Float32bits(v))
		}
		return nil
	}, nil
}

func (b *fakeBackend) Export(r kernels.Region) (kernels.Export, error) {
	return memory(b.arena[r.Offset : r.Offset+r.Bytes]), nil
}

func (b *fakeBackend) Import(r kernels.Region) (kernels.Import, error) {
	return host(b.arena[r.Offset : r.Offset+r.Bytes]), nil
}

func (b *fakeBackend) Sync() error { return nil }

func (b *fakeBackend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

type memory []byte

func (m memory) Start() error                { return nil }
func (m memory) Bytes() []byte               { return m }
func (m memory) Copied(int64) (int64, error) { return int64(len(m)), nil }

type host []byte

func (h host) Bytes() []byte    { return h }
func (host) Start() error       { return nil }
func (host) Filled(int64) error { return nil }
func (host) Finish() error      { return nil }
