package cpu

import (
	"fmt"

	"cleave/kernels"
	"cleave/layout"
)

// geometry is a convolution's: x (samples × c·groups × h × w), filters (k·groups × c × r × s),
// y (samples × k·groups × oh × ow).
type geometry struct {
	samples, groups  int
	c, k             int // channels of one group
	in, out, kernel  [2]int
	stride, dilation [2]int
	before           [2]int // padding above and on the left
}

// newGeometry checks the shapes of a convolution's operands.
func newGeometry(d kernels.Desc, x, w, y layout.Shape) (geometry, error) {
	win := d.Window
	g := geometry{
		samples: x[0], groups: max(1, d.Groups), c: w[1], in: [2]int{x[2], x[3]}, out: [2]int{y[2], y[3]}, kernel: [2]int{w[2], w[3]},
		stride: win.Stride, before: [2]int{win.Pad[0], win.Pad[2]},
	}
	if g.groups > w[0] || w[0]%g.groups != 0 || x[1] != g.groups*g.c || y[1] != w[0] || y[0] != x[0] || win.Kernel != g.kernel {
		return g, fmt.Errorf("convolution of %v with filters %v (window %v) in %d groups to %v: shapes do not match", x, w, win.Kernel, d.Groups, y)
	}
	g.k = w[0] / g.groups
	for a := range 2 {
		g.dilation[a] = max(1, win.Dilation[a])
		if g.stride[a] < 1 || win.Dilation[a] < 0 || min(win.Pad[2*a], win.Pad[2*a+1]) < 0 {
			return g, fmt.Errorf("convolution with stride %v, dilation %v, padding %v", win.Stride, win.Dilation, win.Pad)
		}
		span := g.in[a] + win.Pad[2*a] + win.Pad[2*a+1] - g.dilation[a]*(g.kernel[a]-1) - 1
		if span < 0 || g.out[a] != span/g.stride[a]+1 {
			return g, fmt.Errorf("convolution of %v with window %+v cannot give %v", x, win, y)
		}
	}
	return g, nil
}

// linear reports whether there is one position only: a matrix product over the batch.
func (g *geometry) linear() bool {
	one := [2]int{1, 1}
	return g.in == one && g.out == one && g.kernel == one && g.before == [2]int{}
}

// pointwise reports whether each position takes the one at its place: 1×1 filters, no stride.
func (g *geometry) pointwise() bool {
	one := [2]int{1, 1}
	return g.kernel == one && g.stride == one && g.before == [2]int{} && g.in == g.out
}

// convShapes returns the shapes of x, w and y among a call's.
func convShapes(d kernels.Desc, out layout.Shape, in []layout.Shape) (x, w, y layout.Shape) {
	switch d.Code {
	case kernels.ConvForward:
		return in[0], in[1], out
	case kernels.ConvDataGrad:
		return out, in[1], in[0]
	}
	return in[0], out, in[1]
}
