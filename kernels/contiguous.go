package kernels

import "cleave/layout"

// Contiguous returns the bytes that a box of a buffer takes if they lie in one range, in
// the order that a buffer of just that box has in the same format, for buffers without
// anything between the elements. See Sizer.Contiguous.
func Contiguous(f Format, d DType, s layout.Shape, b layout.Box) (Region, bool) {
	order := [4]int{0, 1, 2, 3} // axes from the outermost in
	if f == NHWC {
		order = [4]int{0, 2, 3, 1}
	}
	if b.Empty() || !s.Box().Holds(b) {
		return Region{}, false
	}
	// In one range: one index of each outer axis, then any span of one axis, then all.
	first, inner, open := 0, 1, true
	for i := 3; i >= 0; i-- {
		a := order[i]
		if !open && b[a].Len() != 1 {
			return Region{}, false
		}
		if b[a].Len() != s[a] {
			open = false
		}
		first += b[a].Lo * inner
		inner *= s[a]
	}
	return Region{Offset: int64(first) * d.Size(), Bytes: int64(b.Volume()) * d.Size()}, true
}
