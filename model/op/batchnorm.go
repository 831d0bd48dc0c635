package op

import (
	"fmt"
	"math"

	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// samples returns how many elements of x share a channel.
func samples(x layout.Shape) float64 { return float64(x[0] * x[2] * x[3]) }

// perChannel refuses inputs i that are no vectors of x's channels.
func perChannel(o Op, in []layout.Shape, x layout.Shape, i ...int) error {
	return equal(o, in, layout.Shape{x[1], 1, 1, 1}, i...)
}

// BNMean is the mean of each channel of x (N×C×H×W) over samples and positions: C.
type BNMean struct{ batchSum }

func (BNMean) Kind() string { return "bn-mean" }

func (o BNMean) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 1); err != nil {
		return layout.Shape{}, err
	}
	return layout.Shape{in[0][1], 1, 1, 1}, nil
}

func (BNMean) Reduction(in []layout.Shape) Reduction {
	return Reduction{In: 0, Axis: 0, Per: in[0][0]}
}

func (BNMean) Need(in []layout.Shape, w layout.Work, _ int) []layout.Box {
	return boxes(w, planes(in[0], w.Red, w.Out[0]))
}

func (o BNMean) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (BNMean) Run(in []layout.Shape, w layout.Work, mean Frag, a []Frag) {
	mean.fill(w.Out, 0)
	m := samples(in[0])
	rows(planes(in[0], w.Red, w.Out[0]), func(n, c, h int) {
		sum := 0.0
		for _, v := range a[0].row(n, c, h, layout.Span{Lo: 0, Hi: in[0][3]}) {
			sum += v
		}
		mean.Data[mean.At(c, 0, 0, 0)] += sum / m
	})
}

// BNVar is the biased variance of each channel of x, given x and its mean: C.
type BNVar struct{ batchSum }

func (BNVar) Kind() string { return "bn-var" }

func (o BNVar) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 2); err != nil {
		return layout.Shape{}, err
	}
	return layout.Shape{in[0][1], 1, 1, 1}, perChannel(o, in, in[0], 1)
}

func (BNVar) Reduction(in []layout.Shape) Reduction {
	return Reduction{In: 0, Axis: 0, Per: in[0][0]}
}

func (BNVar) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 1 {
		return boxes(w, w.Out)
	}
	return boxes(w, planes(in[0], w.Red, w.Out[0]))
}

func (o BNVar) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (BNVar) Run(in []layout.Shape, w layout.Work, out Frag, a []Frag) {
	out.fill(w.Out, 0)
	m := samples(in[0])
	rows(planes(in[0], w.Red, w.Out[0]), func(n, c, h int) {
		sum, mean := 0.0, a[1].vec(c)
		for _, v := range a[0].row(n, c, h, layout.Span{Lo: 0, Hi: in[0][3]}) {
			sum += (v - mean) * (v - mean)
		}
		out.Data[out.At(c, 0, 0, 0)] += sum / m
	})
}

// BN is batch normalisation of x with the statistics given: gamma·(x−mean)/√(var+Eps) +
// beta, of x, mean, var, gamma, beta. It is differentiable where mean and var are x's own
// BNMean and BNVar; BNGrad then includes what flows through them.
type BN struct {
	Eps float64
	local
}

func (BN) Kind() string   { return "bn" }
func (BN) InPlace() []int { return []int{0} }
func (BN) Wrt(i int) bool { return i == 0 || i == 3 || i == 4 }

func (o BN) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 5); err != nil {
		return layout.Shape{}, err
	}
	return in[0], perChannel(o, in, in[0], 1, 2, 3, 4)
}

func (BN) Need(_ []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 0 {
		return boxes(w, w.Out)
	}
	return boxes(w, vector(w.Out[1]))
}

func (o BN) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o BN) Diff(layer string, in G.Nodes, _, grad *G.Node, need []bool) (G.Nodes, error) {
	x, mean, variance, gamma := in[0], in[1], in[2], in[3]
	if m, _, ok := Of(mean); !ok || m != (BNMean{}) || children(mean)[0] != x {
		return nil, fmt.Errorf("bn: the mean is not that of the batch, so there is no gradient")
	}
	if v, _, ok := Of(variance); !ok || v != (BNVar{}) || children(variance)[0] != x {
		return nil, fmt.Errorf("bn: the variance is not that of the batch, so there is no gradient")
	}
	dgamma, err := Apply(layer, BNGammaGrad{Eps: o.Eps}, x, mean, variance, grad)
	if err != nil {
		return nil, err
	}
	dbeta, err := Apply(layer, BiasGrad{}, grad)
	if err != nil {
		return nil, err
	}
	out := G.Nodes{nil, nil, nil, dgamma, dbeta}
	if need[0] {
		if out[0], err = Apply(layer, BNGrad{Eps: o.Eps}, x, mean, variance, gamma, dgamma, dbeta, grad); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o BN) Run(_ []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rows(w.Out, func(n, c, h int) {
		mean, k, beta := a[1].vec(c), a[3].vec(c)/math.Sqrt(a[2].vec(c)+o.Eps), a[4].vec(c)
		dst := y.row(n, c, h, w.Out[3])
		for i, v := range a[0].row(n, c, h, w.Out[3]) {
			dst[i] = (v-mean)*k + beta
		}
	})
}
