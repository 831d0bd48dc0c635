package model_test

import (
	"slices"
	"testing"

	"cleave/layout"
	"cleave/model"
	"cleave/model/goldens"
	"cleave/model/op"

	G "gorgonia.org/gorgonia"
)

// Our references and PyTorch's are both float64; they differ by rounding alone.
const bound = 1e-12

func compare(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if e := goldens.Error(got, want); e > bound {
		t.Errorf("%s: error %.2g", what, e)
	}
}

// One step on the whole graph gives PyTorch's logits, loss, counts and gradients.
func TestOracleAgreesWithPyTorch(t *testing.T) {
	for _, name := range goldens.Names() {
		t.Run(name, func(t *testing.T) {
			g := goldens.Load(t, name)
			n := trained(t, g)
			wanted := append([]*G.Node{n.Logits, n.Loss, n.Hits}, n.Grads...)
			got, err := goldens.Tape(n.Graph, g.Leaves(), wanted...)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, "logits", got[0], g.Logits)
			compare(t, "loss", got[1], []float64{g.Loss})
			compare(t, "hits", got[2], g.Hits[:])
			if len(n.Grads) != len(g.Grads) {
				t.Errorf("%d gradients, PyTorch has %d", len(n.Grads), len(g.Grads))
			}
			for i, p := range n.Params {
				compare(t, "gradient of "+p.Name, got[3+i], g.Grads[p.Name])
			}
		})
	}
}

// The steps of SGD on one batch lead to PyTorch's weights and statistics, and evaluation
// with those to its logits.
func TestStepsAgreeWithPyTorch(t *testing.T) {
	for _, name := range goldens.Names() {
		t.Run(name, func(t *testing.T) {
			g := goldens.Load(t, name)
			n := trained(t, g)
			leaves := g.Leaves()
			stats := steps(t, g, n, leaves)
			for _, p := range n.Params {
				compare(t, p.Name, leaves[p.Name], g.After[p.Name])
			}
			if len(stats) != len(g.Stats) {
				t.Errorf("%d statistics, PyTorch has %d", len(stats), len(g.Stats))
			}
			for name, v := range stats {
				compare(t, name, v, g.Stats[name])
				leaves[name] = v
			}
			eval, err := g.Build(false)
			if err != nil {
				t.Fatal(err)
			}
			got, err := goldens.Tape(eval.Graph, leaves, eval.Logits)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, "logits of evaluation", got[0], g.EvalLogits)
		})
	}
}

func trained(t *testing.T, g *goldens.Golden) *model.Net {
	t.Helper()
	n, err := g.Build(true)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Differentiate(); err != nil {
		t.Fatal(err)
	}
	return n
}

// steps trains: it moves the weights among leaves and returns the running statistics.
func steps(t *testing.T, g *goldens.Golden, n *model.Net, leaves map[string][]float64) map[string][]float64 {
	t.Helper()
	momentum, stats := map[string][]float64{}, map[string][]float64{}
	wanted := slices.Clone(n.Grads)
	for _, s := range n.Stats {
		wanted = append(wanted, s.Source)
		stats[s.Name] = slices.Repeat([]float64{s.Init.Const}, s.Shape.Volume())
	}
	for range g.Steps {
		got, err := goldens.Tape(n.Graph, leaves, wanted...)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range n.Params {
			w := leaves[p.Name]
			if momentum[p.Name] == nil {
				momentum[p.Name] = make([]float64, len(w))
			}
			update(op.SGD{Mu: g.Momentum, Decay: g.Decay}, w, w, momentum[p.Name], got[i], []float64{g.Rate})
		}
		for i, s := range n.Stats {
			v := stats[s.Name]
			update(op.RunningStat{Rate: s.Rate, Unbias: s.Unbias}, v, v, got[len(n.Grads)+i])
		}
	}
	return stats
}

// update runs an element-wise op on vectors.
func update(o op.Op, out []float64, in ...[]float64) {
	shapes, frags := make([]layout.Shape, len(in)), make([]op.Frag, len(in))
	for i, v := range in {
		shapes[i] = layout.Shape{len(v), 1, 1, 1}
		frags[i] = op.Frag{Box: shapes[i].Box(), Data: v}
	}
	box := layout.Shape{len(out), 1, 1, 1}.Box()
	o.Run(shapes, layout.Work{Out: box, Red: layout.Span{Lo: 0, Hi: 1}}, op.Frag{Box: box, Data: out}, frags)
}
