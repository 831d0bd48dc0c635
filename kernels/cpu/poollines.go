package cpu

import (
	"math"

	"cleave/kernels"
)

// poolLines is how max pool's gradient lays out a plane: every row is split into one line
// for each remainder of its columns modulo the stride, so that one column of all windows of
// a row is a stretch of one line.
type poolLines struct {
	kernel, stride, left int
	h, wd                int // x's rows and columns
	windows              int // of a row
	lanes                int // windows rounded up to eights
	line                 int // floats of a line
}

func newPoolLines(w kernels.Window, h, wd, windows int) *poolLines {
	l := &poolLines{kernel: w.Kernel[1], stride: w.Stride[1], left: w.Pad[2], h: h, wd: wd, windows: windows, lanes: roundUp(windows, 8)}
	l.line = max(l.lanes+(l.kernel-1)/l.stride, ceil(l.left+wd, l.stride))
	return l
}

// plane is the floats of all lines of a plane.
func (l *poolLines) plane() int { return roundUp(l.stride*l.h*l.line+padSlack, 16) }

// floats is the scratch memory of a thread: lines of x and of its gradient, and the
// results, gradients and marks of a row of windows.
func (l *poolLines) floats() int { return 2*l.plane() + roundUp(3*l.lanes, 16) }

// split copies a plane of x to lines and clears its gradient's. What is beside the plane is
// no number: it equals no maximum.
func (l *poolLines) split(ops *rowOps, local []float32, x *view, n, ch int) {
	nan := float32(math.NaN())
	for phase := range l.stride {
		lines := local[phase*l.h*l.line:]
		lo := ceil(max(0, l.left-phase), l.stride) // the first column's place
		first := lo*l.stride + phase - l.left
		hi := lo
		if first < l.wd {
			hi += ceil(l.wd-first, l.stride)
			ops.padRows(lines, x.f[x.pos(n, ch, 0, first):], l.h, l.line, lo, hi-lo, x.st[2], l.stride*x.st[3])
		}
		end := l.windows + (l.kernel-1)/l.stride // beyond, windows have no gradient
		if lo == 0 && hi >= end {
			continue
		}
		for h := range l.h {
			line := lines[h*l.line:][:l.line]
			for j := range min(lo, end) {
				line[j] = nan
			}
			for j := hi; j < end; j++ {
				line[j] = nan
			}
		}
	}
	clear(local[l.plane():l.floats()])
}

// row adds the gradients of a row of windows over rows rs to those lines where the first
// of each window's maxima is.
func (l *poolLines) row(ops *rowOps, local, top, gradient []float32, rs span) {
	lines := local[2*l.plane():]
	best, g, done := lines[:l.lanes], lines[l.lanes:][:l.lanes], lines[2*l.lanes:][:l.lanes]
	copy(best, top)
	copy(g, gradient)
	clear(done)
	for h := rs.lo; h < rs.hi; h++ {
		for s := range l.kernel {
			at := (s%l.stride*l.h+h)*l.line + s/l.stride
			ops.pick(local[l.plane()+at:][:l.lanes], local[at:][:l.lanes], best, g, done)
		}
	}
}

// join writes the gradient's lines to a plane of dx.
func (l *poolLines) join(ops *rowOps, local []float32, dx *view, n, ch int) {
	from := local[l.plane():]
	if l.stride == 1 {
		ops.unpadRows(dx.f[dx.pos(n, ch, 0, 0):], from[l.left:], l.h, l.wd, dx.st[2], l.line, 0, float32(math.Inf(-1)))
		return
	}
	line := func(h, col int) []float32 {
		return from[((l.left+col)%l.stride*l.h+h)*l.line+(l.left+col)/l.stride:]
	}
	for h := range l.h {
		to := dx.f[dx.pos(n, ch, h, 0):][:l.wd]
		if l.stride == 2 {
			ops.zip(to, line(h, 0)[:ceil(l.wd, 2)], line(h, 1)[:l.wd/2])
			continue
		}
		for col := range min(l.stride, l.wd) {
			for i, v := range line(h, col)[:ceil(l.wd-col, l.stride)] {
				to[col+i*l.stride] = v
			}
		}
	}
}
