package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Each tier's loops over pixels against the Go ones, at every number of channels around a
// vector's, with and without words between the pixels, in place and not.
func TestChannelRowsComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 9))
	for _, tier := range available() {
		ops, want := &tier.rows, &genericRows
		for width := 1; width < 40; width++ {
			for _, rows := range []int{1, 3, 4, 8, 21} {
				for _, gap := range []int{0, 1, 5} {
					y, x, g := width+gap, width+2*gap, width+gap/2
					xs, gs := randoms(r, (rows-1)*x+width), randoms(r, (rows-1)*g+width)
					v, scale, shift, slope, bias := randoms(r, width), randoms(r, width), randoms(r, width), randoms(r, width), randoms(r, width)
					for name, f := range map[string]func(o *rowOps, y, x []float32, yp, xp int){
						"shift":     func(o *rowOps, y, x []float32, yp, xp int) { o.shift(y, x, v, rows, width, yp, xp) },
						"shiftReLU": func(o *rowOps, y, x []float32, yp, xp int) { o.shiftReLU(y, x, v, rows, width, yp, xp) },
						"norm":      func(o *rowOps, y, x []float32, yp, xp int) { o.norm(y, x, v, scale, shift, rows, width, yp, xp) },
						"normReLU":  func(o *rowOps, y, x []float32, yp, xp int) { o.normReLU(y, x, v, scale, shift, rows, width, yp, xp) },
						"square":    func(o *rowOps, y, x []float32, yp, xp int) { o.square(y, x, rows, width, yp, xp) },
						"scale":     func(o *rowOps, y, x []float32, yp, xp int) { o.scale(y, x, rows, width, yp, xp, 0.3) },
						"normAdd": func(o *rowOps, y, x []float32, yp, xp int) {
							o.normAdd(y, x, gs, v, scale, shift, rows, width, yp, xp, g)
						},
						"normAdd of z": func(o *rowOps, y, x []float32, yp, xp int) {
							o.normAdd(y, gs, x, v, scale, shift, rows, width, yp, g, xp)
						},
						"normAddReLU": func(o *rowOps, y, x []float32, yp, xp int) {
							o.normAddReLU(y, x, gs, v, scale, shift, rows, width, yp, xp, g)
						},
						"normGrad": func(o *rowOps, y, x []float32, yp, xp int) {
							o.normGrad(y, x, gs, v, scale, shift, slope, rows, width, yp, xp, g)
						},
						"normReLUGrad": func(o *rowOps, y, x []float32, yp, xp int) {
							o.normReLUGrad(y, x, gs, v, scale, shift, slope, bias, rows, width, yp, xp, g)
						},
						"normReLUGrad of dy": func(o *rowOps, y, x []float32, yp, xp int) {
							o.normReLUGrad(y, gs, x, v, scale, shift, slope, bias, rows, width, yp, g, xp)
						},
						"normGrad of dy": func(o *rowOps, y, x []float32, yp, xp int) {
							o.normGrad(y, gs, x, v, scale, shift, slope, rows, width, yp, g, xp)
						},
					} {
						what := fmt.Sprintf("%s: %s of %d×%d, gap %d", tier.name, name, rows, width, gap)
						got := canaries((rows-1)*y + width + 9)
						exact := append([]float32(nil), got...)
						f(ops, got[:len(got)-9], xs, y, x)
						f(want, exact, xs, y, x)
						sameUpTo(t, what, got, exact, 8)
						got = append(append([]float32(nil), xs...), canaries(9)...)
						exact = append([]float32(nil), got...)
						f(ops, got[:len(xs)], got[:len(xs)], x, x)
						f(want, exact, exact, x, x)
						sameUpTo(t, what+", in place", got, exact, 8)
					}
				}
			}
		}
	}
}

// Sums against the Go ones: exact to a few roundings of a summand, and with no number in one
// lane only.
func TestChannelSumsComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 9))
	nan := float32(math.NaN())
	for _, tier := range available() {
		ops, want := &tier.rows, &genericRows
		for width := 1; width < 40; width++ {
			for _, rows := range []int{1, 3, 4, 8, 21} {
				for _, gap := range []int{0, 1, 5} {
					x, g := width+gap, width+2*gap
					xs, gs, mean := randoms(r, (rows-1)*x+width), randoms(r, (rows-1)*g+width), randoms(r, width)
					for i := range rows - 1 { // what lies between the pixels
						for k := width; k < x; k++ {
							xs[i*x+k] = nan
						}
						for k := width; k < g; k++ {
							gs[i*g+k] = nan
						}
					}
					lanes := roundUp(width, 8)
					scale, shift := randoms(r, lanes), randoms(r, lanes)
					mean = append(mean, nan, nan, nan, nan, nan, nan, nan)
					xs, gs = append(xs, nan)[:len(xs)], append(gs, nan)[:len(gs)]
					for name, f := range map[string]func(o *rowOps, to []float64){
						"addSums":     func(o *rowOps, to []float64) { o.addSums(to, xs, rows, width, x) },
						"addSquares":  func(o *rowOps, to []float64) { o.addSquares(to, xs, mean, rows, width, x) },
						"addProducts": func(o *rowOps, to []float64) { o.addProducts(to, xs, gs, mean, rows, width, x, g) },
						"addMoments":  func(o *rowOps, to []float64) { o.addMoments(to[:lanes], to[lanes:], xs, rows, width, x) },
						"addGrads":    func(o *rowOps, to []float64) { o.addGrads(to[:lanes], to[lanes:], xs, gs, mean, rows, width, x, g) },
						"addGradsReLU": func(o *rowOps, to []float64) {
							o.addGradsReLU(to[:lanes], to[lanes:], xs, gs, mean, scale, shift, rows, width, x, g)
						},
					} {
						got, exact := make([]float64, 2*lanes), make([]float64, 2*lanes)
						for i := range got {
							got[i] = float64(i)
							exact[i] = float64(i)
						}
						f(ops, got)
						f(want, exact)
						for i := range got {
							if i%lanes >= width {
								continue
							}
							if d := math.Abs(got[i] - exact[i]); !(d <= 0x1p-22*float64(rows)) {
								t.Fatalf("%s: %s of %d×%d, gap %d: element %d is %v, want %v", tier.name, name, rows, width, gap, i, got[i], exact[i])
							}
						}
					}
				}
			}
		}
	}
}

// What is no number must reach the loss, whatever the lane it is in.
func TestChannelRowsKeepWhatIsNoNumber(t *testing.T) {
	negative := math.Float32frombits(0xffc00000) // what processors make of 0·∞
	ones := []float32{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	for _, tier := range available() {
		for i := range 19 {
			x, y := make([]float32, 19), make([]float32, 19)
			x[i] = negative
			for name, f := range map[string]func(){
				"shiftReLU":     func() { tier.rows.shiftReLU(y, x, ones, 1, 19, 0, 0) },
				"normReLU":      func() { tier.rows.normReLU(y, x, ones, ones, ones, 1, 19, 0, 0) },
				"normAddReLU":   func() { tier.rows.normAddReLU(y, x, ones, ones, ones, ones, 1, 19, 0, 0, 0) },
				"normAddReLU z": func() { tier.rows.normAddReLU(y, ones, x, ones, ones, ones, 1, 19, 0, 0, 0) },
				"windowMax":     func() { tier.rows.windowMax(y, x, 1, 19, 1, 1, 0, tapSteps{}) },
				"windowMax before": func() {
					tier.rows.windowMax(y, append(append([]float32(nil), x...), ones...), 1, 19, 1, 2, 0, tapSteps{col: 19})
				},
				"windowMax behind": func() {
					tier.rows.windowMax(y, append(append([]float32(nil), ones...), x...), 1, 19, 2, 1, 0, tapSteps{row: 19})
				},
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

// canaries returns n words that must stay.
func canaries(n int) []float32 {
	c := make([]float32, n)
	for i := range c {
		c[i] = canary
	}
	return c
}

// Stores that pass the caches by against the Go loops, for rows that begin with cache lines
// and for those that do not, and must be stored as usual.
func TestStreamedRowsComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 9))
	const rows = 3
	for _, tier := range available() {
		ops, want := &tier.rows.streamed, &genericRows.channelOps
		for width := 8; width <= 80; width += 8 {
			for _, gap := range []int{0, 4, 16} {
				for _, skip := range []int{0, 1} {
					pitch := width + gap
					x, g, v := randoms(r, rows*pitch), randoms(r, rows*pitch), randoms(r, width)
					for name, f := range map[string]func(o *channelOps, y []float32){
						"shift":     func(o *channelOps, y []float32) { o.shift(y, x, v, rows, width, pitch, pitch) },
						"shiftReLU": func(o *channelOps, y []float32) { o.shiftReLU(y, x, v, rows, width, pitch, pitch) },
						"norm":      func(o *channelOps, y []float32) { o.norm(y, x, v, v, v, rows, width, pitch, pitch) },
						"normReLU":  func(o *channelOps, y []float32) { o.normReLU(y, x, v, v, v, rows, width, pitch, pitch) },
						"normAdd": func(o *channelOps, y []float32) {
							o.normAdd(y, x, g, v, v, v, rows, width, pitch, pitch, pitch)
						},
						"normAddReLU": func(o *channelOps, y []float32) {
							o.normAddReLU(y, x, g, v, v, v, rows, width, pitch, pitch, pitch)
						},
						"normGrad": func(o *channelOps, y []float32) { o.normGrad(y, x, g, v, v, v, v, rows, width, pitch, pitch, pitch) },
						"normReLUGrad": func(o *channelOps, y []float32) {
							o.normReLUGrad(y, x, g, v, v, v, v, v, rows, width, pitch, pitch, pitch)
						},
					} {
						mem, err := alignedBytes(int64(4 * (skip + rows*pitch + 9)))
						if err != nil {
							t.Fatal(err)
						}
						got := of[float32](mem)[skip:]
						copy(got, canaries(len(got)))
						exact := append([]float32(nil), got...)
						f(ops, got)
						f(want, exact)
						sameUpTo(t, fmt.Sprintf("%s: %s of %d, gap %d, from %d", tier.name, name, width, gap, skip), got, exact, 8)
					}
				}
			}
		}
	}
}
