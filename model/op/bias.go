package op

import (
	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// Bias adds b (C) to each channel of x (N×C×H×W).
type Bias struct{ local }

func (Bias) Kind() string   { return "bias" }
func (Bias) InPlace() []int { return []int{0} }
func (Bias) Wrt(i int) bool { return i < 2 }

func (o Bias) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 2); err != nil {
		return layout.Shape{}, err
	}
	return in[0], equal(o, in, layout.Shape{in[0][1], 1, 1, 1}, 1)
}

func (Bias) Need(_ []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 0 {
		return boxes(w, w.Out)
	}
	return boxes(w, vector(w.Out[1]))
}

func (o Bias) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (Bias) Diff(layer string, _ G.Nodes, _, grad *G.Node, need []bool) (G.Nodes, error) {
	out := G.Nodes{grad, nil}
	if !need[0] {
		out[0] = nil
	}
	if need[1] {
		var err error
		if out[1], err = Apply(layer, BiasGrad{}, grad); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (Bias) Run(_ []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rows(w.Out, func(n, c, h int) {
		b, src := a[1].vec(c), a[0].row(n, c, h, w.Out[3])
		for i, v := range src {
			y.row(n, c, h, w.Out[3])[i] = v + b
		}
	})
}

// BiasGrad sums dy (N×C×H×W) over samples and positions to db (C). It is also the
// gradient of batch norm's beta.
type BiasGrad struct{ batchSum }

func (BiasGrad) Kind() string { return "bias-grad" }

func (o BiasGrad) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 1); err != nil {
		return layout.Shape{}, err
	}
	return layout.Shape{in[0][1], 1, 1, 1}, nil
}

func (BiasGrad) Reduction(in []layout.Shape) Reduction {
	return Reduction{In: 0, Axis: 0, Per: in[0][0]}
}

func (BiasGrad) Need(in []layout.Shape, w layout.Work, _ int) []layout.Box {
	return boxes(w, planes(in[0], w.Red, w.Out[0]))
}

func (o BiasGrad) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (BiasGrad) Run(in []layout.Shape, w layout.Work, db Frag, a []Frag) {
	db.fill(w.Out, 0)
	cols := layout.Span{Lo: 0, Hi: in[0][3]}
	rows(planes(in[0], w.Red, w.Out[0]), func(n, c, h int) {
		sum := 0.0
		for _, v := range a[0].row(n, c, h, cols) {
			sum += v
		}
		db.Data[db.At(c, 0, 0, 0)] += sum
	})
}
