package choose

import (
	"math/bits"
	"slices"
)

const (
	threads   = 256  // of a block of a memory-bound kernel
	maxBlocks = 4096 // where threads go on with more elements; several times what any GPU runs at once
)

// line returns a grid for items of which each block takes so many at once.
func line(items, each int) [3]int { return [3]int{min(ceil(items, each), maxBlocks), 1, 1} }

// div returns a divisor for numbers below 2³¹; see Divisor in walk.h.
func div(d int) Arg {
	if d == 1 {
		return long(1)
	}
	s := bits.Len(uint(d-1)) - 1
	m := (1<<(32+s) + uint64(d) - 1) / uint64(d)
	return long(m<<32 | uint64(d))
}

// walk is how a kernel goes over the boxes of several views, as in walk.h: levels, the
// innermost first, and every view's steps along them, in elements.
type walk struct {
	width  int // elements of a run along level 0; n[0] counts runs
	n      [4]int
	levels int // beyond them n is 1
	views  []*view
	steps  [][4]int
}

// inward orders a view's axes from the one whose neighbours are nearest; axes with one index
// are left out.
func (v *view) inward() []int {
	var axes []int
	for a, n := range v.n {
		if n > 1 {
			axes = append(axes, a)
		}
	}
	slices.SortStableFunc(axes, func(a, b int) int { return v.st[a] - v.st[b] })
	return axes
}

// merged returns a walk along axes in this order, neighbours merged where all views allow it.
func merged(axes []int, vs ...*view) *walk {
	w := newWalk(vs)
	for _, a := range axes {
		if w.levels > 0 && w.continues(a) {
			w.n[w.levels-1] *= vs[0].n[a]
		} else {
			w.level(a)
		}
	}
	return w
}

// pixelwise returns a walk whose levels are channels, columns, rows and samples, none merged.
func pixelwise(vs ...*view) *walk {
	w := newWalk(vs)
	for _, a := range [4]int{1, 3, 2, 0} {
		w.level(a)
	}
	return w
}

// channelwise returns a walk whose level 0 is channels; the others are merged where possible.
func channelwise(vs ...*view) *walk {
	w := newWalk(vs)
	w.level(1)
	for _, a := range [3]int{3, 2, 0} {
		switch {
		case vs[0].n[a] == 1:
		case w.levels > 1 && w.continues(a):
			w.n[w.levels-1] *= vs[0].n[a]
		default:
			w.level(a)
		}
	}
	return w
}

func newWalk(vs []*view) *walk {
	return &walk{width: 1, n: [4]int{1, 1, 1, 1}, views: vs, steps: make([][4]int, len(vs))}
}

// level appends an axis.
func (w *walk) level(a int) {
	w.n[w.levels] = w.views[0].n[a]
	for i, v := range w.views {
		w.steps[i][w.levels] = v.st[a]
	}
	w.levels++
}

// continues reports whether in all views an axis goes on where the last level ends.
func (w *walk) continues(a int) bool {
	for i, v := range w.views {
		if v.st[a] != w.steps[i][w.levels-1]*w.n[w.levels-1] {
			return false
		}
	}
	return true
}

// widen makes runs of so many elements if in all views they lie one after the other, aligned
// to their size.
func (w *walk) widen(width int) bool {
	if w.n[0]%width != 0 {
		return false
	}
	for i, v := range w.views {
		if w.steps[i][0] != 1 || v.at%(int64(width)*v.dtype.Size()) != 0 {
			return false
		}
		for l := 1; l < w.levels; l++ {
			if w.n[l] > 1 && w.steps[i][l]%width != 0 {
				return false
			}
		}
	}
	w.width = width
	w.n[0] /= width
	for i := range w.views {
		w.steps[i][0] = width
	}
	return true
}

// run widens a walk to 16 bytes of float32 if possible and returns the kernel's name for it.
func (w *walk) run(kernel string) string {
	if w.widen(4) {
		return kernel + "_run4_f32"
	}
	return kernel + "_run1_f32"
}

// total is the number of runs.
func (w *walk) total() int { return w.n[0] * w.n[1] * w.n[2] * w.n[3] }

// box returns the arguments BOX_PARAMS of walk.h.
func (w *walk) box() []Arg {
	args := []Arg{num(w.total())}
	for l := range 3 {
		if l+1 < w.levels {
			args = append(args, div(w.n[l]))
		} else {
			args = append(args, long(0))
		}
	}
	return args
}

// view returns the arguments VIEW_PARAMS of view i.
func (w *walk) view(i int) []Arg { return append([]Arg{w.views[i].ptr()}, nums(w.steps[i][:]...)...) }

// words returns the arguments VIEW_PARAMS of view i whose elements are whole runs.
func (w *walk) words(i int) []Arg {
	args := []Arg{w.views[i].ptr()}
	for _, s := range w.steps[i] {
		args = append(args, num(s/w.width))
	}
	return args
}

// pixels returns the arguments PIXEL_PARAMS of channels.h, for a channelwise walk.
func (w *walk) pixels() []Arg {
	args := nums(w.n[0], w.n[1]*w.n[2]*w.n[3])
	for l := 1; l < 3; l++ {
		if l+1 < w.levels {
			args = append(args, div(w.n[l]))
		} else {
			args = append(args, long(0))
		}
	}
	return args
}

// across returns a block for a channelwise walk, channels × pixels, and how many blocks the
// channels take.
func (w *walk) across() (block [3]int, blocks int) {
	blocks = ceil(w.n[0], threads/2)
	x := ceil(w.n[0], blocks)
	return [3]int{x, threads / x, 1}, blocks
}

// each launches an element-wise kernel on a walk over the output and inputs, its views in
// this order, followed by other arguments.
func (c *call) each(kernel string, w *walk, more ...any) {
	name := w.run(kernel)
	args := []any{w.box()}
	for i := range w.views {
		args = append(args, w.view(i))
	}
	c.launch(name, line(w.total(), 2*threads), [3]int{threads, 1, 1}, 0, append(args, more...)...)
}
