package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Tiles deal vectors while they compute, in the order in which pixels lie, and nothing else; what
// they leave is dealt in the end.
func TestTilesDealWhileTheyCompute(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 11))
	eachTier(t, func(t *testing.T, tier *tier) {
		lanes := tier.lanesTile.width
		check := func(name string, per, channels int, run func(d *dealing) (vectors int)) {
			rows, cols, vectors := 3, 5, ceil(channels, lanes)
			fromCol, toRow := channels+3, cols*lanes+7
			fromRow, toVector := cols*fromCol+2, rows*toRow+5
			from := randoms(r, rows*fromRow)
			whole := canaries(vectors*toVector + 4)
			dealInReference(tier)(per, whole, from, rows, cols, channels, toRow, toVector, fromRow, fromCol)
			got := canaries(len(whole))
			d := tier.newDealing(per, got, from, rows, cols, channels, toRow, toVector, fromRow, fromCol)
			dealt := run(&d) + run(&d)
			if channels%lanes != 0 {
				dealt = 0
			}
			expect := canaries(len(whole))
			for j := range min(dealt, rows*cols*vectors) {
				at := j%vectors*toVector + j/vectors/cols*toRow + j/vectors%cols*lanes
				copy(expect[at:][:lanes], whole[at:])
			}
			sameUpTo(t, name, got, expect, 0)
			if left := channels%lanes == 0 && dealt < rows*cols*vectors; d.left() != left {
				t.Errorf("%s: left is %v", name, !left)
			}
			d.finish(tier, per)
			if d.left() {
				t.Errorf("%s: finished, and yet not", name)
			}
			sameUpTo(t, name+", finished", got, whole, 0)
		}
		for i := range tier.narrows {
			k := &tier.narrows[i]
			xCol := max(1, k.stride) * k.lanes
			for _, channels := range []int{lanes, 3 * lanes, 2*lanes - 1} {
				for _, n := range [][2]int{{1, 1}, {1, 3}, {1, 5}, {1, 15}, {2, 4}, {3, 17}} {
					name := fmt.Sprintf("groups of %d, %d×%d taps, %d channels, %v positions", k.per, k.taps, k.rows, channels, n)
					dy, x := randoms(r, n[0]*n[1]*lanes), randoms(r, (n[0]*n[1]+2*k.rows)*xCol)
					sums := make([]float32, k.sums()/k.per*k.block)
					deals := max(1, k.stride)
					if k.lanes == generic.lanesTile.width { // in Go
						deals = 0
					}
					check(name, k.per, channels, func(d *dealing) int {
						k.run(dy, x, 1, n[0], n[1], n[1]*lanes, lanes, n[1]*xCol, xCol, k.lanes, sums, d.to, d.from, tier.order(k.per), d.words[:])
						return n[0] * n[1] * deals
					})
				}
			}
		}
		left := func(d *dealing) int { // vectors, of rows of five pixels
			if !d.left() {
				return 0
			}
			return (d.words[dealRows]-1)*5 + d.words[dealLines]
		}
		for i := range tier.dealts {
			k := &tier.dealts[i]
			xRow := (k.stride*(k.outputs-1) + 3) * lanes
			for rows := 1; rows <= 2; rows++ {
				w, x, y := randoms(r, 9*k.per*lanes), randoms(r, ((rows-1)*k.stride+3)*xRow), make([]float32, rows*k.outputs*lanes)
				check(fmt.Sprintf("%d outputs, groups of %d, %d rows", k.outputs, k.per, rows), k.per, lanes, func(d *dealing) int {
					before := left(d)
					k.run(w, x, rows, xRow, y, k.outputs*lanes, lanes, k.order(), make([]float32, lanes), 0, nil, 0, d.to, d.from, tier.order(k.per), d.words[:])
					return before - left(d)
				})
			}
		}
	})
}

// A block's rows never lie where those in use do, and within the panel.
func TestNarrowBlocksHaveRoom(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 13))
	for range 300 {
		g := &geometry{samples: 1 + r.IntN(4), groups: 4, k: 4, c: 4, stride: [2]int{1 + r.IntN(3), 1 + r.IntN(2)}, dilation: [2]int{1 + r.IntN(2), 1}, kernel: [2]int{1 + r.IntN(5), 3}}
		g.before = [2]int{r.IntN(2), 1}
		g.out = [2]int{1 + r.IntN(30), 1 + r.IntN(9)}
		for a := range g.in {
			g.in[a] = max(1, (g.out[a]-1)*g.stride[a]+1+(g.kernel[a]-1)*g.dilation[a]-g.before[a]-r.IntN(2))
		}
		f := g.narrowGrad(&avx2, 2)
		here := f.place(0)
		for block := 1; block < f.blocks(); block++ {
			next := f.after(here, block)
			if next.x+f.extent > f.copied[0] || next.dy == here.dy {
				t.Fatalf("%+v: %+v after %+v", f, next, here)
			}
			fresh := next.x + next.have
			if next.have < f.extent && fresh < here.x+f.extent && here.x < next.x+f.extent {
				t.Fatalf("%+v: %+v deals over %+v", f, next, here)
			}
			if top := func(p narrowPlace) int { return p.row*f.stride[0] - p.x }; next.have > 0 && (next.n != here.n || top(next) != top(here)) {
				t.Fatalf("%+v: %+v does not follow %+v", f, next, here)
			}
			here = next
		}
	}
}
