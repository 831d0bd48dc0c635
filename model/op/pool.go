package op

import (
	"fmt"

	"cleave/layout"
)

// Pool is how a pool's window moves, with PyTorch's meaning: with Ceil the last window
// may reach beyond the padded input, if it starts inside the input or its left padding.
type Pool struct {
	Kernel, Stride [2]int // rows, columns
	Pad            [4]int // top, bottom, left, right
	Ceil           bool   // round the output's size up
	CountPad       bool   // AvgPool: padding counts in the divisor, but nothing beyond it
}

// check returns the output's shape of a pool of x.
func (p Pool) check(o Op, x layout.Shape) (layout.Shape, error) {
	y := x
	for i := range 2 {
		k, s, lo, hi := p.Kernel[i], p.Stride[i], p.Pad[2*i], p.Pad[2*i+1]
		if k < 1 || s < 1 {
			return layout.Shape{}, fmt.Errorf("%s: kernel %v and stride %v must be at least 1", o.Kind(), p.Kernel, p.Stride)
		}
		if min(lo, hi) < 0 || max(lo, hi) >= k {
			return layout.Shape{}, fmt.Errorf("%s: padding %v must be from 0 to less than the kernel %v", o.Kind(), p.Pad, p.Kernel)
		}
		room := x[2+i] + lo + hi - k
		if p.Ceil {
			y[2+i] = floorDiv(room+s-1, s) + 1
			if (y[2+i]-1)*s >= x[2+i]+lo {
				y[2+i]--
			}
		} else {
			y[2+i] = floorDiv(room, s) + 1
		}
		if y[2+i] < 1 {
			return layout.Shape{}, fmt.Errorf("%s: input %v with padding %v is smaller than the kernel %v", o.Kind(), x, p.Pad, p.Kernel)
		}
	}
	return y, nil
}

// window returns the indices of the input, n long along axis i (0 rows, 1 columns), that
// are in window q, and how many of the padded input are.
func (p Pool) window(i, q, n int) (layout.Span, int) {
	lo := q*p.Stride[i] - p.Pad[2*i]
	hi := min(lo+p.Kernel[i], n+p.Pad[2*i+1])
	return layout.Span{Lo: max(lo, 0), Hi: min(hi, n)}, hi - lo
}

// pool holds the rules of pools and their gradients: whole planes of the same samples and
// channels.
type pool struct{ local }

func (pool) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	return boxes(w, planes(in[i], w.Out[0], w.Out[1]))
}
