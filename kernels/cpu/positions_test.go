package cpu

import (
	"fmt"
	"testing"
)

// Every position of every kind of block comes once, with all taps that lie in the source; few
// are left with taps beside it.
func TestPositions(t *testing.T) {
	for _, c := range []struct {
		name           string
		size, pad, dil int
		kernel, stride int
		samples        int
		beside         float64 // the share of taps beside the source that is taken at most
	}{
		{"5x5 of NIN", 16, 2, 1, 5, 1, 64, 0.15},
		{"3x3 of AlexNet", 13, 1, 1, 3, 1, 16, 0.3},
		{"one column of padding", 40, 1, 1, 3, 1, 1, 0.5},
		{"stride", 15, 3, 1, 7, 2, 8, 0.8},
		{"dilation", 12, 2, 2, 3, 1, 8, 0.3},
		{"more padding than source", 3, 6, 1, 5, 1, 8, 0.6},
		{"no padding", 9, 0, 1, 3, 1, 4, 0.65},
		{"1x1", 9, 0, 1, 1, 1, 4, 0},
	} {
		out := (c.size+2*c.pad-c.dil*(c.kernel-1)-1)/c.stride + 1
		square := func(n int) [2]int { return [2]int{n, n} }
		g := geometry{
			samples: c.samples, groups: 1, c: 36, k: 44, in: square(c.size), out: square(out), kernel: square(c.kernel),
			stride: square(c.stride), dilation: square(c.dil), before: square(c.pad),
		}
		for _, p := range []*product{g.forward(), g.dataGrad()} {
			for _, tier := range tiers {
				b := &bound{p: p, blocking: p.choose(tier, 2), src: &view{}, out: &view{st: [4]int{1 << 40, 1, 1 << 20, 1 << 4}}}
				if b.direct != nil || b.directGrad != nil || b.dealt != nil {
					continue
				}
				b.tabulate()
				t.Run(fmt.Sprint(c.name, " ", p.m, " ", tier.name), func(t *testing.T) { checkPositions(t, b, c.beside) })
			}
		}
	}
}

func checkPositions(t *testing.T, b *bound, most float64) {
	down, across, _, _, _ := b.p.reach()
	beside, padded := 0, 0 // taps beside the source that are taken, and all there are
	for i := range b.p.targets {
		target := &b.p.targets[i]
		which := 0
		for _, n0 := range b.blocks[0].first {
			for _, h0 := range b.blocks[1].first {
				for _, w0 := range b.blocks[2].first {
					seen := map[int]int{}
					for _, at := range b.tables[i][which] {
						steps := 0
						for r := 0; r < len(at.runs[0]); r += 3 {
							steps += at.runs[0][r+1] - at.runs[0][r]
						}
						for _, to := range at.to[:at.n] {
							seen[to]++
							h, w := to>>20&(1<<20-1)/target.step[0], to>>4&(1<<16-1)/target.step[1]
							rows, cols := b.p.within(0, h0+h, down), b.p.within(1, w0+w, across)
							in := 0
							for _, k := range target.taps {
								if rows.holds(k.down) && cols.holds(k.across) {
									in++
								}
							}
							taken := steps / b.channels
							if taken < in {
								t.Errorf("position %d, %d takes %d of %d taps", h0+h, w0+w, taken, in)
							}
							beside += taken - in
							padded += len(target.taps) - in
						}
					}
					want := min(b.samples, b.p.samples-n0) * max(0, min(b.rows, target.rows-h0)) * max(0, min(b.cols, target.cols-w0))
					if len(seen) != want {
						t.Errorf("%d positions, want %d", len(seen), want)
					}
					for to, n := range seen {
						if n != 1 {
							t.Errorf("position %d comes %d times", to, n)
						}
					}
					which++
				}
			}
		}
	}
	if float64(beside) > most*float64(padded) {
		t.Errorf("%d of %d taps beside the source are taken", beside, padded)
	}
}
