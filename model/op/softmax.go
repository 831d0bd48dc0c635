package op

import (
	"math"

	"cleave/layout"
)

// The softmax cross-entropy is a chain of ops, so that classes may be cut over ranks:
// RowMax, ExpSum, Loss and its gradient LossGrad; CountAbove and Hits count what was
// right. Logits are N×classes, labels N. A label below 0 means that the sample has none:
// it adds nothing to the loss, its gradient or the counts.

// perSample holds the rules of ops that leave a value or two per sample, summed over the
// classes of the logits, which are input 0.
type perSample struct{ local }

func (perSample) Axes() layout.Axes { return layout.Axes{Batch: 0, Chan: -1} }
func (perSample) Like() int         { return -1 }
func (perSample) Dims([]int) int    { return 1 }

func (perSample) Reduction(in []layout.Shape) Reduction {
	return Reduction{In: 0, Axis: 1, Per: in[0][1]}
}

func (perSample) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 0 {
		return boxes(w, planes(in[0], w.Out[0], w.Red))
	}
	return boxes(w, in[i].Box().With(0, w.Out[0]))
}

// logitRows checks logits N×classes (input 0) and that inputs 1 to 3, those that there
// are, are labels N, max N and sums N×2.
func logitRows(o Op, in []layout.Shape) error {
	n := in[0][0]
	if err := equal(o, in, layout.Shape{n, in[0][1], 1, 1}, 0); err != nil {
		return err
	}
	for i := 1; i < min(len(in), 3); i++ {
		if err := equal(o, in, layout.Shape{n, 1, 1, 1}, i); err != nil {
			return err
		}
	}
	if len(in) > 3 {
		return equal(o, in, layout.Shape{n, 2, 1, 1}, 3)
	}
	return nil
}

// RowMax is the largest logit of each sample: N.
type RowMax struct{ perSample }

func (RowMax) Kind() string     { return "row-max" }
func (RowMax) Combine() Combine { return Max }

func (o RowMax) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 1); err != nil {
		return layout.Shape{}, err
	}
	return layout.Shape{in[0][0], 1, 1, 1}, logitRows(o, in)
}

func (o RowMax) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (RowMax) Run(_ []layout.Shape, w layout.Work, out Frag, a []Frag) {
	for n := w.Out[0].Lo; n < w.Out[0].Hi; n++ {
		m := math.Inf(-1)
		for c := w.Red.Lo; c < w.Red.Hi; c++ {
			m = max(m, a[0].Data[a[0].At(n, c, 0, 0)])
		}
		out.Data[out.At(n, 0, 0, 0)] = m
	}
}

// ExpSum is, of logits, labels and max, for each sample Σexp(logit − max) over the
// classes and the label's own logit − max (0 without a label): N×2.
type ExpSum struct{ perSample }

func (ExpSum) Kind() string   { return "exp-sum" }
func (ExpSum) Dims([]int) int { return 2 }

func (o ExpSum) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 3); err != nil {
		return layout.Shape{}, err
	}
	return layout.Shape{in[0][0], 2, 1, 1}, logitRows(o, in)
}

func (o ExpSum) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (ExpSum) Run(_ []layout.Shape, w layout.Work, out Frag, a []Frag) {
	for n := w.Out[0].Lo; n < w.Out[0].Hi; n++ {
		var sums [2]float64
		label, m := int(a[1].vec(n)), a[2].vec(n)
		for c := w.Red.Lo; c < w.Red.Hi; c++ {
			v := a[0].Data[a[0].At(n, c, 0, 0)] - m
			sums[0] += math.Exp(v)
			if c == label {
				sums[1] += v
			}
		}
		for i := w.Out[1].Lo; i < w.Out[1].Hi; i++ {
			out.Data[out.At(n, i, 0, 0)] = sums[i]
		}
	}
}

// CountAbove is, of logits, labels, max and sums (ExpSum's), for each sample the number
// of classes that rank before its label: those with a larger logit, or an equal one and a
// smaller index. 0 without a label.
type CountAbove struct{ perSample }

func (CountAbove) Kind() string { return "count-above" }

func (o CountAbove) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 4); err != nil {
		return layout.Shape{}, err
	}
	return layout.Shape{in[0][0], 1, 1, 1}, logitRows(o, in)
}

func (o CountAbove) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (CountAbove) Run(_ []layout.Shape, w layout.Work, out Frag, a []Frag) {
	for n := w.Out[0].Lo; n < w.Out[0].Hi; n++ {
		count := 0.0
		if label := int(a[1].vec(n)); label >= 0 {
			m, own := a[2].vec(n), a[3].Data[a[3].At(n, 1, 0, 0)]
			for c := w.Red.Lo; c < w.Red.Hi; c++ {
				if v := a[0].Data[a[0].At(n, c, 0, 0)] - m; v > own || v == own && c < label {
					count++
				}
			}
		}
		out.Data[out.At(n, 0, 0, 0)] = count
	}
}
