package choose

import (
	"fmt"

	"cleave/kernels"
	"cleave/layout"
)

// view is an operand as kernels see it.
type view struct {
	at    int64 // byte offset in the arena of the box's first element
	dtype kernels.DType
	n     layout.Shape // extents of the box: N, C, H, W
	st    [4]int       // elements between neighbours along each axis
}

// maxElements bounds a buffer: kernels index with int.
const maxElements = 1<<31 - 1

// newView checks an operand.
func newView(o kernels.Operand) (view, error) {
	s := o.Shape
	st := [4]int{s[1] * s[2] * s[3], s[2] * s[3], s[3], 1}
	switch o.Format {
	case kernels.NCHW:
	case kernels.NHWC:
		st = [4]int{s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]}
	default:
		return view{}, fmt.Errorf("format %d is unknown", o.Format)
	}
	if o.DType > kernels.I32 {
		return view{}, fmt.Errorf("element type %d is unknown", o.DType)
	}
	v := view{at: o.Region.Offset, dtype: o.DType, n: o.Box.Shape(), st: st}
	for a, b := range o.Box {
		if b.Lo < 0 || b.Lo >= b.Hi || b.Hi > s[a] {
			return view{}, fmt.Errorf("box %v does not lie in a buffer of %v, or is empty", o.Box, s)
		}
		v.at += int64(b.Lo*st[a]) * o.DType.Size()
	}
	if s.Volume() > maxElements {
		return view{}, fmt.Errorf("a buffer of %v has more than %d elements", s, maxElements)
	}
	if need := int64(s.Volume()) * o.DType.Size(); o.Region.Bytes < need {
		return view{}, fmt.Errorf("a buffer of %v takes %d bytes, its region has %d", s, need, o.Region.Bytes)
	}
	if o.Region.Offset%o.DType.Size() != 0 {
		return view{}, fmt.Errorf("offset %d is not aligned to %d bytes", o.Region.Offset, o.DType.Size())
	}
	return v, nil
}

// ptr is the address of the box's first element.
func (v *view) ptr() Arg { return at(v.at) }

// steps are the strides along N, C, H, W.
func (v *view) steps() []Arg { return nums(v.st[:]...) }

// dense reports whether the box's elements lie one after the other, channels innermost.
func (v *view) dense() bool {
	want := 1
	for _, a := range [4]int{1, 3, 2, 0} {
		if v.n[a] > 1 && v.st[a] != want {
			return false
		}
		want *= v.n[a]
	}
	return true
}

// quads reports whether every pixel's channels are whole aligned runs of four elements, so
// that four may be read and written at once.
func (v *view) quads() bool { return v.vectors(4) }

// vectors is quads for runs of so many elements.
func (v *view) vectors(size int) bool {
	aligned := v.at%(int64(size)*v.dtype.Size()) == 0 && v.n[1]%size == 0 && (v.st[1] == 1 || v.n[1] == 1)
	for _, a := range [3]int{0, 2, 3} {
		aligned = aligned && (v.n[a] == 1 || v.st[a]%size == 0)
	}
	return aligned
}

// pixels is the number of samples × rows × columns.
func (v *view) pixels() int { return v.n[0] * v.n[2] * v.n[3] }
