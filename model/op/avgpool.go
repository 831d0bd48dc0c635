package op

import (
	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// AvgPool is the mean of each window of x (N×C×H×W). A kernel of H×W is the global
// average.
type AvgPool struct {
	Pool
	pool
}

func (AvgPool) Kind() string   { return "avg-pool" }
func (AvgPool) Wrt(i int) bool { return i == 0 }

func (o AvgPool) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 1); err != nil {
		return layout.Shape{}, err
	}
	return o.check(o, in[0])
}

func (o AvgPool) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o AvgPool) Diff(layer string, in G.Nodes, _, grad *G.Node, _ []bool) (G.Nodes, error) {
	return one(Apply(layer, AvgPoolGrad{Pool: o.Pool}, in[0], grad))
}

// divisor returns what a window's sum is divided by: its elements of the input, or with
// CountPad those of the padded input.
func (p Pool) divisor(hs, ws layout.Span, padH, padW int) float64 {
	if p.CountPad {
		return float64(padH * padW)
	}
	return float64(hs.Len() * ws.Len())
}

func (o AvgPool) Run(in []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rows(w.Out, func(n, c, p int) {
		hs, padH := o.window(0, p, in[0][2])
		dst := y.row(n, c, p, w.Out[3])
		for i := range dst {
			ws, padW := o.window(1, w.Out[3].Lo+i, in[0][3])
			sum := 0.0
			for h := hs.Lo; h < hs.Hi; h++ {
				for _, v := range a[0].row(n, c, h, ws) {
					sum += v
				}
			}
			dst[i] = sum / o.divisor(hs, ws, padH, padW)
		}
	})
}

// AvgPoolGrad is AvgPool's gradient: dx of x and dy. Of x it needs only the shape.
type AvgPoolGrad struct {
	Pool
	pool
}

func (AvgPoolGrad) Kind() string { return "avg-pool-grad" }

func (o AvgPoolGrad) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 2); err != nil {
		return layout.Shape{}, err
	}
	y, err := o.check(o, in[0])
	if err != nil {
		return layout.Shape{}, err
	}
	return in[0], equal(o, in, y, 1)
}

func (o AvgPoolGrad) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 0 {
		return nil
	}
	return o.pool.Need(in, w, i)
}

func (o AvgPoolGrad) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o AvgPoolGrad) Run(in []layout.Shape, w layout.Work, dx Frag, a []Frag) {
	dx.fill(w.Out, 0)
	rows(planes(in[1], w.Out[0], w.Out[1]), func(n, c, p int) {
		hs, padH := o.window(0, p, in[0][2])
		reach := hs.And(w.Out[2])
		for q, d := range a[1].row(n, c, p, layout.Span{Lo: 0, Hi: in[1][3]}) {
			ws, padW := o.window(1, q, in[0][3])
			d /= o.divisor(hs, ws, padH, padW)
			cols := ws.And(w.Out[3])
			if cols.Len() == 0 {
				continue
			}
			for h := reach.Lo; h < reach.Hi; h++ {
				dst := dx.row(n, c, h, cols)
				for i := range dst {
					dst[i] += d
				}
			}
		}
	})
}
