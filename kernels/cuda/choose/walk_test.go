package choose

import (
	"math/rand/v2"
	"testing"

	"cleave/kernels"
	"cleave/layout"
)

// divided is Divisor and quotient of walk.h.
func divided(packed uint64, n uint32) uint32 {
	d, m := uint32(packed), uint32(packed>>32)
	if m == 0 {
		return n
	}
	s := 0
	for (d-1)>>(s+1) > 0 {
		s++
	}
	return uint32(uint64(n) * uint64(m) >> 32 >> s)
}

func TestDivisors(t *testing.T) {
	const top = 1<<31 - 1
	check := func(d, n uint32) {
		packed := div(int(d)).Bits
		if uint32(packed) != d {
			t.Fatalf("div(%d) says it is %d", d, uint32(packed))
		}
		if got := divided(packed, n); got != n/d {
			t.Fatalf("%d/%d = %d, want %d", n, d, got, n/d)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	ds := []uint32{1, 2, 3, 5, 7, 127, 128, 129, 1<<16 - 1, 1 << 16, 1<<16 + 1, 1<<30 - 1, 1 << 30, 1<<30 + 1, top - 1, top}
	for range 3000 {
		ds = append(ds, 1+uint32(r.Uint64N(1<<(1+r.UintN(31))-1)))
	}
	for _, d := range ds {
		if d > top {
			continue
		}
		for _, n := range []uint32{0, 1, d - 1, d, d + 1, top, top - 1, top / d * d, top/d*d - 1} {
			check(d, min(n, top))
		}
		for range 100 {
			check(d, uint32(r.Uint64N(1<<31)))
		}
	}
}

// reach lists the byte offsets of all elements of a view that a walk visits.
func (w *walk) reach(i int) []int64 {
	var all []int64
	v := w.views[i]
	for n3 := range w.n[3] {
		for n2 := range w.n[2] {
			for n1 := range w.n[1] {
				for n0 := range w.n[0] {
					e := n0*w.steps[i][0] + n1*w.steps[i][1] + n2*w.steps[i][2] + n3*w.steps[i][3]
					for k := range w.width {
						all = append(all, v.at+int64(e+k)*v.dtype.Size())
					}
				}
			}
		}
	}
	return all
}

// TestWalks visits boxes at random places of buffers of both formats: every element once,
// the same one of every view at a time, and in runs only where they may be read at once.
func TestWalks(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	wide := 0
	for range 2000 {
		box := layout.Shape{1 + r.IntN(3), 1 + r.IntN(9), 1 + r.IntN(4), 1 + r.IntN(4)}
		if r.IntN(2) == 0 {
			box[1] = 4 * (1 + r.IntN(3))
		}
		place := func() *view {
			whole := box
			var b layout.Box
			for a := range b {
				lo := 0
				if r.IntN(3) == 0 {
					lo = r.IntN(5)
					whole[a] += lo + r.IntN(5)
				}
				b[a] = layout.Span{Lo: lo, Hi: lo + box[a]}
			}
			o := kernels.Operand{Region: kernels.Region{Offset: 64, Bytes: 4 * int64(whole.Volume())}, Format: kernels.Format(r.IntN(4) % 3 % 2), Shape: whole, Box: b}
			v, err := newView(o)
			if err != nil {
				t.Fatal(err)
			}
			return &v
		}
		a, b := place(), place()
		for _, w := range []*walk{merged(a.inward(), a, b), pixelwise(a, b), channelwise(a, b)} {
			if r.IntN(2) == 0 && w.widen(4) {
				wide++
			}
			at, bt := w.reach(0), w.reach(1)
			if len(at) != box.Volume() {
				t.Fatalf("%v: %d elements", box, len(at))
			}
			from := map[int64]int64{}
			for n := range box[0] {
				for c := range box[1] {
					for h := range box[2] {
						for x := range box[3] {
							pos := func(v *view) int64 {
								return v.at + 4*int64(n*v.st[0]+c*v.st[1]+h*v.st[2]+x*v.st[3])
							}
							from[pos(a)] = pos(b)
						}
					}
				}
			}
			seen := map[int64]bool{}
			for i := range at {
				if want, ok := from[at[i]]; !ok || want != bt[i] || seen[at[i]] {
					t.Fatalf("box %v, strides %v and %v: element at %d goes with %d", box, a.st, b.st, at[i], bt[i])
				}
				seen[at[i]] = true
				if w.width == 4 && i%4 == 0 && (at[i]%16 != 0 || bt[i]%16 != 0) {
					t.Fatalf("box %v: a run at %d and %d", box, at[i], bt[i])
				}
			}
		}
	}
	if wide < 100 {
		t.Errorf("only %d walks were in runs", wide)
	}
}
