package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Each tier's loops of response normalisation against the Go ones, at every number of
// channels around a vector's, with words between the pixels that must stay.
func TestLRNRowsComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	const pixels, count = 3, 5
	for _, tier := range available() {
		ops, want := &tier.rows, &genericRows
		for channels := 1; channels < 40; channels++ {
			to, x, g, local := channels+3, channels+1, channels, channels+count+2
			xs, gs, power, near := randoms(r, pixels*x), randoms(r, pixels*g), randoms(r, pixels*local), randoms(r, pixels*local)
			for i, v := range near {
				near[i] = v * v
			}
			for name, f := range map[string]func(o *rowOps, a, b []float32){
				"lrnForward": func(o *rowOps, a, _ []float32) {
					o.lrnForward(a, xs, near, pixels, channels, to, x, local, count, 2, 0.5)
				},
				"lrnRatio": func(o *rowOps, a, b []float32) {
					o.lrnRatio(a, b, xs, gs, near, pixels, channels, local, x, g, count, 2, 0.5)
				},
				"lrnGrad": func(o *rowOps, a, _ []float32) {
					o.lrnGrad(a, xs, gs, power, near, pixels, channels, to, x, g, local, count, 0.5)
				},
			} {
				n := pixels * max(to, local)
				a1, b1, a2, b2 := canaries(n), canaries(n), canaries(n), canaries(n)
				f(ops, a1, b1)
				f(want, a2, b2)
				what := fmt.Sprintf("%s: %s of %d channels", tier.name, name, channels)
				sameUpTo(t, what, a1, a2, 8)
				sameUpTo(t, what, b1, b2, 8)
			}
		}
	}
}
