package layout

import (
	"fmt"
	"strings"
)

// Span is the half-open range [Lo, Hi) of indices along one axis.
type Span struct{ Lo, Hi int }

// Len returns the number of indices in s.
func (s Span) Len() int { return max(0, s.Hi-s.Lo) }

// And returns the indices that are in both s and t; Len is 0 where there are none.
func (s Span) And(t Span) Span { return Span{max(s.Lo, t.Lo), min(s.Hi, t.Hi)} }

// Holds reports whether every index of t is in s.
func (s Span) Holds(t Span) bool { return t.Len() == 0 || s.Lo <= t.Lo && t.Hi <= s.Hi }

// Add returns s moved up by d.
func (s Span) Add(d int) Span { return Span{s.Lo + d, s.Hi + d} }

func (s Span) String() string { return fmt.Sprintf("%d:%d", s.Lo, s.Hi) }

// Shape is the extent of a tensor along its four axes.
type Shape [4]int

// Box returns the box that holds the whole tensor.
func (s Shape) Box() Box {
	var b Box
	for i, n := range s {
		b[i] = Span{0, n}
	}
	return b
}

// Volume returns the number of elements.
func (s Shape) Volume() int { return s[0] * s[1] * s[2] * s[3] }

func (s Shape) String() string { return fmt.Sprintf("%dx%dx%dx%d", s[0], s[1], s[2], s[3]) }

// Box is a rectangular region of a tensor: one span an axis, in global coordinates.
// The zero Box is the empty region; functions that return an empty region return it.
type Box [4]Span

// Volume returns the number of elements in b.
func (b Box) Volume() int {
	v := 1
	for _, s := range b {
		v *= s.Len()
	}
	return v
}

// Empty reports whether b holds no element.
func (b Box) Empty() bool { return b.Volume() == 0 }

// Shape returns the extents of b.
func (b Box) Shape() Shape {
	var s Shape
	for i := range b {
		s[i] = b[i].Len()
	}
	return s
}

// And returns the region that is in both b and c.
func (b Box) And(c Box) Box {
	for i := range b {
		b[i] = b[i].And(c[i])
	}
	if b.Empty() {
		return Box{}
	}
	return b
}

// Holds reports whether every element of c is in b.
func (b Box) Holds(c Box) bool { return c.Empty() || b.And(c) == c }

// With returns b with its span along axis replaced; the zero Box if that leaves nothing.
func (b Box) With(axis int, s Span) Box {
	b[axis] = s
	if b.Empty() {
		return Box{}
	}
	return b
}

// Minus returns disjoint boxes (at most 8) that together hold the elements of b outside c.
func (b Box) Minus(c Box) []Box {
	if b.Empty() {
		return nil
	}
	x := b.And(c)
	if x.Empty() {
		return []Box{b}
	}
	var out []Box
	for i := range b {
		if b[i].Lo < x[i].Lo {
			out = append(out, b.With(i, Span{b[i].Lo, x[i].Lo}))
		}
		if x[i].Hi < b[i].Hi {
			out = append(out, b.With(i, Span{x[i].Hi, b[i].Hi}))
		}
		b[i] = x[i]
	}
	return out
}

// Local returns b in the coordinates of a buffer that holds the box outer.
func (b Box) Local(outer Box) Box {
	for i := range b {
		b[i] = b[i].Add(-outer[i].Lo)
	}
	return b
}

// String returns the spans in axis order, such as "[0:8 48:96 0:27 0:27]".
func (b Box) String() string {
	parts := make([]string, len(b))
	for i, s := range b {
		parts[i] = s.String()
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// MinusAll returns disjoint boxes that hold the elements of bs outside c. The boxes of bs
// must be disjoint.
func MinusAll(bs []Box, c Box) []Box {
	var out []Box
	for _, b := range bs {
		out = append(out, b.Minus(c)...)
	}
	return out
}

// Missing returns disjoint boxes that hold the elements of need that are in none of have.
func Missing(need []Box, have []Box) []Box {
	var left []Box
	for _, n := range need { // the boxes of need may overlap
		left = append(left, MinusEach(n, left)...)
	}
	for _, h := range have {
		if len(left) == 0 {
			break
		}
		left = MinusAll(left, h)
	}
	return left
}

// MinusEach returns disjoint boxes that hold the elements of b that are in none of cs.
func MinusEach(b Box, cs []Box) []Box {
	if b.Empty() {
		return nil
	}
	out := []Box{b}
	for _, c := range cs {
		out = MinusAll(out, c)
	}
	return out
}

// Hull returns the smallest box that holds all of bs.
func Hull(bs []Box) Box {
	var h Box
	for _, b := range bs {
		if b.Empty() {
			continue
		}
		if h.Empty() {
			h = b
			continue
		}
		for i := range h {
			h[i] = Span{min(h[i].Lo, b[i].Lo), max(h[i].Hi, b[i].Hi)}
		}
	}
	return h
}
