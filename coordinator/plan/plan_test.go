package plan_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cleave/coordinator/plan"
	"cleave/layout"
	"cleave/model/catalog"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// graph builds a net of the catalogue at its own image size and reads it.
func graph(t testing.TB, name string, batch int, train bool) *plan.Graph {
	t.Helper()
	cfg, err := catalog.Default(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Batch, cfg.Train = batch, train
	net, err := catalog.Build(name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if train {
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

var nets = []string{"alexnet", "alexnet-cifar", "alexnet-mini", "resnext29-4x16d", "resnext50-32x4d"}

// TestEveryElementHasAHome checks, over nets, policies and ranks, that the homes of every
// tensor hold all of it and that its owners hold every element once.
func TestEveryElementHasAHome(t *testing.T) {
	eachPlan(t, func(t *testing.T, p *plan.Plan) {
		for _, x := range p.Graph.Tensors {
			h := p.Homes[x.ID]
			if left := layout.MinusEach(x.Shape.Box(), h); len(left) > 0 {
				t.Fatalf("%s: nobody keeps %v", x.Name, left)
			}
			volume := 0
			for r, b := range h.Owners(plan.Small, x.ID) {
				volume += b.Volume()
				if !h[r].Holds(b) {
					t.Fatalf("%s: rank %d owns %v and keeps %v", x.Name, r, b, h[r])
				}
			}
			if volume != x.Shape.Volume() {
				t.Fatalf("%s: owners hold %d elements of %d", x.Name, volume, x.Shape.Volume())
			}
		}
	})
}

// TestEveryElementIsComputed checks that the works of every op cover its output, that
// final works take the whole reduction of what they compute, and that summands are
// computed once.
func TestEveryElementIsComputed(t *testing.T) {
	eachPlan(t, func(t *testing.T, p *plan.Plan) {
		for _, n := range p.Graph.Insts {
			var outs []layout.Box
			for _, w := range p.Works[n.ID] {
				if !w.Empty() {
					outs = append(outs, w.Out)
				}
			}
			if left := layout.MinusEach(n.Out.Shape.Box(), outs); len(left) > 0 {
				t.Fatalf("%s: nobody computes %v", n.Out.Name, left)
			}
			if n.Dest != nil && cmp.Diff(p.Homes[n.Dest.ID], p.Homes[n.Out.ID]) != "" {
				t.Fatalf("%s: home differs from that of %s", n.Out.Name, n.Dest.Name)
			}
			for i, v := range p.Works[n.ID] {
				for _, w := range p.Works[n.ID][:i] {
					if p.Summands[n.ID] && !v.Out.And(w.Out).Empty() && v.Red.And(w.Red).Len() > 0 {
						t.Fatalf("%s: two ranks compute the same summands of %v", n.Out.Name, v.Out.And(w.Out))
					}
				}
			}
		}
	})
}

func eachPlan(t *testing.T, check func(t *testing.T, p *plan.Plan)) {
	for _, name := range nets {
		for _, train := range []bool{true, false} {
			g := graph(t, name, 12, train)
			for _, policy := range plan.Policies() {
				for ranks := 1; ranks <= 5; ranks++ {
					t.Run(fmt.Sprintf("%s/%s/%d/train=%v", name, policy, ranks, train), func(t *testing.T) {
						p, err := plan.New(g, policy, ranks)
						if err != nil {
							t.Fatal(err)
						}
						check(t, p)
					})
				}
			}
		}
	}
}

// TestGroupsStayWhole checks that a grouped convolution on two ranks, and both its
// gradients, are cut at the border of the groups and leave no summands, and that dense
// data gradients leave some.
func TestGroupsStayWhole(t *testing.T) {
	g := graph(t, "alexnet", 4, true)
	p, err := plan.New(g, "alexnet2012", 2)
	if err != nil {
		t.Fatal(err)
	}
	summands := map[string]bool{}
	for _, n := range g.Insts {
		if p.Summands[n.ID] {
			summands[n.Out.Name] = true
		}
	}
	for _, layer := range []string{"conv2", "conv4", "conv5"} {
		if summands[layer+"/conv-data-grad"] || summands[layer+"/conv-filter-grad"] {
			t.Errorf("%s has two groups and leaves summands on two ranks", layer)
		}
	}
	for _, layer := range []string{"conv3", "fc6", "fc7", "fc8"} {
		if !summands[layer+"/conv-data-grad"] {
			t.Errorf("%s reads all channels: its data gradient must be summed over the ranks", layer)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		net, policy string
		batch       int
		ranks       int
		want        string
	}{
		{"alexnet-mini", "data", 2, 3, "a batch of 2 is too small for 3 workers"},
		{"alexnet-mini", "sideways", 8, 2, `unknown policy "sideways": choose one of alexnet2012, model, data`},
		{"alexnet-mini", "model", 8, 0, "0 workers"},
		{"alexnet-mini", "model", 8, 500, "too few for 500 workers"},
	} {
		_, err := plan.New(graph(t, c.net, c.batch, true), c.policy, c.ranks)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s, batch %d, %d ranks: got %v, want %q", c.net, c.policy, c.batch, c.ranks, err, c.want)
		}
	}
}

// TestReadIsStable reads the same net several times: the order must not depend on maps or
// pointers.
func TestReadIsStable(t *testing.T) {
	var first string
	for i := range 5 {
		p, err := plan.New(graph(t, "resnext29-4x16d", 4, true), "model", 3)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = p.Text()
		} else if d := cmp.Diff(first, p.Text()); d != "" {
			t.Fatal(d)
		}
	}
}

func TestGolden(t *testing.T) {
	for _, c := range []struct {
		net, policy string
		ranks       int
	}{{"alexnet-mini", "alexnet2012", 2}, {"alexnet-mini", "data", 3}, {"resnext29-2x4d", "model", 3}} {
		p, err := plan.New(graph(t, c.net, 6, true), c.policy, c.ranks)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", fmt.Sprintf("%s-%s-%d.txt", c.net, c.policy, c.ranks))
		if *update {
			if err := os.WriteFile(path, []byte(p.Text()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), p.Text()); d != "" {
			t.Errorf("%s (-want +got; -update to accept):\n%s", path, d)
		}
	}
}
