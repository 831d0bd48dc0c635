package program_test

import (
	"testing"

	"cleave/coordinator/plan"
	"cleave/coordinator/program"
	"cleave/kernels"
	"cleave/model"
	"cleave/model/catalog"
)

// read builds a net for training or evaluation and reads its graph.
func read(t testing.TB, name string, train bool, change func(*model.Config)) *plan.Graph {
	t.Helper()
	cfg, err := catalog.Default(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Train = train
	if change != nil {
		change(&cfg)
	}
	net, err := catalog.Build(name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return graphOf(t, net)
}

func graphOf(t testing.TB, net *model.Net) *plan.Graph {
	t.Helper()
	if net.Config.Train {
		if err := net.Differentiate(); err != nil {
			t.Fatal(err)
		}
	}
	g, err := plan.Read(net, plan.Optimizer{Momentum: 0.9, Decay: 5e-4})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func planned(t testing.TB, g *plan.Graph, policy string, ranks int) *plan.Plan {
	t.Helper()
	p, err := plan.New(g, policy, ranks)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sizers(s kernels.Sizer, ranks int) []kernels.Sizer {
	out := make([]kernels.Sizer, ranks)
	for r := range out {
		out[r] = s
	}
	return out
}

func build(t testing.TB, train, eval *plan.Plan, o program.Options) *program.Bundle {
	t.Helper()
	if o.Sizers == nil {
		o.Sizers = sizers(flat{}, train.Ranks)
	}
	b, err := program.Build(train, eval, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
