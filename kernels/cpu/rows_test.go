package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Each tier's loops against the Go ones, at every length around a vector's, with words
// behind the end that must stay.
func TestRowsComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const stride, count = 50, 3
	for _, tier := range available() {
		ops, want := &tier.rows, &genericRows
		for n := range 40 {
			a, b, c, d, x := randoms(r, n), randoms(r, n), randoms(r, n), randoms(r, n), randoms(r, stride*count)
			a = append(a, canary) // never read: it would spread
			for name, f := range map[string]func(o *rowOps, y, z []float32) float64{
				"relu":      func(o *rowOps, y, _ []float32) float64 { o.relu(y, b); return 0 },
				"reluGrad":  func(o *rowOps, y, _ []float32) float64 { o.reluGrad(y, b, c); return 0 },
				"add":       func(o *rowOps, y, _ []float32) float64 { o.add(y, b, c); return 0 },
				"addReLU":   func(o *rowOps, y, _ []float32) float64 { o.addReLU(y, b, c); return 0 },
				"shift":     func(o *rowOps, y, _ []float32) float64 { o.shift(y, b, 0.3); return 0 },
				"shiftReLU": func(o *rowOps, y, _ []float32) float64 { o.shiftReLU(y, b, 0.3); return 0 },
				"maximum":   func(o *rowOps, y, _ []float32) float64 { o.maximum(y, b, c); return 0 },
				"sgd":       func(o *rowOps, y, z []float32) float64 { o.sgd(y, b, z, c, 0.9, 0.1, 0.5); return 0 },
				"norm":      func(o *rowOps, y, _ []float32) float64 { o.norm(y, b, 0.1, 2, 3); return 0 },
				"normReLU":  func(o *rowOps, y, _ []float32) float64 { o.normReLU(y, b, 0.1, 2, 0.5); return 0 },
				"normGrad":  func(o *rowOps, y, _ []float32) float64 { o.normGrad(y, b, c, 0.1, 2, 3, 0.7); return 0 },
				"sum":       func(o *rowOps, _, _ []float32) float64 { return o.sum(b) },
				"squares":   func(o *rowOps, _, _ []float32) float64 { return o.squares(b, 0.2) },
				"products":  func(o *rowOps, _, _ []float32) float64 { return o.products(b, c, 0.2) },
				"lrnForward": func(o *rowOps, y, _ []float32) float64 {
					o.lrnForward(y, b, x, stride, count, 2, 0.5)
					return 0
				},
				"lrnRatio": func(o *rowOps, y, z []float32) float64 {
					o.lrnRatio(y, z, b, c, x, stride, count, 2, 0.5)
					return 0
				},
				"lrnGrad": func(o *rowOps, y, _ []float32) float64 {
					o.lrnGrad(y, b, c, d, x, stride, count, 0.5)
					return 0
				},
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

// Each tier's copies of rows against the Go ones, with all widths around a vector's.
func TestCopiesOfRowsComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const rows = 3
	for _, tier := range available() {
		ops, want := &tier.rows, &genericRows
		for n := 1; n < 40; n++ {
			for _, before := range []int{0, 1, 2, 9} {
				for gap := 1; gap <= 3; gap++ {
					width, step := before+n+before/2, n*gap+3
					from, got := randoms(r, (rows-1)*step+(n-1)*gap+1), randoms(r, rows*width+padSlack+4)
					for i := rows*width + padSlack; i < len(got); i++ {
						got[i] = canary
					}
					exact := append([]float32(nil), got...)
					ops.padRows(got, from, rows, width, before, n, step, gap)
					want.padRows(exact, from, rows, width, before, n, step, gap)
					copy(got[rows*width:][:padSlack], exact[rows*width:])
					sameUpTo(t, fmt.Sprintf("%s: padRows of %d, %d, gap %d", tier.name, before, n, gap), got, exact, 0)
				}
			}
			if n%8 == 0 {
				best, x, g, done := randoms(r, n), randoms(r, n), randoms(r, n), make([]float32, n)
				for i := range n {
					if i%3 != 0 {
						x[i] = best[i]
					}
				}
				got := append(randoms(r, n), canary)
				exact := append([]float32(nil), got...)
				for range 2 { // the second changes nothing
					ops.pick(got[:n], x, best, g, done)
				}
				want.pick(exact[:n], x, best, g, make([]float32, n))
				sameUpTo(t, fmt.Sprintf("%s: pick of %d", tier.name, n), got, exact, 0)
			}
			toStep, fromStep := n+5, n+2
			from, got := randoms(r, (rows-1)*fromStep+n), make([]float32, (rows-1)*toStep+n+4)
			for i := range got {
				got[i] = canary
			}
			exact := append([]float32(nil), got...)
			ops.unpadRows(got, from, rows, n, toStep, fromStep, 0.5, 0)
			want.unpadRows(exact, from, rows, n, toStep, fromStep, 0.5, 0)
			sameUpTo(t, fmt.Sprintf("%s: unpadRows of %d", tier.name, n), got, exact, 0)
			for _, odd := range []int{n, n - 1} {
				a, b, got := randoms(r, n), randoms(r, odd), make([]float32, n+odd+4)
				for i := range got {
					got[i] = canary
				}
				exact := append([]float32(nil), got...)
				ops.zip(got, a, b)
				want.zip(exact, a, b)
				sameUpTo(t, fmt.Sprintf("%s: zip of %d and %d", tier.name, n, odd), got, exact, 0)
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
				"shiftReLU":      func() { tier.rows.shiftReLU(y, x, 1) },
				"normReLU":       func() { tier.rows.normReLU(y, x, 1, 1, 1) },
				"unpadRows":      func() { tier.rows.unpadRows(y, x, 1, 19, 0, 0, 1, 0) },
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
