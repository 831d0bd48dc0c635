package layout_test

import (
	"math/rand/v2"
	"testing"

	"cleave/layout"
)

// randomBox returns a box within the shape, possibly empty.
func randomBox(r *rand.Rand, s layout.Shape) layout.Box {
	var b layout.Box
	for i, n := range s {
		lo := r.IntN(n + 1)
		b[i] = layout.Span{Lo: lo, Hi: lo + r.IntN(n+1-lo)}
	}
	if b.Empty() {
		return layout.Box{}
	}
	return b
}

// each calls do with every element of b as a box of one.
func each(b layout.Box, do func(layout.Box)) {
	for n := b[0].Lo; n < b[0].Hi; n++ {
		for c := b[1].Lo; c < b[1].Hi; c++ {
			for h := b[2].Lo; h < b[2].Hi; h++ {
				for w := b[3].Lo; w < b[3].Hi; w++ {
					do(layout.Box{{Lo: n, Hi: n + 1}, {Lo: c, Hi: c + 1}, {Lo: h, Hi: h + 1}, {Lo: w, Hi: w + 1}})
				}
			}
		}
	}
}

func count(bs []layout.Box, e layout.Box) int {
	n := 0
	for _, b := range bs {
		if b.Holds(e) && !b.Empty() {
			n++
		}
	}
	return n
}

// TestBoxAlgebra compares And, Minus, Missing and Hull with membership of each element.
func TestBoxAlgebra(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	shape := layout.Shape{3, 4, 2, 3}
	for range 2000 {
		a, b, c := randomBox(r, shape), randomBox(r, shape), randomBox(r, shape)
		minus, missing, hull := a.Minus(b), layout.Missing([]layout.Box{a, b}, []layout.Box{c}), layout.Hull([]layout.Box{a, b})
		if len(minus) > 8 {
			t.Fatalf("%v minus %v gives %d boxes", a, b, len(minus))
		}
		each(shape.Box(), func(e layout.Box) {
			inA, inB, inC := count([]layout.Box{a}, e), count([]layout.Box{b}, e), count([]layout.Box{c}, e)
			if got := count([]layout.Box{a.And(b)}, e); got != inA*inB {
				t.Fatalf("%v and %v: %v counted %d times", a, b, e, got)
			}
			if got := count(minus, e); got != inA*(1-inB) {
				t.Fatalf("%v minus %v: %v counted %d times", a, b, e, got)
			}
			if got := count(missing, e); got != max(inA, inB)*(1-inC) {
				t.Fatalf("missing %v, %v without %v: %v counted %d times", a, b, c, e, got)
			}
			if inA+inB > 0 && !hull.Holds(e) {
				t.Fatalf("hull of %v, %v lacks %v", a, b, e)
			}
		})
	}
}

// TestEven checks that cuts cover the axis, differ by one unit at most and never fall
// inside a unit.
func TestEven(t *testing.T) {
	for n := 0; n < 40; n++ {
		for parts := 1; parts < 7; parts++ {
			for unit := 1; unit < 5; unit++ {
				c := layout.Even(n, parts, unit)
				u := unit
				if n%unit != 0 {
					u = 1
				}
				lo, hi, sum := n, 0, 0
				for r := range parts {
					s := c.Span(layout.Rank(r))
					lo, hi, sum = min(lo, s.Len()), max(hi, s.Len()), sum+s.Len()
					if s.Lo%u != 0 {
						t.Fatalf("%d in %d parts of unit %d: %v cuts a unit", n, parts, unit, c)
					}
				}
				if sum != n || c[0] != 0 || c[parts] != n || hi-lo > u {
					t.Fatalf("%d in %d parts of unit %d: %v", n, parts, unit, c)
				}
			}
		}
	}
}

// TestOwners checks that replicas share every element out once, whole where it is small.
func TestOwners(t *testing.T) {
	shape := layout.Shape{7, 5, 1, 1}
	for ranks := 1; ranks < 6; ranks++ {
		for _, small := range []int{0, 100} {
			for turn := range 4 {
				owners := layout.Replicated(shape, ranks).Owners(small, turn)
				holders := 0
				for _, b := range owners {
					if !b.Empty() {
						holders++
					}
				}
				if small > 0 && holders != 1 {
					t.Fatalf("%d ranks hold a small tensor", holders)
				}
				each(shape.Box(), func(e layout.Box) {
					if n := count(owners, e); n != 1 {
						t.Fatalf("%d ranks, small %d: %v owned %d times", ranks, small, e, n)
					}
				})
			}
		}
	}
	split := layout.Split(shape, 0, layout.Even(7, 3, 1))
	for r, b := range split.Owners(0, 0) {
		if b != split[r] {
			t.Fatalf("rank %d keeps %v alone and owns %v", r, split[r], b)
		}
	}
}
