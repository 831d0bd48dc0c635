package cpu

import (
	"fmt"
	"os"
)

// tier is a set of inner loops for one kind of processor. All tiers' tiles are known on
// every machine, for the sizer; run is nil where the machine lacks the instructions or
// the build left them out.
type tier struct {
	name        string
	lanes       int              // of a vector
	tiles       []tile           // of convolutions and their data gradients
	half        *tier            // whose tiles are used where half of a vector is enough; nil: none
	lanesTile   tile             // the same in lanes
	spread      int              // the most channels of a group for which it is used: 1, 2, 4 …
	direct      []directTile     // of narrow groups that are read where they are
	directGrads []directGradTile // of data gradients of stride 2 in such groups
	planars     []planarTile     // of groups that fill no vectors
	squares     []squareTile     // of depthwise convolutions, likewise
	dealts      []dealtTile      // of narrow groups, where the tier deals in an order
	outers      []outerTile      // of filter gradients
	narrows     []narrowTile     // of those of narrow groups; of one row of taps the longest first
	deal        dealFunc         // to the narrows' vectors
	dealt       bool             // in the order of dealtChannel
	dots        []dotTile        // of linear layers
	rows        rowOps
	caches      caches // that calls are divided for
	asks        bool   // tiles of several vectors ask for filter elements before they take them
	beyond      bool   // tiles may read beyond an operand, and drop what they read
}

// tilesFor returns the tiles for groups of m output channels.
func (t *tier) tilesFor(m int) []tile {
	if t.half != nil && m <= t.half.lanes {
		return t.half.tiles
	}
	return t.tiles
}

// whole reports whether tiles may read n channels where they are, unit at a time. Tiles in
// Go may not read beyond them: a neighbour in memory may be written just then, which is a
// race by the rules of the language even if what is read is dropped.
func (t *tier) whole(n, unit int) bool { return t.beyond || n%unit == 0 }

// dotTile multiplies rows with rows.
//
//	sums[i·nr+j] = Σₛ Σₜ a[offA[i]+s·stepA+t] · b[offB[j]+s·stepB+t]   for t < n, s < segments
//
// n is a multiple of dotUnit. dotReference is the same in Go.
type dotTile struct {
	mr, nr int
	run    dotFunc
}

type dotFunc = func(a []float32, offA []int, b []float32, offB []int, n, segments, stepA, stepB int, sums []float32)

// dotTable holds what a thread hands to a dotTile.
type dotTable struct {
	rows, cols [8]int
	sums       [32]float32
	_          [64]byte // threads write it often: keep their cache lines apart
}

// dotUnit divides the length of every dotTile's rows.
const dotUnit = 16

var tiers = []*tier{&generic, &avx2, &avx512}

var generic = tier{
	name:      "generic",
	lanes:     1,
	tiles:     []tile{{2, 4, 4, tile2x4}},
	lanesTile: tile{2, 4, 4, lanes2x4},
	spread:    4,
	outers:    []outerTile{{2, 4, 4, outer2x4}},
	narrows:   []narrowTile{{per: 1, block: 1, taps: 1, rows: 1, lanes: 4, run: narrow1x4}, {per: 2, block: 2, taps: 1, rows: 1, lanes: 4, run: narrowPairs1x4}, {per: 4, block: 4, taps: 1, rows: 1, lanes: 4, run: narrowFours1x4}},
	deal:      dealGo,
	dots:      []dotTile{{2, 2, dot2x2}},
	rows:      genericRows,
	caches:    usualCaches,
}

// chosen returns the tier that CLEAVE_CPU asks for, or else the best that this machine has.
func chosen() (*tier, error) {
	want := os.Getenv("CLEAVE_CPU")
	var best *tier
	for _, t := range tiers {
		if t.tiles[0].run == nil {
			if want == t.name {
				return nil, fmt.Errorf("cpu: this machine or build lacks CLEAVE_CPU=%s", want)
			}
			continue
		}
		if want == t.name {
			return t, nil
		}
		best = t
	}
	if want != "" {
		return nil, fmt.Errorf("cpu: CLEAVE_CPU=%s is none of generic, avx2, avx512", want)
	}
	return best, nil
}

// Tier names the instructions that New's backends use: generic, avx2 or avx512; empty
// where Check reports an error.
func Tier() string {
	t, err := chosen()
	if err != nil {
		return ""
	}
	return t.name
}

// dotFor returns the dotTile that wastes least on m rows and n columns.
func (t *tier) dotFor(m, n int) dotTile {
	var best dotTile
	least := 0
	for _, k := range t.dots {
		fma, load := 3*k.mr*k.nr, 2*k.mr+3*k.nr // b's rows begin anywhere: half of their loads span two lines
		if cost := ceil(m, k.mr) * ceil(n, k.nr) * max(fma, load); best.mr == 0 || cost < least {
			best, least = k, cost
		}
	}
	return best
}

func ceil(a, b int) int    { return (a + b - 1) / b }
func roundUp(a, b int) int { return ceil(a, b) * b }
