package cpu

import (
	"unsafe"

	"cleave/layout"
)

const (
	maxViews = 4
	// grain is about how many elements make a job worth handing to another thread.
	grain = 8192
)

// loop walks over boxes of one shape in runs: stretches of elements that are neighbours
// in every one of the boxes.
type loop struct {
	dims   [4]int           // outer extents
	steps  [maxViews][4]int // of each view, along dims
	first  [maxViews]int    // index of the first element
	run    int              // elements of a whole run
	piece  int              // a run is handed out in pieces of this many
	pieces int              // of a run
	items  int              // pieces in all
	perJob int
	jobs   int
}

// newLoop plans a walk. The views must have equal extents.
func newLoop(vs ...*view) *loop {
	l := &loop{run: 1, dims: [4]int{1, 1, 1, 1}}
	n := vs[0].n
	axis := 3
merge:
	for ; axis >= 0; axis-- {
		if n[axis] == 1 {
			continue
		}
		for _, v := range vs {
			if v.st[axis] != l.run {
				break merge
			}
		}
		l.run *= n[axis]
	}
	items := 1
	for a := 0; a <= axis; a++ {
		l.dims[a] = n[a]
		items *= n[a]
		for i, v := range vs {
			l.steps[i][a] = v.st[a]
		}
	}
	for i, v := range vs {
		l.first[i] = v.at
	}
	l.piece = min(l.run, grain)
	l.pieces = (l.run + l.piece - 1) / l.piece
	l.items = items * l.pieces
	l.perJob = max(1, grain/l.piece)
	l.jobs = (l.items + l.perJob - 1) / l.perJob
	return l
}

// job calls f for each piece of a job: at is the index of its first element in each view,
// n its length. The pieces of all jobs are numbered in order.
func (l *loop) job(job int, f func(at [maxViews]int, n int)) {
	for item := job * l.perJob; item < min((job+1)*l.perJob, l.items); item++ {
		rest, skip := item/l.pieces, item%l.pieces*l.piece
		at := l.first
		for a := 3; a >= 0; a-- {
			if l.dims[a] > 1 {
				i := rest % l.dims[a]
				rest /= l.dims[a]
				for v := range at {
					at[v] += i * l.steps[v][a]
				}
			}
		}
		for v := range at {
			at[v] += skip
		}
		f(at, min(l.piece, l.run-skip))
	}
}

// planes walks over the planes (rows and columns of one sample and channel) of a box.
type planes struct {
	n      layout.Shape
	rows   int // runs of a plane
	run    int // elements of a run
	perJob int
	jobs   int
}

// newPlanes plans a walk; the views must have equal extents.
func newPlanes(vs ...*view) *planes {
	p := &planes{n: vs[0].n}
	p.rows, p.run = p.n[2], p.n[3]
	flat := true
	for _, v := range vs {
		flat = flat && v.flat()
	}
	if flat {
		p.rows, p.run = 1, p.n[2]*p.n[3]
	}
	p.perJob = max(1, grain/(p.n[2]*p.n[3]))
	p.jobs = (p.n[0]*p.n[1] + p.perJob - 1) / p.perJob
	return p
}

// job calls f for each plane of a job.
func (p *planes) job(job int, f func(n, c int)) {
	for i := job * p.perJob; i < min((job+1)*p.perJob, p.n[0]*p.n[1]); i++ {
		f(i/p.n[1], i%p.n[1])
	}
}

// doubles returns memory as double-precision numbers.
func doubles(mem []byte) []float64 {
	return unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/8)
}
