package program_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"cleave/coordinator/plan"
	"cleave/coordinator/program"
	"cleave/kernels/cpu"
	"cleave/layout"
)

// randomPlan gives every tensor any home and every op any works that make sense at all:
// uneven and empty shares, grids of towers and samples, single keepers, weights cut along
// their columns, reductions cut anywhere.
func randomPlan(rng *rand.Rand, g *plan.Graph, ranks int, homes map[string]layout.Home) *plan.Plan {
	p := &plan.Plan{Graph: g, Policy: "random", Ranks: ranks, Homes: make([]layout.Home, len(g.Tensors))}
	for _, t := range g.Tensors {
		h, known := homes[t.Name]
		if !known {
			h = randomHome(rng, t, ranks)
		}
		p.Homes[t.ID] = h
	}
	for _, n := range g.Insts { // an update is computed where its state is kept
		if n.Dest == nil {
			continue
		}
		for _, t := range append(slices.Clone(n.In), n.Out) {
			if t.Persistent() || t == n.Out {
				p.Homes[t.ID] = p.Homes[n.Dest.ID]
			}
		}
	}
	for _, t := range g.Tensors {
		if t.Persistent() {
			homes[t.Name] = p.Homes[t.ID]
		}
	}
	for _, n := range g.Insts {
		w, summands := randomWorks(rng, n, p.Homes[n.Out.ID])
		p.Works, p.Summands = append(p.Works, w), append(p.Summands, summands)
	}
	return p
}

func randomCuts(rng *rand.Rand, n, parts int) layout.Cuts {
	c := layout.Cuts{0, n}
	for range parts - 1 {
		c = append(c, rng.IntN(n+1))
	}
	slices.Sort(c)
	return c
}

func randomHome(rng *rand.Rand, t *plan.Tensor, ranks int) layout.Home {
	switch k := rng.IntN(6); {
	case k == 0 && t.Axes.Batch >= 0:
		return layout.Split(t.Shape, t.Axes.Batch, randomCuts(rng, t.Shape[t.Axes.Batch], ranks))
	case k == 1 && t.Axes.Batch < 0 && t.Shape[1] > 1:
		return layout.Split(t.Shape, 1, randomCuts(rng, t.Shape[1], ranks))
	case k <= 2 && t.Axes.Chan >= 0:
		return layout.Split(t.Shape, t.Axes.Chan, randomCuts(rng, t.Shape[t.Axes.Chan], ranks))
	case k == 3 && ranks == 4 && t.Axes.Chan >= 0 && t.Axes.Batch >= 0:
		chans := layout.Split(t.Shape, t.Axes.Chan, randomCuts(rng, t.Shape[t.Axes.Chan], 2))
		batch := layout.Split(t.Shape, t.Axes.Batch, randomCuts(rng, t.Shape[t.Axes.Batch], 2))
		h := make(layout.Home, ranks)
		for r := range h {
			h[r] = chans[r/2].And(batch[r%2])
		}
		return h
	case k == 4:
		h := make(layout.Home, ranks)
		h[rng.IntN(ranks)] = t.Shape.Box()
		return h
	}
	return layout.Replicated(t.Shape, ranks)
}

func randomWorks(rng *rand.Rand, n *plan.Inst, home layout.Home) ([]layout.Work, bool) {
	in := n.Shapes()
	red := n.Op.Reduction(in)
	all := layout.Span{Lo: 0, Hi: 1}
	if red.In >= 0 {
		all.Hi = in[red.In][red.Axis]
	}
	works := make([]layout.Work, len(home))
	if n.Dest != nil || red.In < 0 || rng.IntN(3) == 0 {
		for r, b := range home {
			if !b.Empty() {
				works[r] = layout.Work{Out: b, Red: all}
			}
		}
		return works, false
	}
	cuts := randomCuts(rng, all.Hi, len(home))
	for r := range works {
		w := layout.Work{Out: n.Out.Shape.Box(), Red: cuts.Span(layout.Rank(r))}
		if w.Empty() {
			continue
		}
		if w.Out = n.Op.Reach(in, w); !w.Empty() {
			works[r] = w
		}
	}
	return works, true
}

// TestRandomPlans splits nets in ways that no policy has yet, and compares all that comes
// out with the ops' own reference.
func TestRandomPlans(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for name := range small {
		f := load(t, name)
		var want result
		for seed := range rounds {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(seed), 1))
				ranks := 2 + rng.IntN(3)
				homes := map[string]layout.Home{}
				train, eval := randomPlan(rng, f.train, ranks, homes), randomPlan(rng, f.eval, ranks, homes)
				b := build(t, train, eval, program.Options{
					Seed: 5, Sizers: sizers(cpu.Sizer{Threads: 1}, ranks),
					NoFusion: rng.IntN(4) == 0, NoSchedule: rng.IntN(4) == 0, NoReuse: rng.IntN(4) == 0,
				})
				if err := b.Validate(); err != nil {
					t.Fatal(err)
				}
				got, start := runProgram(t, b, f.train, delivery(rng.IntN(2)))
				if want.outputs == nil {
					want = runOracle(t, f.train, f.eval, start)
				}
				compare(t, got, want, 2e-5)
			})
		}
	}
}
