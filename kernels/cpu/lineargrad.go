package cpu

import (
	"math"

	"cleave/kernels"
)

// linearDataGrad is the geometry of a linear layer's data gradient: dx (N×C) = dy (N×K) · w
// (K×C). A job copies blocks of w's rows to the order that tiles read and multiplies them
// with all samples: w is read once.
type linearDataGrad struct {
	*geometry
	parts  [2][]part // of a job's columns, and of the last job's
	cb, kb int       // columns of a job, rows of a block of w
	width  int       // floats of a copied row
}

func newLinearDataGrad(g *geometry, t *tier, threads int) *linearDataGrad {
	l := &linearDataGrad{geometry: g, kb: min(g.k, 256), cb: min(g.c, 192)}
	for l.jobs() < someJobs*threads && l.cb > 48 {
		l.cb = ceil(l.cb, 2)
	}
	l.cb = roundUp(l.cb, 8)
	for i, n := range []int{min(l.c, l.cb), l.c - (ceil(l.c, l.cb)-1)*l.cb} {
		l.parts[i] = cover(t.tiles, n)
		width := 0
		for _, k := range l.parts[i] {
			width += k.width
		}
		l.width = max(l.width, width)
	}
	return l
}

func (l *linearDataGrad) jobs() int { return l.groups * ceil(l.c, l.cb) }

// scratch is the floats of a thread: what sums begin with, and a tile's part of a block of w.
func (l *linearDataGrad) scratch() int { return roundUp(l.width*(l.kb+1)+panelSlack, 16) }

func (l *linearDataGrad) workspace(threads int) int64 {
	return 4 * int64(threads) * int64(l.scratch())
}

func (c *call) linearDataGrad(l *linearDataGrad, dy, w, dx *view) kernels.Launch {
	ops, pool, ws, size := &c.b.tier.rows, c.b.pool, of[float32](c.ws), l.scratch()
	table := newPositions(l.samples, func(n int) (at, to int) { return n * dy.st[0], n * dx.st[0] })
	table.runs = [2][]int{{0, l.kb, 0}, {0, l.k - (ceil(l.k, l.kb)-1)*l.kb, 0}}
	low := float32(math.Inf(-1))
	body := func(thread, job int) {
		local := ws[thread*size:][:size]
		zeros, block := local[:l.width], local[l.width:]
		clear(zeros)
		cs := ceil(l.c, l.cb)
		c0, g := job%cs*l.cb, job/cs
		cols, parts := min(l.cb, l.c-c0), l.parts[0]
		if c0+cols == l.c {
			parts = l.parts[1]
		}
		for k0 := 0; k0 < l.k; k0 += l.kb {
			count, last := min(l.kb, l.k-k0), 0
			var start []float32
			if k0+count == l.k {
				last = 1
			}
			for i := range parts {
				k := &parts[i]
				valid := min(k.width, cols-k.first)
				if valid < k.width {
					clear(block[:count*k.width])
				}
				ops.copyPanel(block, w.f[w.pos(g*l.k+k0, c0+k.first, 0, 0):], 1, count, valid, 0, k.width, 0, w.st[0])
				if k0 == 0 {
					start = zeros[:k.width]
				}
				n := roundUp(l.samples, k.positions)
				k.run(block, dy.f[dy.pos(0, g*l.k+k0, 0, 0):], table.runs[last], table.at[:n], dx.f[dx.pos(0, g*l.c+c0+k.first, 0, 0):], table.to[:n], start, k.last, w.f, 0, low)
			}
		}
	}
	return func() error {
		pool.run(l.jobs(), body)
		return nil
	}
}
