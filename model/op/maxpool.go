package op

import (
	"math"

	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// MaxPool is the maximum of each window of x (N×C×H×W); padding never wins.
type MaxPool struct {
	Pool
	pool
}

func (MaxPool) Kind() string   { return "max-pool" }
func (MaxPool) Wrt(i int) bool { return i == 0 }

func (o MaxPool) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 1); err != nil {
		return layout.Shape{}, err
	}
	return o.check(o, in[0])
}

func (o MaxPool) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o MaxPool) Diff(layer string, in G.Nodes, out, grad *G.Node, _ []bool) (G.Nodes, error) {
	return one(Apply(layer, MaxPoolGrad{Pool: o.Pool}, in[0], out, grad))
}

func (o MaxPool) Run(in []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rows(w.Out, func(n, c, p int) {
		hs, _ := o.window(0, p, in[0][2])
		dst := y.row(n, c, p, w.Out[3])
		for i := range dst {
			ws, _ := o.window(1, w.Out[3].Lo+i, in[0][3])
			m := math.Inf(-1)
			for h := hs.Lo; h < hs.Hi; h++ {
				for _, v := range a[0].row(n, c, h, ws) {
					m = max(m, v)
				}
			}
			dst[i] = m
		}
	})
}

// MaxPoolGrad is MaxPool's gradient: dx of x, y and dy. Each window's dy goes to its
// first maximum in order of rows.
type MaxPoolGrad struct {
	Pool
	pool
}

func (MaxPoolGrad) Kind() string { return "max-pool-grad" }

func (o MaxPoolGrad) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 3); err != nil {
		return layout.Shape{}, err
	}
	y, err := o.check(o, in[0])
	if err != nil {
		return layout.Shape{}, err
	}
	return in[0], equal(o, in, y, 1, 2)
}

func (o MaxPoolGrad) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o MaxPoolGrad) Run(in []layout.Shape, w layout.Work, dx Frag, a []Frag) {
	x, y, dy := a[0], a[1], a[2]
	dx.fill(w.Out, 0)
	rows(planes(in[2], w.Out[0], w.Out[1]), func(n, c, p int) {
		hs, _ := o.window(0, p, in[0][2])
		for q := range in[2][3] {
			ws, _ := o.window(1, q, in[0][3])
			h, v, ok := first(x, n, c, hs, ws, y.Data[y.At(n, c, p, q)])
			if ok && w.Out[2].Lo <= h && h < w.Out[2].Hi && w.Out[3].Lo <= v && v < w.Out[3].Hi {
				dx.Data[dx.At(n, c, h, v)] += dy.Data[dy.At(n, c, p, q)]
			}
		}
	})
}

// first finds the first element of a window that equals m.
func first(x Frag, n, c int, hs, ws layout.Span, m float64) (h, w int, ok bool) {
	for h := hs.Lo; h < hs.Hi; h++ {
		for i, v := range x.row(n, c, h, ws) {
			if v == m {
				return h, ws.Lo + i, true
			}
		}
	}
	return 0, 0, false
}
