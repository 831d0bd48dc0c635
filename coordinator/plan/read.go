package plan

import (
	"fmt"

	"cleave/layout"
	"cleave/model"
	"cleave/model/op"

	G "gorgonia.org/gorgonia"
)

// Optimizer holds the constants of SGD with momentum, as PyTorch defines it.
type Optimizer struct{ Momentum, Decay float64 }

// Read turns a net into a Graph. A net that has gradients (see model.Net.Differentiate)
// gets its update appended: SGD for every parameter, and every running statistic. The
// order of the instructions depends on the net's structure alone: depth first over
// arguments from the loss, then the hits, then the parameters' gradients from the last
// parameter to the first, so that each layer's filter gradient stands beside its data
// gradient.
func Read(net *model.Net, o Optimizer) (*Graph, error) {
	r := &reader{
		g:     &Graph{Name: net.Name, Groups: max(1, net.Groups), Batch: net.Config.Batch, Classes: net.Config.Classes},
		net:   net,
		seen:  map[*G.Node]*Tensor{},
		leafs: leaves(net),
		layer: map[*Tensor]string{},
	}
	var err error
	if r.g.Loss, err = r.visit(net.Loss); err != nil {
		return nil, err
	}
	if r.g.Hits, err = r.visit(net.Hits); err != nil {
		return nil, err
	}
	if len(net.Grads) > 0 {
		if err := r.backward(o); err != nil {
			return nil, err
		}
	}
	return r.g, nil
}

type reader struct {
	g     *Graph
	net   *model.Net
	phase Phase
	seen  map[*G.Node]*Tensor
	leafs map[*G.Node]Tensor // what each leaf of the net is, without ID and shape
	layer map[*Tensor]string // of computed tensors
}

// leaves says of every input of the net what it is.
func leaves(net *model.Net) map[*G.Node]Tensor {
	scalar := layout.Axes{Batch: -1, Chan: -1}
	param := layout.Axes{Batch: -1, Chan: 0}
	l := map[*G.Node]Tensor{
		net.Image:  {Name: "image", Role: Image, Axes: layout.Axes{Batch: 0, Chan: -1}},
		net.Labels: {Name: "labels", Role: Labels, Axes: layout.Axes{Batch: 0, Chan: -1}},
	}
	if net.Step != nil {
		l[net.Step] = Tensor{Name: "step", Role: Scalar, Axes: scalar}
	}
	if net.Seed != nil {
		l[net.Seed] = Tensor{Name: "seed", Role: Scalar, Axes: scalar}
	}
	for _, p := range net.Params {
		l[p.Node] = Tensor{Name: p.Name, Role: Param, Axes: param, Init: p.Init}
	}
	for _, s := range net.Stats {
		if s.Node != nil {
			l[s.Node] = Tensor{Name: s.Name, Role: Stat, Axes: param, Init: s.Init}
		}
	}
	return l
}

func (r *reader) add(t Tensor) *Tensor {
	t.ID = len(r.g.Tensors)
	r.g.Tensors = append(r.g.Tensors, &t)
	return &t
}

func (r *reader) inst(o op.Op, layer string, in []*Tensor, out *Tensor) *Inst {
	n := &Inst{ID: len(r.g.Insts), Op: o, Layer: layer, Phase: r.phase, In: in, Out: out}
	r.g.Insts = append(r.g.Insts, n)
	r.layer[out] = layer
	return n
}

// visit returns the tensor of a node, reading what it is computed from first.
func (r *reader) visit(n *G.Node) (*Tensor, error) {
	if n == nil {
		return nil, fmt.Errorf("net %s lacks its loss or its hits", r.g.Name)
	}
	if t, ok := r.seen[n]; ok {
		return t, nil
	}
	t, err := r.read(n)
	if err != nil {
		return nil, err
	}
	r.seen[n] = t
	return t, nil
}

func (r *reader) read(n *G.Node) (*Tensor, error) {
	shape := pad(n)
	if n.Op() == nil {
		t, ok := r.leafs[n]
		if !ok {
			return nil, fmt.Errorf("net %s: input %q is no image, label, scalar, parameter or statistic of the net", r.g.Name, n.Name())
		}
		t.Shape = shape
		leaf := r.add(t)
		if t.Role == Param {
			r.g.Params = append(r.g.Params, leaf)
		}
		return leaf, nil
	}
	var in []*Tensor
	children := n.Graph().From(n.ID())
	for children.Next() {
		t, err := r.visit(children.Node().(*G.Node))
		if err != nil {
			return nil, err
		}
		in = append(in, t)
	}
	o, layer, ok := op.Of(n)
	if !ok {
		// All that Backpropagate itself inserts is the sum of the gradients of a value that
		// several ops read.
		if s := fmt.Sprintf("%T %v", n.Op(), n.Op()); s != "gorgonia.elemBinOp + false" {
			return nil, fmt.Errorf("net %s: no rule to split Gorgonia's op %s", r.g.Name, s)
		}
		o, layer = op.Add{}, r.layer[in[0]]
	}
	t := r.add(Tensor{Name: layer + "/" + o.Kind(), Shape: shape, Axes: o.Axes(), Grad: r.phase != Forward})
	if !ok {
		t.Axes = in[0].Axes
	}
	r.inst(o, layer, in, t)
	return t, nil
}

// backward reads the gradients and appends the update.
func (r *reader) backward(o Optimizer) error {
	r.phase = Backward
	byNode := map[*G.Node]*Tensor{} // of the gradients
	for i := len(r.net.Grads) - 1; i >= 0; i-- {
		t, err := r.visit(r.net.Grads[i])
		if err != nil {
			return err
		}
		byNode[r.net.Grads[i]] = t
	}
	r.phase = Update
	r.g.Params = r.g.Params[:0]
	for i, p := range r.net.Params {
		w, ok := r.seen[p.Node]
		if !ok {
			return fmt.Errorf("net %s: parameter %s does not reach the loss", r.g.Name, p.Name)
		}
		g := byNode[r.net.Grads[i]]
		r.g.Params = append(r.g.Params, w)
		r.g.Grads = append(r.g.Grads, g)
	}
	rate := r.add(Tensor{Name: "rate", Role: Scalar, Shape: layout.Shape{1, 1, 1, 1}, Axes: layout.Axes{Batch: -1, Chan: -1}})
	for i := len(r.g.Params) - 1; i >= 0; i-- {
		w, g := r.g.Params[i], r.g.Grads[i]
		m := r.add(Tensor{Name: w.Name + ".momentum", Role: Momentum, Shape: w.Shape, Axes: w.Axes})
		out := r.add(Tensor{Name: w.Name + "'", Shape: w.Shape, Axes: w.Axes})
		layer := r.layer[g]
		r.inst(op.SGD{Mu: o.Momentum, Decay: o.Decay}, layer, []*Tensor{w, m, g, rate}, out).Dest = w
	}
	for _, s := range r.net.Stats {
		stat, ok := r.seen[s.Source]
		if !ok {
			return fmt.Errorf("net %s: statistic %s does not reach the loss", r.g.Name, s.Name)
		}
		run := r.add(Tensor{Name: s.Name, Role: Stat, Shape: stat.Shape, Axes: stat.Axes, Init: s.Init})
		out := r.add(Tensor{Name: s.Name + "'", Shape: stat.Shape, Axes: stat.Axes})
		r.inst(op.RunningStat{Rate: s.Rate, Unbias: s.Unbias}, r.layer[stat], []*Tensor{run, stat}, out).Dest = run
	}
	return nil
}

// pad returns a node's shape with four axes.
func pad(n *G.Node) layout.Shape {
	s := layout.Shape{1, 1, 1, 1}
	copy(s[:], n.Shape())
	return s
}
