package cpu

import (
	"slices"
	"unsafe"
)

const (
	maxViews = 4
	// grain is about how many elements make a job worth handing to another thread.
	grain = 8192
)

// loop walks over boxes of one shape in runs: stretches of elements that are neighbours
// in every one of the boxes. Runs that follow each other at one distance are a block.
type loop struct {
	first  [maxViews]int    // index of the first element
	run    int              // elements of a run
	rows   int              // runs of a block
	pitch  [maxViews]int    // from run to run of a block, in each view
	dims   [3]int           // of the blocks, outermost first
	steps  [maxViews][3]int // of each view, along dims
	piece  int              // a run is handed out in pieces of this many
	pieces int              // of a run
	items  int              // pieces in all
	perJob int
	jobs   int
}

// newLoop plans a walk in the order of the first view's memory. The views must have equal
// extents.
func newLoop(vs ...*view) *loop {
	l := &loop{dims: [3]int{1, 1, 1}}
	axes := vs[0].inward()
	l.run, axes = merge(vs, axes, [maxViews]int{1, 1, 1, 1})
	if len(axes) > 0 {
		for i, v := range vs {
			l.pitch[i] = v.st[axes[len(axes)-1]]
		}
	}
	l.rows, axes = merge(vs, axes, l.pitch)
	l.items = l.rows
	for k, a := range axes {
		l.dims[k] = vs[0].n[a]
		l.items *= l.dims[k]
		for i, v := range vs {
			l.steps[i][k] = v.st[a]
		}
	}
	for i, v := range vs {
		l.first[i] = v.at
	}
	l.piece = min(l.run, grain)
	l.pieces = ceil(l.run, l.piece)
	l.items *= l.pieces
	l.perJob = max(1, grain/l.piece)
	l.jobs = ceil(l.items, l.perJob)
	return l
}

// inward lists the axes along which the box extends, in the order of their strides.
func (v *view) inward() []int {
	var axes []int
	for a, n := range v.n {
		if n > 1 {
			axes = append(axes, a)
		}
	}
	slices.SortStableFunc(axes, func(a, b int) int { return v.st[b] - v.st[a] })
	return axes
}

// merge takes axes from the inner end for as long as they go on at the pitch in all views.
// It returns their elements and the axes that are left.
func merge(vs []*view, axes []int, pitch [maxViews]int) (count int, left []int) {
	for count = 1; len(axes) > 0; axes = axes[:len(axes)-1] {
		a := axes[len(axes)-1]
		for i, v := range vs {
			if v.st[a] != count*pitch[i] {
				return count, axes
			}
		}
		count *= vs[0].n[a]
	}
	return count, nil
}

// job calls f for each piece of a job: at is the index of its first element in each view,
// n its length. The pieces of all jobs are numbered in order.
func (l *loop) job(job int, f func(at [maxViews]int, n int)) {
	l.runs(job, func(at [maxViews]int, rows, n int) {
		for range rows {
			f(at, n)
			for v := range at {
				at[v] += l.pitch[v]
			}
		}
	})
}

// runs calls f for several runs at once: rows of them, each n long, at the block's pitch.
// Runs may be so short that a call for each is what takes the time.
func (l *loop) runs(job int, f func(at [maxViews]int, rows, n int)) {
	end := min((job+1)*l.perJob, l.items)
	for item := job * l.perJob; item < end; {
		rest, skip := item/l.pieces, item%l.pieces*l.piece
		row, rows := rest%l.rows, 1
		if l.pieces == 1 {
			rows = min(l.rows-row, end-item)
		}
		at := l.block(rest / l.rows)
		for v := range at {
			at[v] += row*l.pitch[v] + skip
		}
		f(at, rows, min(l.piece, l.run-skip))
		item += rows
	}
}

// block returns where a block begins.
func (l *loop) block(i int) [maxViews]int {
	at := l.first
	for a := len(l.dims) - 1; a >= 0; a-- {
		if l.dims[a] > 1 {
			k := i % l.dims[a]
			i /= l.dims[a]
			for v := range at {
				at[v] += k * l.steps[v][a]
			}
		}
	}
	return at
}

// doubles returns memory as double-precision numbers.
func doubles(mem []byte) []float64 {
	return unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/8)
}
