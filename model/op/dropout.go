package op

import (
	"fmt"

	"cleave/layout"
	"cleave/random"

	G "gorgonia.org/gorgonia"
)

// Dropout sets elements of x to zero with probability P and divides the others by 1−P, of
// x and the step, a scalar. Which ones depends on Key, step and the element's index in the
// whole tensor alone, so the gradient is the same op (marked Grad) on dy.
type Dropout struct {
	P    float64
	Key  uint64
	Grad bool
	local
}

func (o Dropout) Kind() string {
	if o.Grad {
		return "dropout-grad"
	}
	return "dropout"
}

func (Dropout) InPlace() []int { return []int{0} }
func (Dropout) Wrt(i int) bool { return i == 0 }

func (o Dropout) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 2); err != nil {
		return layout.Shape{}, err
	}
	if !(o.P >= 0 && o.P < 1) {
		return layout.Shape{}, fmt.Errorf("%s: probability %v, want from 0 to less than 1", o.Kind(), o.P)
	}
	return in[0], equal(o, in, scalar, 1)
}

func (Dropout) Need(_ []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 0 {
		return boxes(w, w.Out)
	}
	return boxes(w, scalar.Box())
}

func (o Dropout) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (o Dropout) Diff(layer string, in G.Nodes, _, grad *G.Node, _ []bool) (G.Nodes, error) {
	d, err := Apply(layer, Dropout{P: o.P, Key: o.Key, Grad: true}, grad, in[1])
	if err != nil {
		return nil, err
	}
	return G.Nodes{d, nil}, nil
}

func (o Dropout) Run(in []layout.Shape, w layout.Work, y Frag, a []Frag) {
	step, whole := uint64(a[1].Data[0]), Frag{Box: in[0].Box()}
	rows(w.Out, func(n, c, h int) {
		dst, index := y.row(n, c, h, w.Out[3]), whole.At(n, c, h, w.Out[3].Lo)
		for i, v := range a[0].row(n, c, h, w.Out[3]) {
			if random.Uniform(random.Bits(o.Key, step, uint64(index+i))) < o.P {
				dst[i] = 0
			} else {
				dst[i] = v / (1 - o.P)
			}
		}
	})
}
