package cpu

import (
	"math/rand/v2"
	"testing"

	"cleave/kernels"
	"cleave/layout"
)

// A walk must come to each element of a box once, at the same element of every view, with
// the channels in order, and no sums may need more room than the sizer says.
func TestPixelsVisitEachElementOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	for range 3000 {
		n := layout.Shape{1 + r.IntN(3), 1 + r.IntN(20), 1 + r.IntN(5), 1 + r.IntN(5)}
		if r.IntN(4) == 0 {
			n[1] = 120 + r.IntN(20)
		}
		vs := make([]*view, 1+r.IntN(3))
		for i := range vs {
			whole, v := n, &view{n: n}
			for a := range whole {
				if lo := r.IntN(2); r.IntN(3) == 0 {
					whole[a] += lo + r.IntN(2)
					v.at += lo * [4]int{1000003, 1, 1009, 17}[a] // any: at is only an origin
				}
			}
			v.st, _ = strides(kernels.NHWC, whole)
			vs[i] = v
		}
		grain := 1 + r.IntN(500)
		p := newPixels(grain, vs...)
		if r.IntN(2) == 0 {
			p.widen(grain)
		}
		seen := map[int]int{} // of the first view's indices, the elements
		for job := range p.jobs {
			p.job(job, func(at [maxViews]int, rows, width int) {
				for row := range rows {
					for i := range width {
						seen[at[0]+row*p.pitch[0]+i]++
						for k, v := range vs[1:] {
							first, other := position(vs[0], at[0]+row*p.pitch[0]+i), position(v, at[1+k]+row*p.pitch[1+k]+i)
							if first != other || first[1] != i%n[1] {
								t.Fatalf("%v, element %d of a row: at %v and %v", n, i, first, other)
							}
						}
					}
				}
			})
		}
		if len(seen) != n.Volume() {
			t.Fatalf("%v: %d elements", n, len(seen))
		}
		for at, times := range seen {
			if position(vs[0], at)[0] < 0 || times != 1 {
				t.Fatalf("%v: index %d, %d times", n, at, times)
			}
		}
		if s := newSums(vs...); int64(8*s.jobs*roundUp(s.width, 8)) > sumWorkspace(n) {
			t.Fatalf("%v: sums of %d blocks of %d", n, s.jobs, s.width)
		}
	}
}

// position returns the place of an index in a view's box; negative if it is outside.
func position(v *view, index int) [4]int {
	index -= v.at
	p := [4]int{index / v.st[0], 0, index % v.st[0] / v.st[2], index % v.st[2] / v.st[3]}
	p[1] = index % v.st[3]
	for a := range p {
		if p[a] >= v.n[a] || index < 0 {
			return [4]int{-1, -1, -1, -1}
		}
	}
	return p
}

func TestSumBlocksOfLargeShapes(t *testing.T) {
	for _, n := range []layout.Shape{{64, 256, 56, 56}, {7, 58, 28, 28}, {1, 3, 500, 500}, {2, 9000, 1, 1}, {128, 2048, 7, 7}, {1000, 7, 1, 1}} {
		st, _ := strides(kernels.NHWC, n)
		v := &view{n: n, st: st}
		inset := &view{n: n, st: [4]int{2 * st[0], 1, st[2] + 2, st[3] + 1}}
		for _, p := range []*pixels{newSums(v), newSums(inset)} {
			if int64(8*p.jobs*roundUp(p.width, 8)) > sumWorkspace(n) {
				t.Errorf("%v: %d blocks of %d, %d expected", n, p.jobs, p.width, sumBlocks(n))
			}
		}
	}
}
