package op

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"slices"

	"cleave/layout"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// adapter makes an Op of a layer a gorgonia.Op and gorgonia.SDOp on Float64 values.
type adapter struct {
	op    Op
	layer string
	in    []int  // dimensions of the inputs
	out   int    // dimensions of the output
	diff  []bool // inputs whose gradient somebody asks for
}

var _ G.SDOp = (*adapter)(nil)

// Apply adds the node of o in the layer named to the graph of its inputs, which are made
// by Input, Param and Apply. It refuses inputs whose shapes do not fit, and a second node
// of the same layer, kind and attributes: Gorgonia compares nodes by these alone, so it
// might take the two for one.
func Apply(layer string, o Op, in ...*G.Node) (*G.Node, error) {
	a, err := adapt(layer, o, in)
	if err != nil {
		return nil, fmt.Errorf("layer %q: %w", layer, err)
	}
	g := in[0].Graph()
	for _, n := range g.AllNodes() {
		if p, l, ok := Of(n); ok && l == layer && p == o {
			return nil, fmt.Errorf("layer %q: a second %s of equal attributes: layers need names of their own", layer, o.Kind())
		}
	}
	before := len(g.AllNodes())
	n, err := G.ApplyOp(a, in...)
	if err != nil {
		return nil, fmt.Errorf("layer %q: %w", layer, err)
	}
	if len(g.AllNodes()) != before+1 {
		return nil, fmt.Errorf("layer %q: gorgonia takes %s for another node: rename the layer", layer, o.Kind())
	}
	return n, nil
}

func adapt(layer string, o Op, in []*G.Node) (*adapter, error) {
	if len(in) == 0 {
		return nil, fmt.Errorf("%s: no inputs", o.Kind())
	}
	if _, ok := o.(Mutator); ok {
		return nil, fmt.Errorf("%s: an op that rewrites its inputs is no node of a graph", o.Kind())
	}
	a := &adapter{op: o, layer: layer}
	shapes := make([]layout.Shape, len(in))
	for i, n := range in {
		if n == nil {
			return nil, fmt.Errorf("%s: input %d is missing", o.Kind(), i)
		}
		s, err := pad(n.Shape())
		if err != nil {
			return nil, fmt.Errorf("%s: input %d: %w", o.Kind(), i, err)
		}
		shapes[i] = s
		a.in = append(a.in, n.Dims())
		a.diff = append(a.diff, o.Wrt(i) && wanted(n))
	}
	if _, err := o.Out(shapes); err != nil {
		return nil, err
	}
	a.out = o.Dims(a.in)
	return a, nil
}

// wanted reports whether a parameter's gradient flows through n.
func wanted(n *G.Node) bool {
	if a, ok := n.Op().(*adapter); ok {
		return slices.Contains(a.diff, true)
	}
	return isParam(n)
}

// Of returns the op and the layer of a node that Apply made; false for other nodes.
func Of(n *G.Node) (o Op, layer string, ok bool) {
	a, ok := n.Op().(*adapter)
	if !ok {
		return nil, "", false
	}
	return a.op, a.layer, true
}

// children returns the inputs of n in order.
func children(n *G.Node) []*G.Node {
	var out []*G.Node
	for it := n.Graph().From(n.ID()); it.Next(); {
		out = append(out, it.Node().(*G.Node))
	}
	return out
}

// pad returns a Gorgonia shape as a shape of four axes.
func pad(s tensor.Shape) (layout.Shape, error) {
	if len(s) > 4 {
		return layout.Shape{}, fmt.Errorf("shape %v has more than four axes", s)
	}
	p := scalar
	copy(p[:], s)
	return p, nil
}

// typ is the Gorgonia type of a Float64 value of so many dimensions.
func typ(dims int) hm.Type {
	if dims == 0 {
		return tensor.Float64
	}
	return G.TensorType{Dims: dims, Of: tensor.Float64}
}

func (a *adapter) Arity() int { return len(a.in) }

func (a *adapter) Type() hm.Type {
	var ts []hm.Type
	for _, d := range a.in {
		ts = append(ts, typ(d))
	}
	return hm.NewFnType(append(ts, typ(a.out))...)
}

// shape returns the output's shape for inputs of shapes in.
func (a *adapter) shape(in []layout.Shape) (tensor.Shape, error) {
	s, err := a.op.Out(in)
	if err != nil {
		return nil, err
	}
	for _, n := range s[a.out:] {
		if n != 1 {
			return nil, fmt.Errorf("%s: output %v does not fit into %d dimensions", a.op.Kind(), s, a.out)
		}
	}
	return slices.Clone(s[:a.out]), nil
}

func (a *adapter) InferShape(ds ...G.DimSizer) (tensor.Shape, error) {
	in := make([]layout.Shape, len(ds))
	for i, d := range ds {
		s, ok := d.(tensor.Shape)
		if !ok {
			return nil, fmt.Errorf("%s: input %d has no shape", a.op.Kind(), i)
		}
		var err error
		if in[i], err = pad(s); err != nil {
			return nil, err
		}
	}
	return a.shape(in)
}

// Do runs the whole op by its reference.
func (a *adapter) Do(vs ...G.Value) (G.Value, error) {
	in, x := make([]layout.Shape, len(vs)), make([]Frag, len(vs))
	for i, v := range vs {
		s, err := pad(v.Shape())
		if err != nil {
			return nil, fmt.Errorf("%v: input %d: %w", a, i, err)
		}
		in[i], x[i] = s, Frag{Box: s.Box()}
		switch d := v.Data().(type) {
		case float64:
			x[i].Data = []float64{d}
		case []float64:
			x[i].Data = d
		}
		if len(x[i].Data) != s.Volume() {
			return nil, fmt.Errorf("%v: input %d is no dense float64 value of shape %v", a, i, v.Shape())
		}
	}
	shape, err := a.shape(in)
	if err != nil {
		return nil, fmt.Errorf("layer %q: %w", a.layer, err)
	}
	w, err := Whole(a.op, in)
	if err != nil {
		return nil, fmt.Errorf("layer %q: %w", a.layer, err)
	}
	y := Frag{Box: w.Out, Data: make([]float64, w.Out.Volume())}
	a.op.Run(in, w, y, x)
	if a.out == 0 {
		return G.NewF64(y.Data[0]), nil
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(y.Data)), nil
}

func (a *adapter) ReturnsPtr() bool     { return false }
func (a *adapter) CallsExtern() bool    { return false }
func (a *adapter) OverwritesInput() int { return -1 }

// WriteHash writes all that makes the node another one: layer, op and attributes.
func (a *adapter) WriteHash(h hash.Hash) { fmt.Fprintf(h, "%q %#v", a.layer, a.op) }

func (a *adapter) Hashcode() uint32 {
	h := fnv.New32a()
	a.WriteHash(h)
	return h.Sum32()
}

func (a *adapter) String() string { return a.layer + "." + a.op.Kind() }

func (a *adapter) DiffWRT(int) []bool { return slices.Clone(a.diff) }

func (a *adapter) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	gs, err := a.op.Diff(a.layer, in, out, grad, slices.Clone(a.diff))
	if err != nil {
		return nil, err
	}
	// a unary op gives the gradient of its first input only
	for len(gs) < len(in) {
		gs = append(gs, nil)
	}
	for i, g := range gs {
		if g == nil && a.diff[i] {
			return nil, errors.New("no gradient of an input that needs one")
		}
	}
	return gs, nil
}
