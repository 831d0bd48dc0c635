package goldens

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Tape runs a whole graph on Gorgonia's TapeMachine, each op by its reference in float64:
// the oracle that split runs are compared with. Leaves are by name, row-major; every leaf
// of the graph must be there. It returns the values of the wanted nodes.
func Tape(graph *G.ExprGraph, leaves map[string][]float64, wanted ...*G.Node) ([][]float64, error) {
	for _, n := range graph.AllNodes() {
		if n.Op() != nil {
			continue
		}
		v, ok := leaves[n.Name()]
		if !ok {
			return nil, fmt.Errorf("no value for leaf %q", n.Name())
		}
		if len(v) != n.Shape().TotalSize() {
			return nil, fmt.Errorf("%d values for leaf %q of shape %v", len(v), n.Name(), n.Shape())
		}
		if err := let(n, slices.Clone(v)); err != nil {
			return nil, fmt.Errorf("leaf %q: %w", n.Name(), err)
		}
	}
	vm := G.NewTapeMachine(graph)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return nil, fmt.Errorf("tape machine: %w", err)
	}
	out := make([][]float64, len(wanted))
	for i, n := range wanted {
		if n.Value() == nil {
			return nil, fmt.Errorf("node %v has no value", n)
		}
		switch d := n.Value().Data().(type) {
		case float64:
			out[i] = []float64{d}
		case []float64:
			out[i] = slices.Clone(d)
		default:
			return nil, fmt.Errorf("node %v is a %T", n, d)
		}
	}
	return out, nil
}

func let(n *G.Node, v []float64) error {
	if n.Dims() == 0 {
		return G.Let(n, v[0])
	}
	return G.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(v)))
}

// Leaves returns the values of the leaves of a net that Build built for training:
// images, labels, seed 1 and the starting weights.
func (g *Golden) Leaves() map[string][]float64 {
	l := map[string][]float64{"seed": {1}}
	for _, b := range g.Images {
		l["image"] = append(l["image"], float64(b))
	}
	for _, c := range g.Labels {
		l["labels"] = append(l["labels"], float64(c))
	}
	for name, w := range g.Weights {
		for _, v := range w {
			l[name] = append(l[name], float64(v))
		}
	}
	return l
}
