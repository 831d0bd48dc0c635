package op

import (
	"math"

	"cleave/layout"
)

// BNGammaGrad is batch norm's gradient with respect to gamma (C): Σ dy·(x−mean)/√(var+Eps)
// of x, mean, var, dy.
type BNGammaGrad struct {
	Eps float64
	batchSum
}

func (BNGammaGrad) Kind() string { return "bn-gamma-grad" }

func (BNGammaGrad) Like() int { return 1 }

func (o BNGammaGrad) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 4); err != nil {
		return layout.Shape{}, err
	}
	if err := perChannel(o, in, in[0], 1, 2); err != nil {
		return layout.Shape{}, err
	}
	return in[1], equal(o, in, in[0], 3)
}

func (BNGammaGrad) Reduction(in []layout.Shape) Reduction {
	return Reduction{In: 3, Axis: 0, Per: in[3][0]}
}

func (BNGammaGrad) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 1 || i == 2 {
		return boxes(w, w.Out)
	}
	return boxes(w, planes(in[i], w.Red, w.Out[0]))
}

func (o BNGammaGrad) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o BNGammaGrad) Run(in []layout.Shape, w layout.Work, dgamma Frag, a []Frag) {
	dgamma.fill(w.Out, 0)
	cols := layout.Span{Lo: 0, Hi: in[0][3]}
	rows(planes(in[0], w.Red, w.Out[0]), func(n, c, h int) {
		mean, k, sum := a[1].vec(c), 1/math.Sqrt(a[2].vec(c)+o.Eps), 0.0
		dy := a[3].row(n, c, h, cols)
		for i, v := range a[0].row(n, c, h, cols) {
			sum += dy[i] * (v - mean) * k
		}
		dgamma.Data[dgamma.At(c, 0, 0, 0)] += sum
	})
}

// BNGrad is batch norm's gradient with respect to x, through the batch's statistics too:
// dx of x, mean, var, gamma, dgamma, dbeta, dy.
type BNGrad struct {
	Eps float64
	local
}

func (BNGrad) Kind() string   { return "bn-grad" }
func (BNGrad) InPlace() []int { return []int{6, 0} }

func (o BNGrad) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 7); err != nil {
		return layout.Shape{}, err
	}
	if err := perChannel(o, in, in[0], 1, 2, 3, 4, 5); err != nil {
		return layout.Shape{}, err
	}
	return in[0], equal(o, in, in[0], 6)
}

func (BNGrad) Need(_ []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 0 || i == 6 {
		return boxes(w, w.Out)
	}
	return boxes(w, vector(w.Out[1]))
}

func (o BNGrad) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o BNGrad) Run(in []layout.Shape, w layout.Work, dx Frag, a []Frag) {
	m := samples(in[0])
	rows(w.Out, func(n, c, h int) {
		mean, k, gamma := a[1].vec(c), 1/math.Sqrt(a[2].vec(c)+o.Eps), a[3].vec(c)
		dgamma, dbeta := a[4].vec(c)/m, a[5].vec(c)/m
		dst, dy := dx.row(n, c, h, w.Out[3]), a[6].row(n, c, h, w.Out[3])
		for i, v := range a[0].row(n, c, h, w.Out[3]) {
			dst[i] = gamma * k * (dy[i] - dbeta - (v-mean)*k*dgamma)
		}
	})
}
