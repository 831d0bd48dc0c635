package cpu

import (
	"cleave/kernels"
	"cleave/layout"
)

// Sizer is the kernels.Sizer of a backend with that many threads. It knows nothing of the
// machine it runs on: its answers hold for every tier.
type Sizer struct{ Threads int }

var _ kernels.Sizer = Sizer{}

// Device implements kernels.Sizer.
func (Sizer) Device() string { return "cpu" }

// Format implements kernels.Sizer: all buffers are row-major.
func (Sizer) Format(kernels.Use, kernels.DType, layout.Shape) kernels.Format { return kernels.NCHW }

// Bytes implements kernels.Sizer.
func (Sizer) Bytes(_ kernels.Format, d kernels.DType, s layout.Shape) int64 {
	return (int64(s.Volume())*d.Size() + align - 1) / align * align
}

// Contiguous implements kernels.Sizer.
func (Sizer) Contiguous(f kernels.Format, d kernels.DType, s layout.Shape, b layout.Box) (kernels.Region, bool) {
	order := [4]int{0, 1, 2, 3} // axes from the outermost in
	if f == kernels.NHWC {
		order = [4]int{0, 2, 3, 1}
	}
	if b.Empty() || !s.Box().Holds(b) {
		return kernels.Region{}, false
	}
	// In one range: one index of each outer axis, then any span of one axis, then all.
	first, inner, open := 0, 1, true
	for i := 3; i >= 0; i-- {
		a := order[i]
		if !open && b[a].Len() != 1 {
			return kernels.Region{}, false
		}
		if b[a].Len() != s[a] {
			open = false
		}
		first += b[a].Lo * inner
		inner *= s[a]
	}
	return kernels.Region{Offset: int64(first) * d.Size(), Bytes: int64(b.Volume()) * d.Size()}, true
}

// Workspace implements kernels.Sizer: the most that any tier needs. Shapes that do not fit
// together need none; Bind says what is wrong with them.
func (s Sizer) Workspace(d kernels.Desc, out layout.Shape, in []layout.Shape) int64 {
	threads := max(1, s.Threads)
	var need int64
	switch d.Code {
	case kernels.ConvForward, kernels.ConvDataGrad, kernels.ConvFilterGrad:
		if len(in) < 2 {
			return 0
		}
		x, w, y := convShapes(d, out, in)
		g, err := newGeometry(d, x, w, y)
		if err != nil {
			return 0
		}
		for _, t := range tiers {
			need = max(need, convWorkspace(d.Code, &g, t, threads))
		}
	case kernels.LRNGrad:
		if len(in) == 2 {
			need = 4 * int64(threads) * int64(lrnScratch(in[0][1]))
		}
	case kernels.MaxPool:
		if len(in) == 1 {
			need = 4 * int64(threads) * int64(max(0, poolScratch(d.Window, out[3])))
		}
	case kernels.MaxPoolGrad:
		if len(in) == 3 && min(d.Window.Stride[1], d.Window.Kernel[1]) > 0 && d.Window.Pad[2] >= 0 {
			need = 4 * int64(threads) * int64(newPoolLines(d.Window, in[0][2], in[0][3], in[1][3]).floats())
		}
	case kernels.SumOfSquares:
		if len(in) == 1 { // one sum for each job of a walk, which has half a grain at least
			need = 8 * int64(2*ceil(in[0].Volume(), grain)+1)
		}
	}
	return (need + align - 1) / align * align
}

// convWorkspace is the scratch memory of a convolution or gradient on one tier, for
// operands that are whole buffers and for parts of larger ones.
func convWorkspace(code kernels.Code, g *geometry, t *tier, threads int) int64 {
	sized := func(p *product) int64 {
		p.block(t, threads)
		return p.workspace(threads)
	}
	either := func(make func() *product) int64 {
		flat := make()
		flat.flatten()
		return max(sized(make()), sized(flat))
	}
	switch {
	case code == kernels.ConvForward && g.linear():
		return newLinear(g, t, threads).workspace(threads)
	case code == kernels.ConvForward:
		return either(g.forward)
	case code == kernels.ConvDataGrad && g.linear():
		return sized(g.linearDataGrad())
	case code == kernels.ConvDataGrad:
		return either(g.dataGrad)
	case g.linear():
		return sized(g.linearFilterGrad())
	}
	return newFilterGrad(g, t, threads).workspace(threads)
}
