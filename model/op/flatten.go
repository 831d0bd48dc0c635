package op

import (
	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// Flatten turns x (N×C×H×W) into N×F, F in the order channels, rows, columns.
type Flatten struct{ local }

func (Flatten) Kind() string   { return "flatten" }
func (Flatten) Dims([]int) int { return 2 }
func (Flatten) Wrt(i int) bool { return i == 0 }

func (o Flatten) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 1); err != nil {
		return layout.Shape{}, err
	}
	return flat(in[0]), nil
}

func flat(x layout.Shape) layout.Shape { return layout.Shape{x[0], x[1] * x[2] * x[3], 1, 1} }

// Need returns the channels that hold the features, whole.
func (Flatten) Need(in []layout.Shape, w layout.Work, _ int) []layout.Box {
	hw := in[0][2] * in[0][3]
	return boxes(w, planes(in[0], w.Out[0], layout.Span{Lo: w.Out[1].Lo / hw, Hi: ceilDiv(w.Out[1].Hi, hw)}))
}

func (o Flatten) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (Flatten) Diff(layer string, in G.Nodes, _, grad *G.Node, _ []bool) (G.Nodes, error) {
	return one(Apply(layer, Unflatten{}, in[0], grad))
}

func (Flatten) Run(in []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rw := in[0][3]
	hw := in[0][2] * rw
	rows(w.Out, func(n, f, _ int) {
		y.Data[y.At(n, f, 0, 0)] = a[0].Data[a[0].At(n, f/hw, f%hw/rw, f%rw)]
	})
}

// Unflatten is Flatten's gradient: dy (N×F) in the shape of x, of x and dy. Of x it needs
// only the shape.
type Unflatten struct{ local }

func (Unflatten) Kind() string { return "unflatten" }

func (o Unflatten) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 2); err != nil {
		return layout.Shape{}, err
	}
	return in[0], equal(o, in, flat(in[0]), 1)
}

func (Unflatten) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 0 {
		return nil
	}
	hw := in[0][2] * in[0][3]
	return boxes(w, planes(in[1], w.Out[0], layout.Span{Lo: w.Out[1].Lo * hw, Hi: w.Out[1].Hi * hw}))
}

func (o Unflatten) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (Unflatten) Run(in []layout.Shape, w layout.Work, x Frag, a []Frag) {
	rows(w.Out, func(n, c, h int) {
		dst := x.row(n, c, h, w.Out[3])
		for i := range dst {
			dst[i] = a[1].Data[a[1].At(n, (c*in[0][2]+h)*in[0][3]+w.Out[3].Lo+i, 0, 0)]
		}
	})
}
