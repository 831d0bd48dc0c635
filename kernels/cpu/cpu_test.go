package cpu

import (
	"fmt"
	"slices"
	"testing"

	"cleave/kernels"
	"cleave/kernels/kerneltest"

	"go.uber.org/goleak"
)

// race is whether the race detector, which makes the suite slow, watches.
var race bool

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opener opens backends of one tier.
func opener(t *tier, threads int) func(*testing.T) kernels.Backend {
	return func(*testing.T) kernels.Backend { return newBackend(threads, t, nil) }
}

// available lists the tiers that this machine runs.
func available() []*tier {
	var ts []*tier
	for _, t := range tiers {
		if t.lanesTile.run != nil {
			ts = append(ts, t)
		}
	}
	return ts
}

// inGo returns a tier of t's tiles run by their references: the geometry of a tier that
// this machine may lack.
func inGo(t *tier) *tier {
	g := *t
	g.name, g.rows = t.name+"-in-go", genericRows
	g.tiles, g.outers, g.narrows, g.dots = slices.Clone(t.tiles), slices.Clone(t.outers), slices.Clone(t.narrows), slices.Clone(t.dots)
	for i := range g.tiles {
		g.tiles[i].run = inReference(&g.tiles[i])
	}
	g.lanesTile.run = lanesInReference(&g.lanesTile)
	g.direct = slices.Clone(t.direct)
	for i := range g.direct {
		g.direct[i].run = directInReference(&g.direct[i])
	}
	g.directGrads = slices.Clone(t.directGrads)
	for i := range g.directGrads {
		g.directGrads[i].run = directGradInReference(&g.directGrads[i])
	}
	if t.half != nil {
		g.half = inGo(t.half)
	}
	g.planars = slices.Clone(t.planars)
	for i := range g.planars {
		g.planars[i].run = planarInReference(&g.planars[i])
	}
	g.squares = slices.Clone(t.squares)
	for i := range g.squares {
		g.squares[i].run = squareInReference(&g.squares[i])
	}
	g.dealts = slices.Clone(t.dealts)
	for i := range g.dealts {
		g.dealts[i].run = dealtInReference(&g.dealts[i])
	}
	for i := range g.outers {
		g.outers[i].run = outerInReference(&g.outers[i])
	}
	for i := range g.narrows {
		g.narrows[i].run = narrowInReference(&g.narrows[i])
	}
	g.deal = dealInReference(t)
	for i, k := range g.dots {
		g.dots[i].run = func(a []float32, offA []int, b []float32, offB []int, n, segments, stepA, stepB int, sums []float32) {
			dotReference(k.mr, k.nr, a, offA, b, offB, n, segments, stepA, stepB, sums)
		}
	}
	return &g
}

func TestConformance(t *testing.T) {
	for _, tier := range tiers {
		if tier.lanesTile.run == nil {
			t.Run(tier.name, func(t *testing.T) { t.Skip("this machine or build lacks it") })
			continue
		}
		for _, threads := range []int{1, 2, 3} {
			if (testing.Short() || race) && threads != 2 || race && tier != &generic {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", tier.name, threads), func(t *testing.T) { kerneltest.Run(t, opener(tier, threads)) })
		}
	}
}

func TestThreadsDoNotMatter(t *testing.T) {
	for i, tier := range available() {
		if race && tier != &generic {
			continue
		}
		threads := 2 + i%2
		t.Run(fmt.Sprintf("%s/%d", tier.name, threads), func(t *testing.T) { kerneltest.Same(t, opener(tier, 1), opener(tier, threads)) })
	}
}

// The tiers differ in the sizes of tiles, which decide how work is divided; the widest
// must fit the sizer's workspace too.
func TestConformanceOfTheWidestTiles(t *testing.T) {
	if testing.Short() || race {
		t.Skip("slow")
	}
	kerneltest.Run(t, opener(inGo(&avx512), 2))
}
