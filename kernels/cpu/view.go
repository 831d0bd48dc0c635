package cpu

import (
	"fmt"

	"cleave/kernels"
	"cleave/layout"
)

// view is an operand as the kernels see it: the buffer's elements and where its box lies
// among them. Exactly one of f, i and u is set, by the operand's type.
type view struct {
	f  []float32
	i  []int32
	u  []byte
	w  []uint32     // f or i as plain words, for copies
	at int          // index of the box's first element
	n  layout.Shape // extents of the box
	st [4]int       // steps between neighbours along each axis, in elements
}

// strides returns the steps between neighbours of a buffer. Those of one order in both
// formats get the same.
func strides(f kernels.Format, s layout.Shape) ([4]int, error) {
	if f == kernels.NCHW && oneOrder(s) {
		f = kernels.NHWC
	}
	switch f {
	case kernels.NCHW:
		return [4]int{s[1] * s[2] * s[3], s[2] * s[3], s[3], 1}, nil
	case kernels.NHWC:
		return [4]int{s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]}, nil
	}
	return [4]int{}, fmt.Errorf("format %d is unknown", f)
}

// view checks an operand and returns its view.
func (b *Backend) view(o kernels.Operand) (view, error) {
	st, err := strides(o.Format, o.Shape)
	if err != nil {
		return view{}, err
	}
	for a, s := range o.Box {
		if s.Lo < 0 || s.Lo >= s.Hi || s.Hi > o.Shape[a] {
			return view{}, fmt.Errorf("box %v does not lie in a buffer of %v, or is empty", o.Box, o.Shape)
		}
	}
	need := int64(o.Shape.Volume()) * o.DType.Size()
	if o.Region.Bytes < need {
		return view{}, fmt.Errorf("a buffer of %v takes %d bytes, its region has %d", o.Shape, need, o.Region.Bytes)
	}
	mem, err := b.bytes(kernels.Region{Offset: o.Region.Offset, Bytes: need})
	if err != nil {
		return view{}, err
	}
	v := view{n: o.Box.Shape(), st: st}
	for a, s := range o.Box {
		v.at += s.Lo * st[a]
	}
	if o.DType != kernels.U8 && o.Region.Offset%4 != 0 {
		return view{}, fmt.Errorf("offset %d is not aligned to 4 bytes", o.Region.Offset)
	}
	switch o.DType {
	case kernels.F32:
		v.f, v.w = of[float32](mem), of[uint32](mem)
	case kernels.I32:
		v.i, v.w = of[int32](mem), of[uint32](mem)
	case kernels.U8:
		v.u = mem
	default:
		return view{}, fmt.Errorf("element type %d is unknown", o.DType)
	}
	return v, nil
}

// stepped returns v with only every step-th index of the channel axis.
func (v view) stepped(step int) view {
	if step > 1 {
		v.n[1] = (v.n[1] + step - 1) / step
		v.st[1] *= step
	}
	return v
}

// pos returns the index of an element of the box.
func (v *view) pos(n, c, h, w int) int {
	return v.at + n*v.st[0] + c*v.st[1] + h*v.st[2] + w*v.st[3]
}

// points reports whether the box has one position only.
func (v *view) points() bool { return v.n[2] == 1 && v.n[3] == 1 }
