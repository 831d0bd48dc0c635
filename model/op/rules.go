package op

import (
	"errors"
	"fmt"

	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

var errNoGradient = errors.New("op is not differentiable")

// local holds the rules that most ops share: the output is an activation whose home
// follows input 0, nothing is summed over, and there is no gradient. Ops embed it and
// replace what differs.
type local struct{}

func (local) Dims(in []int) int                  { return in[0] }
func (local) Axes() layout.Axes                  { return layout.Axes{Batch: 0, Chan: 1} }
func (local) Like() int                          { return 0 }
func (local) Reduction([]layout.Shape) Reduction { return Reduction{In: -1, Per: 1} }
func (local) Combine() Combine                   { return Sum }
func (local) InPlace() []int                     { return nil }
func (local) Wrt(int) bool                       { return false }

func (local) Reach(_ []layout.Shape, w layout.Work) layout.Box {
	if w.Empty() {
		return layout.Box{}
	}
	return w.Out
}

func (local) Diff(string, G.Nodes, *G.Node, *G.Node, []bool) (G.Nodes, error) {
	return nil, errNoGradient
}

// batchSum holds the rules of the sums over the batch that leave one value per channel or
// per filter: its output has no batch axis and its channels are axis 0.
type batchSum struct{ local }

func (batchSum) Axes() layout.Axes { return layout.Axes{Batch: -1, Chan: 0} }
func (batchSum) Dims([]int) int    { return 1 }

// moved returns the cost of an op that is bound by memory: what it reads and writes.
// Multiply-adds are counted for convolutions and linear layers only.
func moved(o Op, in []layout.Shape, w layout.Work) Cost {
	if w.Empty() {
		return Cost{}
	}
	e := int64(w.Out.Volume())
	for i := range in {
		for _, b := range o.Need(in, w, i) {
			e += int64(b.Volume())
		}
	}
	return Cost{Elements: e}
}

// boxes returns those of bs that hold something; none for an empty work.
func boxes(w layout.Work, bs ...layout.Box) []layout.Box {
	if w.Empty() {
		return nil
	}
	out := bs[:0]
	for _, b := range bs {
		if !b.Empty() {
			out = append(out, b)
		}
	}
	return out
}

// planes returns samples n and channels c of a tensor, at all positions.
func planes(s layout.Shape, n, c layout.Span) layout.Box {
	return s.Box().With(0, n).With(1, c)
}

// vector returns the elements s of a tensor of one axis.
func vector(s layout.Span) layout.Box {
	return layout.Shape{1, 1, 1, 1}.Box().With(0, s)
}

// arity refuses another number of inputs than n.
func arity(o Op, in []layout.Shape, n int) error {
	if len(in) != n {
		return fmt.Errorf("%s: %d inputs, want %d", o.Kind(), len(in), n)
	}
	return positive(o, in)
}

// positive refuses inputs that hold no element.
func positive(o Op, in []layout.Shape) error {
	for i, s := range in {
		if min(s[0], s[1], s[2], s[3]) < 1 {
			return fmt.Errorf("%s: input %d is %v, it holds no element", o.Kind(), i, s)
		}
	}
	return nil
}

// equal refuses inputs i whose shape is not s.
func equal(o Op, in []layout.Shape, s layout.Shape, i ...int) error {
	for _, i := range i {
		if in[i] != s {
			return fmt.Errorf("%s: input %d is %v, want %v", o.Kind(), i, in[i], s)
		}
	}
	return nil
}

// alike checks the inputs of an op whose n inputs are all of the output's shape.
func alike(o Op, in []layout.Shape, n int) (layout.Shape, error) {
	if err := arity(o, in, n); err != nil {
		return layout.Shape{}, err
	}
	for i := range in {
		if err := equal(o, in, in[0], i); err != nil {
			return layout.Shape{}, err
		}
	}
	return in[0], nil
}

// scalar is the shape of a tensor of one element.
var scalar = layout.Shape{1, 1, 1, 1}

// row returns the elements of f at sample n, channel c, row h and columns s.
func (f Frag) row(n, c, h int, s layout.Span) []float64 {
	i := f.At(n, c, h, s.Lo)
	return f.Data[i : i+s.Len()]
}

// rows calls f for each sample, channel and row of b.
func rows(b layout.Box, f func(n, c, h int)) {
	if b.Empty() {
		return
	}
	for n := b[0].Lo; n < b[0].Hi; n++ {
		for c := b[1].Lo; c < b[1].Hi; c++ {
			for h := b[2].Lo; h < b[2].Hi; h++ {
				f(n, c, h)
			}
		}
	}
}

// fill sets the elements of b to v.
func (f Frag) fill(b layout.Box, v float64) {
	rows(b, func(n, c, h int) {
		r := f.row(n, c, h, b[3])
		for i := range r {
			r[i] = v
		}
	})
}

// vec returns element i of a tensor of one axis.
func (f Frag) vec(i int) float64 { return f.Data[f.At(i, 0, 0, 0)] }

func floorDiv(a, b int) int {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

func ceilDiv(a, b int) int { return -floorDiv(-a, b) }
