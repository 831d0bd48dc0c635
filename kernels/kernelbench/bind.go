package kernelbench

import (
	"fmt"

	"cleave/kernels"
	"cleave/layout"
)

const align = 64 // bytes, of every buffer's start

// Bind allocates the buffers of a layer's pass on a fresh backend, in the formats that it
// wants, fills the inputs with random numbers and returns the pass, ready to run. The
// caller closes the backend.
func Bind(b kernels.Backend, l Layer, p Pass) (kernels.Launch, error) {
	d, shape, shapes, err := l.Call(p)
	if err != nil {
		return nil, err
	}
	var place arena
	out := place.put(b, uses[p][0], shape)
	in := make([]kernels.Operand, len(shapes))
	for i, s := range shapes {
		in[i] = place.put(b, uses[p][1+i], s)
	}
	ws := place.take(b.Workspace(d, shape, shapes))

	fill := kernels.Desc{Code: kernels.FillNormal, Std: 1}
	scratch := make([]kernels.Region, len(in))
	for i, o := range in {
		scratch[i] = place.take(b.Workspace(fill, o.Shape, nil))
	}
	if err := b.Alloc(place.end); err != nil {
		return nil, fmt.Errorf("%s: %w", l.Name, err)
	}
	for i, o := range in {
		fill.Random = kernels.Random{Key: uint64(i + 1), Global: o.Shape}
		f, err := b.Bind(fill, o, nil, scratch[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.Name, err)
		}
		if err := f(); err != nil {
			return nil, fmt.Errorf("%s: fill: %w", l.Name, err)
		}
	}
	launch, err := b.Bind(d, out, in, ws)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Name, err)
	}
	return launch, b.Sync()
}

// arena gives out places behind one another.
type arena struct{ end int64 }

func (a *arena) take(bytes int64) kernels.Region {
	r := kernels.Region{Offset: a.end, Bytes: bytes}
	a.end += (bytes + align - 1) / align * align
	return r
}

func (a *arena) put(b kernels.Sizer, u kernels.Use, s layout.Shape) kernels.Operand {
	f := b.Format(u, kernels.F32, s)
	return kernels.Operand{
		Region: a.take(b.Bytes(f, kernels.F32, s)),
		DType:  kernels.F32, Format: f, Shape: s, Box: s.Box(),
	}
}
