package op

import (
	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// elementwise holds the rules of ops whose output needs of every input just the elements
// at its own place.
type elementwise struct{ local }

func (elementwise) Need(_ []layout.Shape, w layout.Work, _ int) []layout.Box {
	return boxes(w, w.Out)
}

// Normalize turns the bytes of an image (N×C×H×W, 0 to 255) into what the net reads:
// (v/255 − Mean[c]) / Dev[c]. Channels past the fourth use the last entry.
type Normalize struct {
	Mean, Dev [4]float64
	elementwise
}

func (Normalize) Kind() string { return "normalize" }

func (o Normalize) Out(in []layout.Shape) (layout.Shape, error) { return alike(o, in, 1) }

func (o Normalize) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o Normalize) Run(_ []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rows(w.Out, func(n, c, h int) {
		m, d := o.Mean[min(c, 3)], o.Dev[min(c, 3)]
		dst := y.row(n, c, h, w.Out[3])
		for i, v := range a[0].row(n, c, h, w.Out[3]) {
			dst[i] = (v/255 - m) / d
		}
	})
}

// ReLU is max(x, 0).
type ReLU struct{ elementwise }

func (ReLU) Kind() string   { return "relu" }
func (ReLU) InPlace() []int { return []int{0} }
func (ReLU) Wrt(i int) bool { return i == 0 }

func (o ReLU) Out(in []layout.Shape) (layout.Shape, error) { return alike(o, in, 1) }

func (o ReLU) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (ReLU) Diff(layer string, _ G.Nodes, out, grad *G.Node, _ []bool) (G.Nodes, error) {
	return one(Apply(layer, ReLUGrad{}, out, grad))
}

func (ReLU) Run(_ []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rows(w.Out, func(n, c, h int) {
		dst := y.row(n, c, h, w.Out[3])
		for i, v := range a[0].row(n, c, h, w.Out[3]) {
			dst[i] = max(v, 0)
		}
	})
}

// ReLUGrad is dy where y > 0, else 0, of y and dy. It reads ReLU's output, so ReLU may
// run in place.
type ReLUGrad struct{ elementwise }

func (ReLUGrad) Kind() string   { return "relu-grad" }
func (ReLUGrad) InPlace() []int { return []int{1, 0} }

func (o ReLUGrad) Out(in []layout.Shape) (layout.Shape, error) { return alike(o, in, 2) }

func (o ReLUGrad) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (ReLUGrad) Run(_ []layout.Shape, w layout.Work, dx Frag, a []Frag) {
	rows(w.Out, func(n, c, h int) {
		dst, dy := dx.row(n, c, h, w.Out[3]), a[1].row(n, c, h, w.Out[3])
		for i, v := range a[0].row(n, c, h, w.Out[3]) {
			if v > 0 {
				dst[i] = dy[i]
			} else {
				dst[i] = 0
			}
		}
	})
}

// Add is a + b.
type Add struct{ elementwise }

func (Add) Kind() string   { return "add" }
func (Add) InPlace() []int { return []int{0, 1} }
func (Add) Wrt(i int) bool { return i < 2 }

func (o Add) Out(in []layout.Shape) (layout.Shape, error) { return alike(o, in, 2) }

func (o Add) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (Add) Diff(_ string, _ G.Nodes, _, grad *G.Node, need []bool) (G.Nodes, error) {
	out := make(G.Nodes, 2)
	for i := range out {
		if need[i] {
			out[i] = grad
		}
	}
	return out, nil
}

func (Add) Run(_ []layout.Shape, w layout.Work, y Frag, a []Frag) {
	rows(w.Out, func(n, c, h int) {
		dst, b := y.row(n, c, h, w.Out[3]), a[1].row(n, c, h, w.Out[3])
		for i, v := range a[0].row(n, c, h, w.Out[3]) {
			dst[i] = v + b[i]
		}
	})
}

// one wraps the gradient node of an op's only differentiable input, its first.
func one(n *G.Node, err error) (G.Nodes, error) {
	if err != nil {
		return nil, err
	}
	return G.Nodes{n}, nil
}
