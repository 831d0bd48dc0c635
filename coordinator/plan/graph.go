package plan

import (
	"cleave/layout"
	"cleave/model"
	"cleave/model/op"
)

// Role says what a tensor of a Graph is.
type Role uint8

const (
	Computed Role = iota // the output of an Inst
	Image                // uint8 pixels N×C×H×W
	Labels               // class of each sample, N×1×1×1; −1: none
	Scalar               // "seed", "step" or "rate"
	Param                // a parameter
	Momentum             // the optimiser's velocity of a parameter
	Stat                 // a running statistic of a batch norm
)

// Phase says when an Inst runs.
type Phase uint8

const (
	Forward Phase = iota
	Backward
	Update
)

func (p Phase) String() string { return [...]string{"forward", "backward", "update"}[p] }

// Tensor is a value of a Graph.
type Tensor struct {
	ID    int    // index in Graph.Tensors
	Name  string // a leaf's name ("conv1.weight", "image"), else layer/kind
	Shape layout.Shape
	Axes  layout.Axes
	Role  Role
	Grad  bool       // a gradient
	Init  model.Init // of a parameter or a statistic: its value before the first step
}

// Persistent reports whether the tensor keeps its value from step to step.
func (t *Tensor) Persistent() bool { return t.Role == Param || t.Role == Momentum || t.Role == Stat }

// Inst is one op of a Graph.
type Inst struct {
	ID    int // index in Graph.Insts, which is an order in which they can run
	Op    op.Op
	Layer string
	Phase Phase
	In    []*Tensor
	Out   *Tensor
	Dest  *Tensor // the persistent tensor that the output replaces in place, or nil
}

// Shapes returns the shapes of the inputs.
func (n *Inst) Shapes() []layout.Shape {
	s := make([]layout.Shape, len(n.In))
	for i, t := range n.In {
		s[i] = t.Shape
	}
	return s
}

// Graph is a whole net, read from its Gorgonia graph: forward only (evaluation), or
// forward, backward and update (training). It knows nothing of ranks.
type Graph struct {
	Name    string
	Groups  int // of the net's grouped convolutions, 1 where there are none
	Batch   int
	Classes int
	Tensors []*Tensor
	Insts   []*Inst
	Params  []*Tensor // in the net's order
	Grads   []*Tensor // of Params; nil in an evaluation graph
	Loss    *Tensor
	Hits    *Tensor // two counts: right, and right among the first five
}

// Plan gives every tensor of a Graph a home over the ranks and every Inst its work.
type Plan struct {
	Graph  *Graph
	Policy string
	Ranks  int
	Homes  []layout.Home   // by Tensor.ID; every tensor has one
	Works  [][]layout.Work // by Inst.ID and rank; an empty work: the rank does nothing
	// Summands says of each Inst whether its works leave summands that are merged on the
	// owners of the output's home (layout.Home.Owners), in rank order; else they are final.
	Summands []bool
}

// Small is the number of elements up to which a replicated tensor is reduced on one rank
// rather than in shares: R² messages of a few bytes each cost more than the arithmetic.
const Small = 16 << 10
