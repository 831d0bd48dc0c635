package cpu

import (
	"fmt"
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
		if t.tiles[0].run != nil {
			ts = append(ts, t)
		}
	}
	return ts
}

// inGo returns a tier of t's tiles run by their references: the geometry of a tier that
// this machine may lack.
func inGo(t *tier) *tier {
	g := &tier{name: t.name + "-in-go", lanes: t.lanes, rows: genericRows}
	for _, k := range t.tiles {
		g.tiles = append(g.tiles, tile{k.mr, k.nr, func(a, b []float32, off []int, c []float32, ldc int, add bool) {
			tileReference(k.mr, k.nr, a, b, off, c, ldc, add)
		}})
	}
	for _, k := range t.dots {
		g.dots = append(g.dots, dotTile{k.mr, k.nr, func(a []float32, offA []int, b []float32, offB []int, n, segments, stepA, stepB int, sums []float32) {
			dotReference(k.mr, k.nr, a, offA, b, offB, n, segments, stepA, stepB, sums)
		}})
	}
	return g
}

func TestConformance(t *testing.T) {
	for _, tier := range available() {
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
