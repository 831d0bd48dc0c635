package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// canary fills what a tile must not touch.
var canary = math.Float32frombits(0x7fc0dead)

func randoms(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = r.Float32()*2 - 1
	}
	return x
}

// eachTier calls f for every tier that can run here, and for those of the assembly in
// emulation.
func eachTier(t *testing.T, f func(t *testing.T, tier *tier)) {
	for _, tier := range append(available(), emulatedTiers(t)...) {
		t.Run(tier.name, func(t *testing.T) { f(t, tier) })
	}
}

func inReference(k *tile) tileFunc {
	return func(w, x []float32, runs, at []int, y []float32, to []int, start []float32, last int, _ []float32, _ int, low float32) {
		tileReference(k.positions, k.width, k.vector, w, x, runs, at, y, to, start, last, low)
	}
}

func lanesInReference(k *tile) tileFunc {
	return func(w, x []float32, runs, at []int, y []float32, to []int, start []float32, last int, _ []float32, _ int, low float32) {
		lanesReference(k.positions, k.width, w, x, runs, at, y, to, start, last, low)
	}
}

func outerInReference(k *outerTile) outerFunc {
	return func(dy, x []float32, strips, images, rows, cols, dyImage, dyRow, dyCol, xImage, xRow, xCol int, sums, _ []float32, _ int, _, _ []float32, _ []int) {
		outerReference(k.rows, k.width, dy, x, strips, images, rows, cols, dyImage, dyRow, dyCol, xImage, xRow, xCol, sums)
	}
}

func narrowInReference(k *narrowTile) narrowFunc {
	return func(dy, x []float32, strips, rows, cols, dyRow, dyCol, xRow, xCol, xTap int, sums, to, from []float32, order []int32, deal []int) {
		narrowReference(k, dy, x, strips, rows, cols, dyRow, dyCol, xRow, xCol, xTap, sums)
	}
}

func dealInReference(t *tier) dealFunc {
	return func(per int, to, from []float32, rows, cols, channels, toRow, toVector, fromRow, fromCol int) {
		if !t.dealt {
			per = 0
		}
		dealReference(t.lanesTile.width, per, to, from, rows, cols, channels, toRow, toVector, fromRow, fromCol)
	}
}

func TestTilesComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(t *testing.T, k *tile, step int, want tileFunc) {
		for _, runs := range [][]int{{}, {3 * step, 4 * step, 2}, {0, 5 * step, 0, 7 * step, 8 * step, 5, 2 * step, 3 * step, 9}} {
			for _, tiles := range []int{1, 3} {
				for last := 1; last <= k.vector; last++ {
					for _, start := range [][]float32{nil, randoms(r, k.width)} {
						channels := k.width - k.vector + last
						w, x := randoms(r, 20*k.width), randoms(r, 10*step+50*tiles*k.positions)
						at, to := make([]int, tiles*k.positions), make([]int, tiles*k.positions)
						y := make([]float32, len(to)*(channels+3)+3)
						for i := range y {
							y[i] = canary
						}
						for i, p := range r.Perm(len(to)) {
							at[i], to[i] = r.IntN(len(x)-10*step), 3+p*(channels+3)
							copy(y[to[i]:], randoms(r, channels))
						}
						for i := 1; i < min(3, k.positions); i++ { // the last position may come again
							at[len(at)-i], to[len(to)-i] = at[len(at)-1], to[len(to)-1]
						}
						low := []float32{0, float32(math.Inf(-1))}[r.IntN(2)]
						expect := slices.Clone(y)
						want(w, x, runs, at, expect, to, start, last, nil, 0, low)
						k.run(w, x, runs, at, y, to, start, last, x, 32, low)
						sameUpTo(t, fmt.Sprintf("%dx%d, runs %v, %d tiles, last %d", k.positions, k.width, runs, tiles, last), y, expect, 10)
					}
				}
			}
		}
	}
	eachTier(t, func(t *testing.T, tier *tier) {
		for i := range tier.tiles {
			check(t, &tier.tiles[i], 1, inReference(&tier.tiles[i]))
		}
		check(t, &tier.lanesTile, tier.lanesTile.width, lanesInReference(&tier.lanesTile))
	})
}

func directInReference(d *directTile) directFunc {
	return func(w, x []float32, rows, xRow, xCol, xUnit, channels int, y []float32, _, yCol int, start []float32, units, ends int, low float32) {
		directReference(d, w, x, rows, xRow, xCol, xUnit, channels, y, yCol, start, units, ends, low)
	}
}

func TestDirectTilesComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	eachTier(t, func(t *testing.T, tier *tier) {
		for i := range tier.direct {
			d := &tier.direct[i]
			for ends := range 4 {
				for rows := 1; rows <= 3; rows++ {
					for _, units := range []int{1, 3} {
						channels, unit := d.per, d.lanes
						if d.per == 0 {
							channels = wideStep * (1 + r.IntN(3))
							unit = []int{0, channels}[r.IntN(2)]
						}
						xCol, yCol := max(units*unit, channels)+2, units*d.width()+3
						xRow := (d.columns() + 1) * xCol
						columns := d.columns() - ends&leftEnd - ends>>1
						w, x := randoms(r, units*9*channels*d.width()), randoms(r, (rows-1)*xRow+columns*xCol-2)
						start, y := randoms(r, units*d.width()), canaries(d.outputs*yCol+5)
						expect := slices.Clone(y)
						low := []float32{0, float32(math.Inf(-1))}[r.IntN(2)]
						directReference(d, w, x, rows, xRow, xCol, unit, channels, expect[2:], yCol, start, units, ends, low)
						d.run(w, x, rows, xRow, xCol, unit, channels, y[2:], 7*yCol, yCol, start, units, ends, low)
						sameUpTo(t, fmt.Sprintf("groups of %d (%d), stride %d, %d outputs, ends %d, %d rows, %d units", d.per, channels, d.stride, d.outputs, ends, rows, units), y, expect, 9*channels)
					}
				}
			}
		}
	})
}

func squareInReference(q *squareTile) squareFunc {
	return func(w, x []float32, xRow, xCol int, y []float32, yRow, yCol int, start []float32, units, ends int, low float32) {
		squareReference(q, w, x, xRow, xCol, y, yRow, yCol, start, units, ends, low)
	}
}

func TestSquareTilesComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 15))
	eachTier(t, func(t *testing.T, tier *tier) {
		for i := range tier.squares {
			q := &tier.squares[i]
			for ends := range 4 {
				for _, units := range []int{1, 3} {
					xCol, yCol := units*q.lanes+2, units*q.lanes+3
					columns := q.outputs + 2 - ends&leftEnd - ends>>1
					xRow, yRow := columns*xCol+5, q.outputs*yCol+4
					w, x := randoms(r, units*9*q.lanes), randoms(r, (q.rows+1)*xRow+columns*xCol-2)
					start, y := randoms(r, units*q.lanes), canaries(q.rows*yRow+5)
					expect := slices.Clone(y)
					low := []float32{0, float32(math.Inf(-1))}[r.IntN(2)]
					squareReference(q, w, x, xRow, xCol, expect[2:], yRow, yCol, start, units, ends, low)
					q.run(w, x, xRow, xCol, y[2:], yRow, yCol, start, units, ends, low)
					sameUpTo(t, fmt.Sprintf("%d×%d outputs, ends %d, %d units", q.rows, q.outputs, ends, units), y, expect, 9)
				}
			}
		}
	})
}

func directGradInReference(d *directGradTile) directGradFunc {
	return func(w, dy []float32, rows, dyRow, dyCol, dyUnit, channels int, dx []float32, dxRow, dxCol int, units, ends int) {
		directGradReference(d, w, dy, rows, dyRow, dyCol, dyUnit, channels, dx, dxRow, dxCol, units, ends)
	}
}

func TestDirectGradTilesComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	eachTier(t, func(t *testing.T, tier *tier) {
		for i := range tier.directGrads {
			d := &tier.directGrads[i]
			for _, ends := range []int{0, rightEnd} {
				for rows := 1; rows <= 2; rows++ {
					for _, units := range []int{1, 3} {
						channels, unit := d.per, d.lanes
						if d.per == 0 {
							channels = wideStep * (1 + r.IntN(3))
							unit = []int{0, channels}[r.IntN(2)]
						}
						dyCol, dxCol := max(units*unit, channels)+2, units*d.lanes+3
						dyRow, dxRow := (d.positions+2)*dyCol, (2*d.positions+1)*dxCol
						w, dy := randoms(r, units*9*channels*d.lanes), randoms(r, (rows-1)*dyRow+(d.positions+1-ends/rightEnd)*dyCol-2)
						dx := canaries(dxRow + (2*d.positions-1)*dxCol + units*d.lanes + 5)
						expect := slices.Clone(dx)
						directGradReference(d, w, dy, rows, dyRow, dyCol, unit, channels, expect[2:], dxRow, dxCol, units, ends)
						d.run(w, dy, rows, dyRow, dyCol, unit, channels, dx[2:], dxRow, dxCol, units, ends)
						sameUpTo(t, fmt.Sprintf("groups of %d (%d), ends %d, %d rows, %d units", d.per, channels, ends, rows, units), dx, expect, 4*channels)
					}
				}
			}
		}
	})
}

func planarInReference(d *planarTile) planarFunc {
	return func(w, x []float32, taps []int, channels, plane int, at []int, y []float32, to []int, yPlane int, start []float32, low float32, _ []float32, _ int) {
		planarReference(d, w, x, taps, channels, plane, at, y, to, yPlane, start, low)
	}
}

func TestPlanarTilesComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	eachTier(t, func(t *testing.T, tier *tier) {
		for i := range tier.planars {
			d := &tier.planars[i]
			for channels := 1; channels <= 3; channels++ {
				for tiles := 1; tiles <= 2; tiles++ {
					plane, n := 200+r.IntN(9), tiles*d.vectors
					yPlane := n*d.lanes + 3
					var taps, at, to []int
					for j := range r.IntN(4) {
						taps = append(taps, r.IntN(20), j*channels*d.outputs)
					}
					for j, p := range r.Perm(n) {
						at, to = append(at, r.IntN(100)), append(to, p*d.lanes)
						if j == n-1 && j > 0 { // the last vector may come again
							at[j], to[j] = at[j-1], to[j-1]
						}
					}
					w, x := randoms(r, 3*channels*d.outputs), randoms(r, channels*plane)
					y, start := canaries(d.outputs*yPlane+4), randoms(r, d.outputs)
					expect := slices.Clone(y)
					low := []float32{0, float32(math.Inf(-1))}[r.IntN(2)]
					planarReference(d, w, x, taps, channels, plane, at, expect[2:], to, yPlane, start, low)
					d.run(w, x, taps, channels, plane, at, y[2:], to, yPlane, start, low, x, 64)
					sameUpTo(t, fmt.Sprintf("%dx%d, %d channels, taps %v, %d tiles", d.outputs, d.vectors*d.lanes, channels, taps, tiles), y, expect, 3*channels)
				}
			}
		}
	})
}

func dealtInReference(d *dealtTile) dealtFunc {
	return func(w, x []float32, rows, xRow int, y []float32, yRow, yCol int, order []int32, start []float32, low float32, _ []float32, _ int, _, _ []float32, _ []int32, _ []int) {
		dealtReference(d, w, x, rows, xRow, y, yRow, yCol, order, start, low)
	}
}

func TestDealtTilesComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	eachTier(t, func(t *testing.T, tier *tier) {
		for i := range tier.dealts {
			d := &tier.dealts[i]
			for rows := 1; rows <= 3; rows++ {
				xRow := (d.stride*(d.outputs-1)+3)*d.lanes + 5
				yCol := d.lanes + 3
				yRow := d.outputs*yCol + 1
				w, x := randoms(r, 9*d.per*d.lanes), randoms(r, ((rows-1)*d.stride+3)*xRow-5)
				y := canaries(rows*yRow + 2)
				expect, start := slices.Clone(y), randoms(r, d.lanes)
				low := []float32{0, float32(math.Inf(-1))}[r.IntN(2)]
				dealtReference(d, w, x, rows, xRow, expect[2:], yRow, yCol, d.order(), start, low)
				d.run(w, x, rows, xRow, y[2:], yRow, yCol, d.order(), start, low, x, 64, nil, nil, make([]int32, 16), make([]int, dealWords))
				sameUpTo(t, fmt.Sprintf("groups of %d, stride %d, %d outputs, %d rows", d.per, d.stride, d.outputs, rows), y, expect, 9*d.per)
			}
		}
	})
}

func TestOuterTilesComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	eachTier(t, func(t *testing.T, tier *tier) {
		for i := range tier.outers {
			k := &tier.outers[i]
			for _, n := range [][3]int{{1, 1, 1}, {1, 1, 7}, {2, 3, 4}} {
				dyCol, xCol := 17+r.IntN(5), 13+r.IntN(5)
				dyRow, xRow := 5*dyCol+r.IntN(9), 6*xCol+r.IntN(9)
				dyImage, xImage := 4*dyRow, 5*xRow
				dy, x := randoms(r, 2*dyImage+8*dyCol+64), randoms(r, 2*xImage+8*xCol+16*16)
				strips := 1 + r.IntN(3)
				all := strips * k.sums()
				sums := randoms(r, all+8)
				for i := range sums {
					if i < 4 || i >= 4+all {
						sums[i] = canary
					}
				}
				expect := slices.Clone(sums)
				outerReference(k.rows, k.width, dy, x, strips, n[0], n[1], n[2], dyImage, dyRow, dyCol, xImage, xRow, xCol, expect[4:])
				k.run(dy, x, strips, n[0], n[1], n[2], dyImage, dyRow, dyCol, xImage, xRow, xCol, sums[4:], x, 64, nil, nil, make([]int, copyWords))
				sameUpTo(t, fmt.Sprintf("%dx%d, %v", k.rows, k.width, n), sums, expect, n[0]*n[1]*n[2]+1)
			}
		}
	})
}

func TestNarrowTilesComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	eachTier(t, func(t *testing.T, tier *tier) {
		for i := range tier.narrows {
			k := &tier.narrows[i]
			for _, n := range [][2]int{{1, 1}, {1, 7}, {3, 4}} {
				for strips := 1; strips <= k.per/k.block; strips++ {
					dyCol, xCol := k.lanes+r.IntN(5), k.lanes+r.IntN(5)
					if k.stride > 0 {
						xCol = k.stride * k.lanes
					}
					dyRow, xRow, xTap := 7*dyCol+r.IntN(9), 7*xCol+r.IntN(9), 11
					dy, x := randoms(r, n[0]*dyRow+dyCol), randoms(r, n[0]*xRow+2*xTap+k.rows*k.lanes)
					all := strips * k.sums() / k.per * k.block
					sums := canaries(all + 8)
					copy(sums[4:], randoms(r, all))
					expect := slices.Clone(sums)
					narrowReference(k, dy, x, strips, n[0], n[1], dyRow, dyCol, xRow, xCol, xTap, expect[4:])
					k.run(dy, x, strips, n[0], n[1], dyRow, dyCol, xRow, xCol, xTap, sums[4:], nil, nil, make([]int32, 16), make([]int, dealWords))
					sameUpTo(t, fmt.Sprintf("groups of %d, %d×%d taps, %v", k.per, k.taps, k.rows, n), sums, expect, n[0]*n[1]+1)
				}
			}
		}
	})
}

func TestDealsKeepTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	for _, tier := range available() {
		want, lanes := dealInReference(tier), tier.lanesTile.width
		for per := 1; per <= lanes; per *= 2 {
			for channels := 1; channels <= 2*lanes+1; channels++ {
				rows, cols := 2, 3
				fromCol, toRow := channels+1, cols*lanes+5
				fromRow, toVector := cols*fromCol+2, rows*toRow+3
				from := randoms(r, rows*fromRow)
				got := canaries(ceil(channels, lanes)*toVector + 4)
				expect := slices.Clone(got)
				want(per, expect, from, rows, cols, channels, toRow, toVector, fromRow, fromCol)
				tier.deal(per, got, from, rows, cols, channels, toRow, toVector, fromRow, fromCol)
				sameUpTo(t, fmt.Sprintf("%s: %d channels in groups of %d", tier.name, channels, per), got, expect, 0)
			}
		}
	}
}

func TestDotsComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	eachTier(t, func(t *testing.T, tier *tier) {
		for _, k := range tier.dots {
			for _, n := range []int{dotUnit, 3 * dotUnit} {
				for _, segments := range []int{1, 2, 3} {
					a, b := randoms(r, 4*n+20), randoms(r, 5*n+20)
					offA, offB := make([]int, k.mr), make([]int, k.nr)
					for i := range offA {
						offA[i] = r.IntN(n)
					}
					for i := range offB {
						offB[i] = r.IntN(n)
					}
					sums := randoms(r, k.mr*k.nr+8)
					for i := range sums {
						if i < 4 || i >= 4+k.mr*k.nr {
							sums[i] = canary
						}
					}
					want := slices.Clone(sums)
					dotReference(k.mr, k.nr, a, offA, b, offB, n, segments, n, n+3, want[4:])
					k.run(a, offA, b, offB, n, segments, n, n+3, sums[4:])
					sameUpTo(t, fmt.Sprintf("%dx%d, n=%d segments=%d", k.mr, k.nr, n, segments), sums, want, n*segments)
				}
			}
		}
	})
}

// sameUpTo compares results of sums of so many products of numbers within ±1: whatever
// the order, each rounding is at most half a unit in the last place of a partial sum.
func sameUpTo(t *testing.T, what string, got, want []float32, terms int) {
	t.Helper()
	bound := 0x1p-23 * float64(terms) * math.Sqrt(float64(terms)+1)
	for i := range want {
		if math.IsNaN(float64(want[i])) {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Fatalf("%s: element %d was overwritten", what, i)
			}
			continue
		}
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= bound) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}
