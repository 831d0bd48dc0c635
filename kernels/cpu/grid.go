package cpu

import "cleave/kernels"

// grid is a copy between boxes whose elements do not lie in runs: one has another order of
// the axes, or takes every step-th channel. The two innermost axes of the destination are
// rows and columns.
//
//	to[i·toPitch + j·toStep] = from[i·fromPitch + j·fromStep]   for i < rows, j < cols
type grid struct {
	rows, cols          int
	toPitch, toStep     int
	fromPitch, fromStep int
	outer               [2]int // how many there are
	toOuter, fromOuter  [2]int
}

// newGrid plans a copy.
func newGrid(to, from *view) *grid {
	g := &grid{rows: 1, cols: 1, outer: [2]int{1, 1}}
	vs, axes := []*view{to, from}, to.inward()
	level := func(toStep, fromStep *int) int {
		if len(axes) == 0 {
			return 1
		}
		a, n := axes[len(axes)-1], 1
		*toStep, *fromStep = to.st[a], from.st[a]
		n, axes = merge(vs, axes, [maxViews]int{to.st[a], from.st[a]})
		return n
	}
	g.cols = level(&g.toStep, &g.fromStep)
	g.rows = level(&g.toPitch, &g.fromPitch)
	for i := range g.outer {
		g.outer[i] = level(&g.toOuter[i], &g.fromOuter[i])
	}
	return g
}

// moveGrid returns a launch that copies g, from and to the boxes' first elements.
func moveGrid[T uint32 | byte](c *call, g *grid, to, from []T) kernels.Launch {
	per := min(g.rows, roundUp(max(1, grain/g.cols), 16)) // a transposition fills whole lines of 16 elements
	chunks := ceil(g.rows, per)
	first, second, pool, ops := c.out.at, c.in[0].at, c.b.pool, &c.b.tier.rows
	body := func(_, job int) {
		row, job := job%chunks*per, job/chunks
		i, j := job%g.outer[0], job/g.outer[0]
		d := first + i*g.toOuter[0] + j*g.toOuter[1] + row*g.toPitch
		s := second + i*g.fromOuter[0] + j*g.fromOuter[1] + row*g.fromPitch
		copyGrid(ops, g, to[d:], from[s:], min(per, g.rows-row))
	}
	return func() error {
		pool.run(chunks*g.outer[0]*g.outer[1], body)
		return nil
	}
}

// copyGrid copies so many rows of g.
func copyGrid[T uint32 | byte](ops *rowOps, g *grid, to, from []T, rows int) {
	d, words := any(to).([]uint32)
	if !words {
		strideGo(to, from, rows, g.cols, g.toPitch, g.toStep, g.fromPitch, g.fromStep)
		return
	}
	s := any(from).([]uint32)
	switch {
	case g.toStep == 1 && g.fromPitch == 1:
		ops.transpose(d, s, g.cols, rows, g.toPitch, g.fromStep)
	case g.toPitch == 1 && g.fromStep == 1:
		ops.transpose(d, s, rows, g.cols, g.toStep, g.fromPitch)
	default:
		ops.stride(d, s, rows, g.cols, g.toPitch, g.toStep, g.fromPitch, g.fromStep)
	}
}

func strideGo[T uint32 | byte](to, from []T, rows, cols, toPitch, toStep, fromPitch, fromStep int) {
	for i := range rows {
		d, s := to[i*toPitch:], from[i*fromPitch:]
		if toStep == 1 && fromStep == 1 {
			copy(d[:cols], s[:cols])
			continue
		}
		for j := range cols {
			d[j*toStep] = s[j*fromStep]
		}
	}
}

func transposeGo(to, from []uint32, rows, cols, toPitch, fromPitch int) {
	if rows == 1 && toPitch == 1 || cols == 1 && fromPitch == 1 {
		copy(to[:rows*cols], from)
		return
	}
	for i := range rows {
		for j, v := range from[i*fromPitch:][:cols] {
			to[j*toPitch+i] = v
		}
	}
}
