package cpu

import "cleave/kernels"

// filterGrad is the geometry of a filter gradient: for every filter and tap the dot
// product of dy's row of all positions with the padded copy of x, moved by the tap's
// distance. dy is copied to rows of x's padded width, zero between.
type filterGrad struct {
	*geometry
	src     *product // the forward convolution, for its taps and phases
	dot     dotTile
	mb      int // filters of a job
	cb      int // channels of a job
	rb      int // rows of positions copied at a time
	nb      int // samples copied at a time
	copied  int // rows of x copied: rb and those that taps reach below
	width   int // of a copied row
	plane   int // floats from plane to plane of the copy of x
	length  int // floats of a copied row of dy: rb rows of positions, rounded up
	xSample int // floats from sample to sample of the copy of x
	ySample int // and of dy
	columns int // dot products of a job for each filter: channels × taps
}

const (
	rowFloats   = 2048 // how long at most, about, a dot product is between additions to its result,
	someFloats  = 1024 // and from what length on more samples do not pay
	blockFloats = 40 * 1024
)

func newFilterGrad(g *geometry, t *tier, threads int) *filterGrad {
	p := g.forward()
	f := &filterGrad{geometry: g, src: p}
	target := &p.targets[0]
	down, across := 0, 0
	for _, k := range target.taps {
		down, across = max(down, k.down), max(across, k.across)
	}
	f.width = target.cols + across
	f.rb = min(target.rows, max(1, rowFloats/f.width))
	f.rb = ceil(target.rows, ceil(target.rows, f.rb))
	f.copied = f.rb + down
	f.length = roundUp(f.rb*f.width, dotUnit)
	f.plane = (ceil(max(f.copied*f.width+padSlack, down*f.width+across+f.length), 16) | 1) * 16
	f.nb = min(g.samples, max(1, someFloats/f.length))
	phases := p.phases[0] * p.phases[1]
	f.cb = min(g.c, max(1, blockFloats/(f.nb*f.plane*phases)))
	f.mb = min(g.k, max(8, blockFloats/(f.nb*f.length)))
	f.cb, f.mb = ceil(g.c, ceil(g.c, f.cb)), ceil(g.k, ceil(g.k, f.mb))
	for f.jobs() < 4*threads && (f.cb > 1 || f.mb > 8) {
		if f.mb > 8 && f.mb > f.cb*len(target.taps) || f.cb == 1 {
			f.mb = ceil(f.mb, 2)
		} else {
			f.cb = ceil(f.cb, 2)
		}
	}
	f.columns = f.cb * len(target.taps)
	f.dot = t.dotFor(f.mb, f.columns)
	f.xSample = f.cb * phases * f.plane
	f.ySample = f.mb * f.length
	return f
}

func (f *filterGrad) jobs() int { return f.groups * ceil(f.k, f.mb) * ceil(f.c, f.cb) }

// floats is the scratch memory of a thread: copies of x and dy, and results.
func (f *filterGrad) floats() (x, y, results int) {
	return f.nb * f.xSample, roundUp(f.nb*f.ySample+padSlack, 16), roundUp(f.mb*f.columns, 16)
}

// workspace is the scratch memory in bytes.
func (f *filterGrad) workspace(threads int) int64 {
	x, y, results := f.floats()
	return 4 * int64(threads) * int64(x+y+results)
}

type boundFilterGrad struct {
	*filterGrad
	from   padded
	dy, dw *view
	off    []int // of each column of a job: where it begins in the copy of x
}

func (c *call) filterGrad(f *filterGrad, x, dy, dw *view) kernels.Launch {
	p := f.src
	b := &boundFilterGrad{filterGrad: f, dy: dy, dw: dw,
		from: padded{src: x, group: f.c * x.st[1], phases: p.phases, margin: p.margin, size: p.size, plane: f.plane, ops: &c.b.tier.rows}}
	for ch := range f.cb {
		for _, k := range p.targets[0].taps {
			b.off = append(b.off, (ch*p.phases[0]*p.phases[1]+k.phase)*f.plane+k.down*f.width+k.across)
		}
	}
	nx, ny, nr := f.floats()
	ws, pool, jobs := of[float32](c.ws), c.b.pool, f.jobs()
	per := batch(jobs, pool.threads, p.work()/jobs)
	tables := make([]dotTable, pool.threads)
	body := func(thread, job int) {
		local := ws[thread*(nx+ny+nr):][:nx+ny+nr]
		for j := job * per; j < min((job+1)*per, jobs); j++ {
			b.job(&tables[thread], local[:nx], local[nx:nx+ny], local[nx+ny:], j)
		}
	}
	return func() error {
		pool.run(ceil(jobs, per), body)
		return nil
	}
}

// job computes the gradient of a block of filters × channels of one group.
func (b *boundFilterGrad) job(t *dotTable, x, y, results []float32, job int) {
	cs, ms := ceil(b.c, b.cb), ceil(b.k, b.mb)
	c0 := job % cs * b.cb
	job /= cs
	m0 := job % ms * b.mb
	g := job / ms
	channels, filters := min(b.cb, b.c-c0), min(b.mb, b.k-m0)
	target := &b.src.targets[0]
	clear(results)
	clear(x) // what lies between the planes must be finite: it is multiplied by zero
	for n := 0; n < b.samples; n += b.nb {
		samples := min(b.nb, b.samples-n)
		for row := 0; row < target.rows; row += b.rb {
			for s := range samples {
				b.from.copy(x[s*b.xSample:], n+s, g, c0, channels, row, 0, b.copied, b.width)
				b.copyRows(y[s*b.ySample:], n+s, g*b.k+m0, filters, row)
			}
			b.multiply(t, results, x, y, filters, channels*len(target.taps), samples)
		}
	}
	whole := b.dw.flat() && b.dw.st[1] == len(target.taps) // results lie as filters do
	for m := range filters {
		from := results[m*b.columns:][:channels*len(target.taps)]
		if whole {
			copy(b.dw.f[b.dw.pos(g*b.k+m0+m, c0, 0, 0):], from)
			continue
		}
		for i, v := range from {
			k := &target.taps[i%len(target.taps)]
			b.dw.f[b.dw.pos(g*b.k+m0+m, c0+i/len(target.taps), k.r, k.s)] = v
		}
	}
}

// copyRows copies rows of positions of dy from row on, with zeros between them.
func (b *boundFilterGrad) copyRows(to []float32, n, first, filters, row int) {
	target := &b.src.targets[0]
	rows := min(b.rb, target.rows-row)
	for m := range filters {
		dst := to[m*b.length:]
		b.from.ops.padRows(dst, b.dy.f[b.dy.pos(n, first+m, row, 0):], rows, b.width, 0, target.cols, b.dy.st[2], b.dy.st[3])
		clear(dst[rows*b.width : b.length])
	}
}

// multiply adds the dot products of a block to its results.
func (b *boundFilterGrad) multiply(t *dotTable, results, x, y []float32, filters, columns, samples int) {
	mr, nr := b.dot.mr, b.dot.nr
	rows, cols, sums := t.rows[:mr], t.cols[:nr], t.sums[:mr*nr]
	for m := 0; m < filters; m += mr {
		for i := range mr {
			rows[i] = min(m+i, filters-1) * b.length
		}
		for j := 0; j < columns; j += nr {
			for k := range nr {
				cols[k] = b.off[min(j+k, columns-1)]
			}
			b.dot.run(y, rows, x, cols, b.length, samples, b.ySample, b.xSample, sums)
			for i := range min(mr, filters-m) {
				to := results[(m+i)*b.columns+j:]
				for k := range min(nr, columns-j) {
					to[k] += sums[i*nr+k]
				}
			}
		}
	}
}
