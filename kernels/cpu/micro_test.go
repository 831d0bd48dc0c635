package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
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

// eachTile calls f or g for every tile that can run here, and for those of the assembly in
// emulation.
func eachTile(t *testing.T, f func(t *testing.T, k tile), g func(t *testing.T, k dotTile)) {
	for _, tier := range append(available(), emulatedTiers(t)...) {
		for _, k := range tier.tiles {
			t.Run(fmt.Sprintf("%s/tile%dx%d", tier.name, k.mr, k.nr), func(t *testing.T) { f(t, k) })
		}
		for _, k := range tier.dots {
			t.Run(fmt.Sprintf("%s/dot%dx%d", tier.name, k.mr, k.nr), func(t *testing.T) { g(t, k) })
		}
	}
}

func TestTilesComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	eachTile(t, func(t *testing.T, k tile) {
		for _, n := range []int{0, 1, 2, 5, 33} {
			for _, add := range []bool{false, true} {
				a, b, off := randoms(r, k.mr*n), randoms(r, 3*n+k.nr+7), make([]int, n)
				for i := range off {
					off[i] = r.IntN(len(b) - k.nr + 1)
				}
				ldc := k.nr + 5
				c := randoms(r, k.mr*ldc+9)
				for i := range c {
					if i < 4 || (i-4)%ldc >= k.nr || (i-4)/ldc >= k.mr {
						c[i] = canary
					}
				}
				want := append([]float32(nil), c...)
				tileReference(k.mr, k.nr, a, b, off, want[4:], ldc, add)
				k.run(a, b, off, c[4:], ldc, add)
				sameUpTo(t, fmt.Sprintf("n=%d add=%v", n, add), c, want, n+1)
			}
		}
	}, func(t *testing.T, k dotTile) {
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
				want := append([]float32(nil), sums...)
				dotReference(k.mr, k.nr, a, offA, b, offB, n, segments, n, n+3, want[4:])
				k.run(a, offA, b, offB, n, segments, n, n+3, sums[4:])
				sameUpTo(t, fmt.Sprintf("n=%d segments=%d", n, segments), sums, want, n*segments)
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
