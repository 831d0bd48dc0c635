package cpu

import (
	"cleave/kernels"
	"cleave/layout"
)

// Sizer is the kernels.Sizer of a backend with that many threads. It knows nothing of the
// machine it runs on: its answers hold for every tier, but for Kernel's.
type Sizer struct{ Threads int }

var _ kernels.Sizer = Sizer{}

// Device implements kernels.Sizer.
func (Sizer) Device() string { return "cpu" }

// Overlaps implements kernels.Sizer: there are no copies.
func (Sizer) Overlaps() bool { return false }

// Format implements kernels.Sizer: channels are innermost in every buffer.
func (Sizer) Format(kernels.Use, kernels.DType, layout.Shape) kernels.Format { return kernels.NHWC }

// Bytes implements kernels.Sizer.
func (Sizer) Bytes(_ kernels.Format, d kernels.DType, s layout.Shape) int64 {
	return (int64(s.Volume())*d.Size() + align - 1) / align * align
}

// Contiguous implements kernels.Sizer.
func (Sizer) Contiguous(f kernels.Format, d kernels.DType, s layout.Shape, b layout.Box) (kernels.Region, bool) {
	return kernels.Contiguous(f, d, s, b)
}

// Workspace implements kernels.Sizer: the most that any tier needs. Shapes that do not fit
// together need none; Bind says what is wrong with them.
func (s Sizer) Workspace(d kernels.Desc, out layout.Shape, in []layout.Shape) int64 {
	threads := max(1, s.Threads)
	var need int64
	switch d.Code {
	case kernels.ConvForward, kernels.ConvDataGrad, kernels.ConvFilterGrad:
		if g, ok := convGeometry(d, out, in); ok {
			for _, t := range tiers {
				need = max(need, convWorkspace(d.Code, &g, t, threads))
			}
		}
	case kernels.BiasGrad, kernels.BNMean, kernels.BNVar, kernels.BNGammaGrad:
		if len(in) > 0 && in[0].Volume() > 0 {
			need = sumWorkspace(in[0])
		}
	case kernels.LRN, kernels.LRNGrad:
		if len(in) > 0 {
			local := newLRNLocal(d, in[0][1])
			need = 4 * int64(threads) * int64(local.floats())
		}
	case kernels.BNStats, kernels.BNSums:
		if len(in) > 0 && in[0].Volume() > 0 {
			need = 2 * sumWorkspace(in[0])
		}
	case kernels.SumOfSquares:
		if len(in) == 1 { // one sum for each job of a walk, which has half a grain at least
			need = 8 * int64(2*ceil(in[0].Volume(), grain)+1)
		}
	}
	return (need + align - 1) / align * align
}

// Kernel implements kernels.Sizer: for the tier that backends of this machine use, whose
// name comes first.
func (s Sizer) Kernel(d kernels.Desc, out layout.Shape, in []layout.Shape) string {
	t, err := chosen()
	if err != nil {
		return err.Error()
	}
	return t.name + " " + describe(d, out, in, t, max(1, s.Threads))
}

// convWorkspace is the scratch memory of a convolution or gradient on one tier, for
// operands that are whole buffers and for parts of larger ones.
func convWorkspace(code kernels.Code, g *geometry, t *tier, threads int) int64 {
	c := g.choose(code, t, threads)
	need := c.workspace(threads)
	if whole := g.whole(code); whole != *g {
		c = whole.choose(code, t, threads)
		need = max(need, c.workspace(threads))
	}
	return need
}

// convGeometry is the geometry of a convolution's or gradient's call; false for other codes
// and for shapes that do not fit together.
func convGeometry(d kernels.Desc, out layout.Shape, in []layout.Shape) (geometry, bool) {
	switch d.Code {
	case kernels.ConvForward, kernels.ConvDataGrad, kernels.ConvFilterGrad:
	default:
		return geometry{}, false
	}
	if len(in) < 2 {
		return geometry{}, false
	}
	x, w, y := convShapes(d, out, in)
	g, err := newGeometry(d, x, w, y)
	return g, err == nil && x.Volume() > 0 && w.Volume() > 0
}
