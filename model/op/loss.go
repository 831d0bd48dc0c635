package op

import (
	"fmt"
	"math"

	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// total holds the rules of sums over the whole batch.
type total struct{ local }

func (total) Axes() layout.Axes { return layout.Axes{Batch: -1, Chan: -1} }
func (total) Like() int         { return -1 }

// Loss is the softmax cross-entropy of logits, labels, max and sums (ExpSum's): a scalar,
// the sum over the samples with a label, divided by the number of all samples of the
// batch. Of logits and max it needs nothing; they are there to be differentiated.
type Loss struct{ total }

func (Loss) Kind() string   { return "loss" }
func (Loss) Dims([]int) int { return 0 }
func (Loss) Wrt(i int) bool { return i == 0 }

func (o Loss) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 4); err != nil {
		return layout.Shape{}, err
	}
	return scalar, logitRows(o, in)
}

func (Loss) Reduction(in []layout.Shape) Reduction {
	return Reduction{In: 3, Axis: 0, Per: in[3][0]}
}

func (Loss) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 0 || i == 2 {
		return nil
	}
	return boxes(w, in[i].Box().With(0, w.Red))
}

func (o Loss) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (Loss) Diff(layer string, in G.Nodes, _, grad *G.Node, need []bool) (G.Nodes, error) {
	d, err := Apply(layer, LossGrad{}, in[0], in[1], in[2], in[3], grad)
	if err != nil {
		return nil, err
	}
	return G.Nodes{d, nil, nil, nil}, nil
}

func (Loss) Run(in []layout.Shape, w layout.Work, out Frag, a []Frag) {
	sum := 0.0
	for n := w.Red.Lo; n < w.Red.Hi; n++ {
		if a[1].vec(n) >= 0 {
			sum += math.Log(a[3].Data[a[3].At(n, 0, 0, 0)]) - a[3].Data[a[3].At(n, 1, 0, 0)]
		}
	}
	out.Data[out.At(0, 0, 0, 0)] = sum / float64(in[3][0])
}

// LossGrad is Loss's gradient with respect to the logits: (softmax − one-hot)·seed/N of
// logits, labels, max, sums and the seed, a scalar; 0 for a sample without a label.
type LossGrad struct{ local }

func (LossGrad) Kind() string   { return "loss-grad" }
func (LossGrad) InPlace() []int { return []int{0} }

func (o LossGrad) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 5); err != nil {
		return layout.Shape{}, err
	}
	if err := equal(o, in, scalar, 4); err != nil {
		return layout.Shape{}, err
	}
	return in[0], logitRows(o, in[:4])
}

func (LossGrad) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	switch i {
	case 0:
		return boxes(w, w.Out)
	case 4:
		return boxes(w, scalar.Box())
	}
	return boxes(w, in[i].Box().With(0, w.Out[0]))
}

func (o LossGrad) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (LossGrad) Run(in []layout.Shape, w layout.Work, d Frag, a []Frag) {
	seed := a[4].Data[0] / float64(in[0][0])
	rows(w.Out, func(n, c, _ int) {
		i := d.At(n, c, 0, 0)
		label := int(a[1].vec(n))
		if label < 0 {
			d.Data[i] = 0
			return
		}
		v := math.Exp(a[0].Data[a[0].At(n, c, 0, 0)]-a[2].vec(n)) / a[3].Data[a[3].At(n, 0, 0, 0)]
		if c == label {
			v--
		}
		d.Data[i] = v * seed
	})
}

// Hits counts, of labels and CountAbove's counts, the samples whose label ranks first,
// and those whose label is among the first five: 2.
type Hits struct{ total }

func (Hits) Kind() string   { return "hits" }
func (Hits) Dims([]int) int { return 1 }

func (o Hits) Out(in []layout.Shape) (layout.Shape, error) {
	if _, err := alike(o, in, 2); err != nil {
		return layout.Shape{}, err
	}
	if in[0] != (layout.Shape{in[0][0], 1, 1, 1}) {
		return layout.Shape{}, fmt.Errorf("%s: labels are %v, want one a sample", o.Kind(), in[0])
	}
	return layout.Shape{2, 1, 1, 1}, nil
}

func (Hits) Reduction(in []layout.Shape) Reduction {
	return Reduction{In: 1, Axis: 0, Per: in[1][0]}
}

func (Hits) Need(_ []layout.Shape, w layout.Work, _ int) []layout.Box {
	return boxes(w, vector(w.Red))
}

func (o Hits) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

func (Hits) Run(_ []layout.Shape, w layout.Work, out Frag, a []Frag) {
	var hits [2]float64
	for n := w.Red.Lo; n < w.Red.Hi; n++ {
		if a[0].vec(n) < 0 {
			continue
		}
		if a[1].vec(n) < 1 {
			hits[0]++
		}
		if a[1].vec(n) < 5 {
			hits[1]++
		}
	}
	for i := w.Out[0].Lo; i < w.Out[0].Hi; i++ {
		out.Data[out.At(i, 0, 0, 0)] = hits[i]
	}
}
