package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Each tier's loops over windows against the Go ones, at numbers of channels around their
// blocks', with and without words between the pixels, for windows that overlap and not.
func TestWindowsComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	const rows, cols, windows = 2, 3, 4
	for _, tier := range available() {
		ops, want := &tier.rows, &genericRows
		for channels := 1; channels < 85; channels++ {
			for _, gap := range []int{0, 3} {
				for stride := 1; stride <= 4; stride++ {
					pixel, top := channels+gap, channels+2*gap
					row := ((windows-1)*stride + cols) * pixel
					xs, ts := tapSteps{stride * pixel, row, pixel}, tapSteps{stride * (pixel + 1), row + 100, pixel + 1}
					x := randoms(r, row*rows)
					for i := range x { // ties
						x[i] = float32(int(4 * x[i]))
					}
					y, dy := make([]float32, windows*top), randoms(r, windows*top)
					at := make([]uint8, windows*top)
					want.windowMaxIndex(y, x, at, windows, channels, rows, cols, top, top, xs, 3, 2)
					for i := range at { // some of no pixel
						at[i] += uint8(i % 5 / 4)
					}
					want.windowMax(y, x, windows, channels, rows, cols, top, xs)
					for name, f := range map[string]func(o *rowOps, to []float32){
						"windowMax":  func(o *rowOps, to []float32) { o.windowMax(to, x, windows, channels, rows, cols, top, xs) },
						"windowMean": func(o *rowOps, to []float32) { o.windowMean(to, x, windows, channels, rows, cols, top, xs, 5) },
						"windowPick": func(o *rowOps, to []float32) {
							o.windowPick(to, x, y, dy, windows, channels, rows, cols, top, top, ts, xs)
						},
						"windowMaxIndex": func(o *rowOps, to []float32) {
							at := make([]uint8, windows*top)
							o.windowMaxIndex(to, x, at, windows, channels, rows, cols, top, top, xs, 3, 2)
							for i, v := range at {
								to[windows*top+i] = float32(v)
							}
						},
						"windowPickIndex": func(o *rowOps, to []float32) {
							o.windowPickIndex(to, dy, at, windows, channels, rows, cols, top, top, ts, 3, 2)
						},
						"windowSpread": func(o *rowOps, to []float32) { o.windowSpread(to, dy, windows, channels, rows, cols, top, ts, 5) },
					} {
						got := append(randoms(r, 2*(row+100)+row), canary)
						exact := append([]float32(nil), got...)
						f(ops, got)
						f(want, exact)
						sameUpTo(t, fmt.Sprintf("%s: %s of %d channels, gap %d, stride %d", tier.name, name, channels, gap, stride), got, exact, 4)
					}
				}
			}
		}
	}
}
