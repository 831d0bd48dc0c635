package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Each tier's loops against the Go ones, at every length around a vector's, with words
// behind the end that must stay.
func TestRowsComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, tier := range available() {
		ops, want := &tier.rows, &genericRows
		for n := range 40 {
			a, b, c, d := randoms(r, n), randoms(r, n), randoms(r, n), randoms(r, n)
			a = append(a, canary) // never read: it would spread
			for name, f := range map[string]func(o *rowOps, y, z []float32) float64{
				"relu":     func(o *rowOps, y, _ []float32) float64 { o.relu(y, b); return 0 },
				"reluGrad": func(o *rowOps, y, _ []float32) float64 { o.reluGrad(y, b, c); return 0 },
				"add":      func(o *rowOps, y, _ []float32) float64 { o.add(y, b, c); return 0 },
				"addReLU":  func(o *rowOps, y, _ []float32) float64 { o.addReLU(y, b, c); return 0 },
				"maximum":  func(o *rowOps, y, _ []float32) float64 { o.maximum(y, b, c); return 0 },
				"sgd":      func(o *rowOps, y, z []float32) float64 { o.sgd(y, b, z, c, 0.9, 0.1, 0.5); return 0 },
				"squares":  func(o *rowOps, _, _ []float32) float64 { return o.squares(b, 0.2) },
			} {
				y1, z1 := append([]float32(nil), a...), append([]float32(nil), d...)
				y2, z2 := append([]float32(nil), a...), append([]float32(nil), d...)
				s1, s2 := f(ops, y1[:n], z1), f(want, y2[:n], z2)
				what := fmt.Sprintf("%s: %s of %d", tier.name, name, n)
				sameUpTo(t, what, y1, y2, 8)
				sameUpTo(t, what, z1, z2, 8)
				if math.Abs(s1-s2) > 1e-12 {
					t.Fatalf("%s: %v, want %v", what, s1, s2)
				}
			}
		}
	}
}

// Each tier's copies for tiles against the Go ones, with all widths around a vector's.
func TestCopiesForTilesComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const rows, cols = 3, 5
	for _, tier := range available() {
		ops, want := &tier.rows, &genericRows
		compare := func(what string, n, slack int, f func(o *rowOps, to []float32)) {
			t.Helper()
			got := make([]float32, n+slack+4)
			for i := range got[n+slack:] {
				got[n+slack+i] = canary
			}
			exact := slices.Clone(got)
			f(ops, got)
			f(want, exact)
			clear(got[n : n+slack])
			sameUpTo(t, tier.name+": "+what, got, exact, 0)
		}
		for n := 1; n < 40; n++ {
			// To places that hold whole eights, then close together: what an eight writes
			// beyond its position, the next one overwrites.
			for _, toCol := range []int{roundUp(n, 8), n} {
				toRow, fromCol := cols*toCol+8, n+n%3
				fromRow := cols*fromCol + 2
				from := randoms(r, (rows-1)*fromRow+(cols-1)*fromCol+n)
				compare(fmt.Sprintf("copyPanel of %d to %d", n, toCol), (rows-1)*toRow+(cols-1)*toCol+n, panelSlack, func(o *rowOps, to []float32) {
					o.copyPanel(to, from, rows, cols, n, toRow, toCol, fromRow, fromCol)
				})
			}
		}
		for _, lanes := range []int{4, 8, 16} {
			for _, per := range []int{1, 2, 4} {
				for n := 1; n <= lanes; n++ {
					fromCol, toRow := lanes+1, cols*per*lanes+5
					from := randoms(r, rows*cols*fromCol)
					compare(fmt.Sprintf("spread of %d by %d to %d", n, per, lanes), (rows-1)*toRow+cols*per*lanes, 0, func(o *rowOps, to []float32) {
						o.spread(to, from, rows, cols, n, per, lanes, toRow, cols*fromCol, fromCol)
					})
				}
			}
		}
	}
}

// What is no number must reach the loss, whatever the lane it is in.
func TestRowsKeepWhatIsNoNumber(t *testing.T) {
	negative := math.Float32frombits(0xffc00000) // what processors make of 0·∞
	for _, tier := range available() {
		for i := range 19 {
			x, y, zero := make([]float32, 19), make([]float32, 19), make([]float32, 19)
			x[i] = negative
			for name, f := range map[string]func(){
				"relu":           func() { tier.rows.relu(y, x) },
				"addReLU":        func() { tier.rows.addReLU(y, zero, x) },
				"maximum":        func() { tier.rows.maximum(y, x, zero) },
				"maximum second": func() { tier.rows.maximum(y, zero, x) },
			} {
				clear(y)
				f()
				for j, v := range y {
					if (v != v) != (i == j) {
						t.Fatalf("%s: %s: element %d is %v", tier.name, name, j, v)
					}
				}
			}
		}
	}
}
