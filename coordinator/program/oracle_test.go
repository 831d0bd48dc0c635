package program_test

import (
	"testing"

	"cleave/coordinator/plan"
	"cleave/layout"
	"cleave/model/op"
)

// oracle runs a whole graph with the ops' own reference, in float64.
type oracle struct {
	t      testing.TB
	graph  *plan.Graph
	values [][]float64 // by tensor
}

func newOracle(t testing.TB, g *plan.Graph) *oracle {
	return &oracle{t: t, graph: g, values: make([][]float64, len(g.Tensors))}
}

func (o *oracle) set(name string, v []float64) {
	for _, t := range o.graph.Tensors {
		if t.Name == name {
			o.values[t.ID] = append([]float64(nil), v...)
		}
	}
}

func (o *oracle) get(t *plan.Tensor) []float64 { return o.values[t.ID] }

func (o *oracle) tensor(name string) *plan.Tensor {
	for _, t := range o.graph.Tensors {
		if t.Name == name {
			return t
		}
	}
	o.t.Fatalf("no tensor %s", name)
	return nil
}

// step runs all instructions; updates replace the persistent tensors' values.
func (o *oracle) step() {
	for _, n := range o.graph.Insts {
		shapes := n.Shapes()
		w, err := op.Whole(n.Op, shapes)
		if err != nil {
			o.t.Fatal(err)
		}
		in := make([]op.Frag, len(n.In))
		for i, t := range n.In {
			if o.values[t.ID] == nil {
				o.t.Fatalf("%s reads %s, which has no value", n.Layer, t.Name)
			}
			in[i] = op.Frag{Box: t.Shape.Box(), Data: o.values[t.ID]}
		}
		out := op.Frag{Box: n.Out.Shape.Box(), Data: make([]float64, n.Out.Shape.Volume())}
		n.Op.Run(shapes, w, out, in)
		o.values[n.Out.ID] = out.Data
		if n.Dest != nil {
			o.values[n.Dest.ID] = out.Data
		}
	}
}

func fill(s layout.Shape, value func(n, c, h, w int) float64) []float64 {
	out := make([]float64, 0, s.Volume())
	each(s.Box(), func(n, c, h, w int) { out = append(out, value(n, c, h, w)) })
	return out
}
