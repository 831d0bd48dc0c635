package engine

import (
	"encoding/binary"
	"fmt"
	"math"

	"cleave/kernels"
	"cleave/layout"
)

// toy is a backend of four element-wise kernels on whole buffers, for what a real one
// cannot show: kernels that fail or panic, an arena that is refused, formats that differ.
type toy struct {
	arena    []byte
	limit    int64 // of the arena
	launches int
	fail     error // of the next launch
	panics   bool  // Bind panics
}

func (t *toy) Overlaps() bool { return false }

func (t *toy) Device() string { return "toy" }

func (t *toy) Format(kernels.Use, kernels.DType, layout.Shape) kernels.Format { return kernels.NCHW }

func (t *toy) Bytes(_ kernels.Format, d kernels.DType, s layout.Shape) int64 {
	return int64(s.Volume()) * d.Size()
}

func (t *toy) Contiguous(kernels.Format, kernels.DType, layout.Shape, layout.Box) (kernels.Region, bool) {
	return kernels.Region{}, false
}

func (t *toy) Workspace(d kernels.Desc, _ layout.Shape, _ []layout.Shape) int64 {
	if d.Code == kernels.Sum {
		return 4
	}
	return 0
}

func (t *toy) Seconds(kernels.Desc, layout.Shape, []layout.Shape) float64 { return 0 }
func (t *toy) Kernel(kernels.Desc, layout.Shape, []layout.Shape) string   { return "" }

func (t *toy) Memory() uint64 { return 0 }

func (t *toy) Alloc(bytes int64) error {
	if bytes > t.limit {
		return fmt.Errorf("the device has %d bytes", t.limit)
	}
	t.arena = make([]byte, bytes)
	return nil
}

func (t *toy) floats(o kernels.Operand) toyFloats {
	return toyFloats(t.arena[o.Region.Offset : o.Region.Offset+4*int64(o.Shape.Volume())])
}

type toyFloats []byte

func (f toyFloats) get(i int) float32 {
	return math.Float32frombits(binary.NativeEndian.Uint32(f[4*i:]))
}

func (f toyFloats) set(i int, v float32) {
	binary.NativeEndian.PutUint32(f[4*i:], math.Float32bits(v))
}

func (t *toy) Bind(d kernels.Desc, out kernels.Operand, in []kernels.Operand, _ kernels.Region) (kernels.Launch, error) {
	if t.panics {
		panic("toy: index out of range")
	}
	for _, o := range append([]kernels.Operand{out}, in...) {
		if o.Box != o.Shape.Box() || o.DType != kernels.F32 || o.Shape != out.Shape {
			return nil, fmt.Errorf("toy: operand %v of %v", o.Box, o.Shape)
		}
	}
	y := t.floats(out)
	n := out.Shape.Volume()
	var do func()
	switch d.Code {
	case kernels.FillConst:
		do = func() {
			for i := range n {
				y.set(i, float32(d.Value))
			}
		}
	case kernels.Copy:
		x := t.floats(in[0])
		do = func() { copy(y, x) }
	case kernels.Sum, kernels.Add:
		var xs []toyFloats
		for _, o := range in {
			xs = append(xs, t.floats(o))
		}
		do = func() {
			for i := range n {
				var v float32
				for _, x := range xs {
					v += x.get(i)
				}
				y.set(i, v)
			}
		}
	default:
		return nil, fmt.Errorf("toy: no kernel %v", d.Code)
	}
	return func() error {
		t.launches++
		if err := t.fail; err != nil {
			t.fail = nil
			return err
		}
		do()
		return nil
	}, nil
}

func (t *toy) Export(r kernels.Region) (kernels.Export, error) {
	return toyCopy(t.arena[r.Offset : r.Offset+r.Bytes]), nil
}

func (t *toy) Import(r kernels.Region) (kernels.Import, error) {
	return toyImport(t.arena[r.Offset : r.Offset+r.Bytes]), nil
}

func (t *toy) Sync() error  { return nil }
func (t *toy) Close() error { return nil }

type toyCopy []byte

func (c toyCopy) Start() error                { return nil }
func (c toyCopy) Bytes() []byte               { return c }
func (c toyCopy) Copied(int64) (int64, error) { return int64(len(c)), nil }

type toyImport []byte

func (c toyImport) Bytes() []byte    { return c }
func (toyImport) Start() error       { return nil }
func (toyImport) Filled(int64) error { return nil }
func (toyImport) Finish() error      { return nil }
