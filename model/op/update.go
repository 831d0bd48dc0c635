package op

import (
	"fmt"

	"cleave/layout"
)

// state holds the rules of ops that rewrite parameters and statistics, element by
// element, in place.
type state struct{ elementwise }

func (state) Axes() layout.Axes { return layout.Axes{Batch: -1, Chan: 0} }
func (state) InPlace() []int    { return []int{0} }

// Mutator is an op that rewrites inputs beside its output. It is no node of a Gorgonia
// graph: Apply refuses it.
type Mutator interface {
	// Mutates lists the inputs of which Run rewrites w.Out.
	Mutates() []int
}

// RunningStat moves a running statistic towards the batch's: running +
// Rate·(Unbias·stat − running), of running and stat. Unbias turns the biased variance
// into the unbiased one; 1 for a mean.
type RunningStat struct {
	Rate, Unbias float64
	state
}

func (RunningStat) Kind() string { return "running-stat" }

func (o RunningStat) Out(in []layout.Shape) (layout.Shape, error) { return alike(o, in, 2) }

func (o RunningStat) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o RunningStat) Run(_ []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rows(w.Out, func(n, c, h int) {
		dst, stat := y.row(n, c, h, w.Out[3]), a[1].row(n, c, h, w.Out[3])
		for i, v := range a[0].row(n, c, h, w.Out[3]) {
			dst[i] = v + o.Rate*(o.Unbias*stat[i]-v)
		}
	})
}

// SGD is stochastic gradient descent with momentum and weight decay, as PyTorch's: of w,
// m, g and the rate (a scalar), m = Mu·m + g + Decay·w and w' = w − rate·m. The new m
// takes the old one's place.
type SGD struct {
	Mu, Decay float64
	state
}

func (SGD) Kind() string   { return "sgd" }
func (SGD) Mutates() []int { return []int{1} }

func (o SGD) Out(in []layout.Shape) (layout.Shape, error) {
	if len(in) != 4 || in[3] != scalar {
		return layout.Shape{}, fmt.Errorf("%s: inputs %v, want weights, momentum, gradient and a scalar rate", o.Kind(), in)
	}
	return alike(o, in[:3], 3)
}

func (o SGD) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 3 {
		return boxes(w, scalar.Box())
	}
	return o.state.Need(in, w, i)
}

// Cost counts that the momentum is written too.
func (o SGD) Cost(in []layout.Shape, w layout.Work) Cost {
	c := moved(o, in, w)
	c.Elements += int64(w.Out.Volume())
	return c
}

func (o SGD) Run(_ []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rate := a[3].Data[0]
	rows(w.Out, func(n, c, h int) {
		dst, m, g := y.row(n, c, h, w.Out[3]), a[1].row(n, c, h, w.Out[3]), a[2].row(n, c, h, w.Out[3])
		for i, v := range a[0].row(n, c, h, w.Out[3]) {
			m[i] = o.Mu*m[i] + g[i] + o.Decay*v
			dst[i] = v - rate*m[i]
		}
	})
}
