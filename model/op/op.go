// Package op holds the operations that cleave's nets are made of, as Gorgonia ops.
//
// An Op says, beside its arithmetic, how it can be split: which axes of its output are
// batch and channels, which one axis it reduces over, and what a part of it needs of each
// input. The planner and the program builder know ops only through these rules, so a new
// op is split correctly as soon as its rules are right. Apply makes an Op a node of a
// Gorgonia graph; Of gives the Op of such a node back. Gradients are ops of their own,
// built by Diff, so gorgonia.Backpropagate differentiates whole nets symbolically.
//
// Run is the plain reference, in float64 and in global coordinates: one body computes the
// whole and any part. Gorgonia's TapeMachine runs a whole graph with it, which is the
// oracle that split runs are tested against.
package op

import (
	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// Frag is a piece of a tensor in memory: the box that it covers, in global coordinates,
// and its elements in row-major order of the box's four axes.
type Frag struct {
	Box  layout.Box
	Data []float64
}

// At returns the index in Data of the element with global coordinates n, c, h, w.
func (f Frag) At(n, c, h, w int) int {
	b := &f.Box
	return (((n-b[0].Lo)*b[1].Len()+c-b[1].Lo)*b[2].Len()+h-b[2].Lo)*b[3].Len() + w - b[3].Lo
}

// Combine says how the summands that several ranks computed of one element merge.
type Combine uint8

const (
	Sum Combine = iota
	Max
)

// Reduction names the one axis that an op sums over: axis Axis of input In. Per is how
// many of its indices contribute to one output element (a grouped convolution: C/G).
// In is -1 where there is nothing that could be cut.
type Reduction struct{ In, Axis, Per int }

// Cost is what a work takes, whatever the device: multiply-adds and elements moved.
type Cost struct {
	MACs     int64 // multiply-adds
	Elements int64 // elements read and written
}

// Op is one operation with one output. All methods are pure. Shapes and boxes have four
// axes (see layout); in holds the shapes of the whole inputs.
type Op interface {
	// Kind names the operation, such as "conv" or "conv-data-grad"; with the layer's name
	// and the op's attributes it identifies a node of a graph.
	Kind() string
	// Out returns the output's shape, or an error that names what does not fit.
	Out(in []layout.Shape) (layout.Shape, error)
	// Dims returns how many dimensions the output has in Gorgonia, given its inputs'.
	Dims(in []int) int
	// Axes names the output's batch and channel axis.
	Axes() layout.Axes
	// Like is the input whose home the output's home follows, or -1 where the output's
	// channels are cut afresh (conv, linear, concat, channel shuffle).
	Like() int
	// Reduction returns the axis that is summed over.
	Reduction(in []layout.Shape) Reduction
	// Combine says how summands merge.
	Combine() Combine
	// Reach narrows w.Out to what the span w.Red contributes to.
	Reach(in []layout.Shape, w layout.Work) layout.Box
	// Need returns the boxes of input i that w reads; none: nothing of it.
	Need(in []layout.Shape, w layout.Work, i int) []layout.Box
	// Cost returns what w takes.
	Cost(in []layout.Shape, w layout.Work) Cost
	// InPlace lists the inputs whose memory the output may take, element by element.
	InPlace() []int
	// Wrt reports whether the output is differentiable with respect to input i.
	Wrt(i int) bool
	// Diff returns the gradient nodes of the inputs (nil where Wrt is false, and for
	// input i where need[i] is false: nobody asks for that gradient).
	Diff(layer string, in G.Nodes, out, grad *G.Node, need []bool) (G.Nodes, error)
	// Run computes w into out, which holds at least w.Out; it writes nothing outside
	// w.Out. x[i] holds at least the hull of Need(i) and must not be read outside Need(i);
	// an input that is not needed is the zero Frag.
	Run(in []layout.Shape, w layout.Work, out Frag, x []Frag)
}

// Whole returns the work that computes all of o.
func Whole(o Op, in []layout.Shape) (layout.Work, error) {
	out, err := o.Out(in)
	if err != nil {
		return layout.Work{}, err
	}
	w := layout.Work{Out: out.Box(), Red: layout.Span{Lo: 0, Hi: 1}}
	if r := o.Reduction(in); r.In >= 0 {
		w.Red.Hi = in[r.In][r.Axis]
	}
	return w, nil
}
