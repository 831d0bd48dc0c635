package op

import (
	"fmt"
	"math"

	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// LRN is local response normalisation across channels (Krizhevsky et al. 2012, §3.3):
// x / (K + Alpha·Σx²)^Beta, summed over the N channels around each, N odd, clipped to the
// channel's tower. Towers divides the depth into equal towers; 1 is the whole depth. As
// in the paper, Alpha is not divided by N.
type LRN struct {
	N, Towers      int
	K, Alpha, Beta float64
	local
}

func (LRN) Kind() string   { return "lrn" }
func (LRN) Wrt(i int) bool { return i == 0 }

func (o LRN) Out(in []layout.Shape) (layout.Shape, error) {
	if err := o.check(o, in, 1); err != nil {
		return layout.Shape{}, err
	}
	return in[0], nil
}

// check checks the n inputs of o, which is an LRN or its gradient with l's attributes.
func (l LRN) check(o Op, in []layout.Shape, n int) error {
	s, err := alike(o, in, n)
	if err != nil {
		return err
	}
	if l.N < 1 || l.N%2 == 0 {
		return fmt.Errorf("%s: window of %d channels, want an odd number", o.Kind(), l.N)
	}
	if l.Towers < 1 || s[1]%l.Towers != 0 {
		return fmt.Errorf("%s: %d channels cannot be divided into %d towers", o.Kind(), s[1], l.Towers)
	}
	return nil
}

// window returns the channels within halo of channel c that are in its tower, of depth
// channels.
func (l LRN) window(c, halo, depth int) layout.Span {
	t := depth / l.Towers
	return layout.Span{Lo: c - halo, Hi: c + halo + 1}.And(layout.Span{Lo: c / t * t, Hi: c/t*t + t})
}

// widen returns b with its channels widened to the windows of all of them.
func (l LRN) widen(b layout.Box, halo, depth int) layout.Box {
	if b.Empty() {
		return b
	}
	return b.With(1, layout.Span{Lo: l.window(b[1].Lo, halo, depth).Lo, Hi: l.window(b[1].Hi-1, halo, depth).Hi})
}

// scale returns K + Alpha·Σx² of one element's window.
func (l LRN) scale(x Frag, n, c, h, w, depth int) float64 {
	sum := 0.0
	for s := l.window(c, l.N/2, depth); s.Lo < s.Hi; s.Lo++ {
		v := x.Data[x.At(n, s.Lo, h, w)]
		sum += v * v
	}
	return l.K + l.Alpha*sum
}

func (o LRN) Need(in []layout.Shape, w layout.Work, _ int) []layout.Box {
	return boxes(w, o.widen(w.Out, o.N/2, in[0][1]))
}

func (o LRN) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o LRN) Diff(layer string, in G.Nodes, _, grad *G.Node, _ []bool) (G.Nodes, error) {
	return one(Apply(layer, LRNGrad(o), in[0], grad))
}

func (o LRN) Run(in []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rows(w.Out, func(n, c, h int) {
		dst := y.row(n, c, h, w.Out[3])
		for i, v := range a[0].row(n, c, h, w.Out[3]) {
			dst[i] = v * math.Pow(o.scale(a[0], n, c, h, w.Out[3].Lo+i, in[0][1]), -o.Beta)
		}
	})
}

// LRNGrad is LRN's gradient: dx of x and dy. It computes the scales of the window again,
// so of x it needs the windows of the window.
type LRNGrad struct {
	N, Towers      int
	K, Alpha, Beta float64
	local
}

func (LRNGrad) Kind() string { return "lrn-grad" }

func (o LRNGrad) Out(in []layout.Shape) (layout.Shape, error) {
	if err := LRN(o).check(o, in, 2); err != nil {
		return layout.Shape{}, err
	}
	return in[0], nil
}

func (o LRNGrad) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	return boxes(w, LRN(o).widen(w.Out, o.N/2*(2-i), in[0][1]))
}

func (o LRNGrad) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o LRNGrad) Run(in []layout.Shape, w layout.Work, dx Frag, a []Frag) {
	x, dy, l, depth := a[0], a[1], LRN(o), in[0][1]
	// ratio of each channel of the window: dy·x·scale^(−Beta−1), kept for one position
	halo := l.widen(w.Out, o.N/2, depth)[1]
	ratio, scale := make([]float64, halo.Len()), make([]float64, halo.Len())
	for n := w.Out[0].Lo; n < w.Out[0].Hi; n++ {
		for h := w.Out[2].Lo; h < w.Out[2].Hi; h++ {
			for v := w.Out[3].Lo; v < w.Out[3].Hi; v++ {
				for i := range ratio {
					c := halo.Lo + i
					s := l.scale(x, n, c, h, v, depth)
					scale[i] = s
					ratio[i] = dy.Data[dy.At(n, c, h, v)] * x.Data[x.At(n, c, h, v)] * math.Pow(s, -o.Beta-1)
				}
				for c := w.Out[1].Lo; c < w.Out[1].Hi; c++ {
					sum := 0.0
					for s := l.window(c, o.N/2, depth); s.Lo < s.Hi; s.Lo++ {
						sum += ratio[s.Lo-halo.Lo]
					}
					dx.Data[dx.At(n, c, h, v)] = dy.Data[dy.At(n, c, h, v)]*math.Pow(scale[c-halo.Lo], -o.Beta) -
						2*o.Alpha*o.Beta*x.Data[x.At(n, c, h, v)]*sum
				}
			}
		}
	}
}
