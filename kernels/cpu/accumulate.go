package cpu

import "cleave/kernels"

// readsInPlace is how many tiles of sixteen lanes may read dy where it is before its copy pays.
const readsInPlace = 11

// boundFilterGrad is a filter gradient bound to its operands.
type boundFilterGrad struct {
	*filterGrad
	x, dy   *view
	dw      filters
	xs, dys []float32 // the buffers with what tiles read beyond
	xStays  bool      // x is read where it is
	dyStays bool      // and dy
	padded  bool
	tier    *tier
	ops     *rowOps
	size    int // sums of a part
}

func (c *call) filterGrad(f *filterGrad, x, dy *view, dw filters) kernels.Launch {
	if f.turned {
		x, dy, dw = dy, x, dw.turned()
	}
	b := &boundFilterGrad{filterGrad: f, x: x, dy: dy, dw: dw, xs: x.beyond(), dys: dy.beyond(), padded: f.src.padded(), tier: c.b.tier, ops: &c.b.tier.rows}
	b.stay()
	nx, ny, size := f.scratch()
	b.size = size
	ws, pool, jobs := of[float32](c.ws), c.b.pool, f.jobs()
	threads := make([]*outerJob, c.b.Threads)
	all := ws[2*len(threads)*(nx+ny):]
	for i := range threads {
		j := &outerJob{boundFilterGrad: b, sums: all}
		if f.parts == 1 {
			j.sums = all[i*size:][:size]
		}
		for half := range 2 {
			j.xPanels[half], ws = ws[:nx], ws[nx:]
			j.dyPanels[half], ws = ws[:ny], ws[ny:]
		}
		threads[i] = j
	}
	body := func(thread, job int) { threads[thread].run(job) }
	if f.parts == 1 {
		return func() error {
			pool.run(jobs, body)
			return nil
		}
	}
	finish := func(_, g int) { b.finish(all, g) }
	return func() error {
		pool.run(jobs, body)
		pool.run(f.groups, finish)
		return nil
	}
}

// stay decides which operands tiles read where they are.
func (b *boundFilterGrad) stay() {
	t := b.tier
	if !t.whole(b.k, t.outers[0].rows) { // of filters only those that are there count
		return
	}
	if len(b.src.targets[0].taps) > 1 || b.padded {
		tiles := 0
		for _, r := range b.runs {
			tiles += len(r.tiles)
		}
		b.dyStays = b.parts > 1 && 16*tiles <= readsInPlace*t.lanes && b.dy.spreadOut()
		return
	}
	// All blocks of channels are as wide as the first.
	if t.whole(b.c, roundUp(b.cb, t.outers[0].width)) {
		// All filters of a part take a pixel one after the other: with sixteen lanes its copy would
		// take longer than the lines that pixels in the same cache sets push out.
		stay := b.parts > 1 && t.lanes > 8
		b.xStays, b.dyStays = stay || b.x.spreadOut(), stay || b.dy.spreadOut()
	}
}

// spreadOut reports whether pixels do not share cache sets, and so tiles may read many of
// them where they are.
func (v *view) spreadOut() bool { return v.st[3]%128 != 0 }

// ahead returns what a block of positions takes, where pixels follow each other in memory.
func (b *boundFilterGrad) ahead(block int) (a ahead) {
	at := b.corner(block)
	return ahead{
		b.x.stretch(at[0], at[1]*b.stride[0], at[2]*b.stride[1], b.rb*b.stride[0], b.wb*b.stride[1]),
		b.dy.stretch(at[0], at[1], at[2], b.rb, b.wb),
	}
}

// finish adds up a bundle's sums of all parts, in their order, and writes them.
func (b *boundFilterGrad) finish(all []float32, g int) {
	sums := all[g*b.floats:][:b.floats]
	for part := 1; part < b.parts; part++ {
		b.ops.add(sums, sums, all[part*b.size+g*b.floats:][:b.floats])
	}
	b.store(sums, g, 0, 0)
}

// store writes the sums of a block to dw.
func (b *boundFilterGrad) store(sums []float32, g, k0, c0 int) {
	count := min(b.cb, b.c-c0)
	for _, r := range b.runs {
		for _, o := range r.tiles {
			n := min(o.width, len(r.taps)*b.cb-o.first)
			for s := range b.strips(o) {
				k := k0 + s*o.rows
				if filters := min(o.rows, b.kb-s*o.rows, b.k-k); filters > 0 {
					b.storeRun(sums, r, o, n, g, k, filters, c0, count)
				}
				sums = sums[o.sums():]
			}
		}
	}
}

// storeRun writes a tile's sums of so many filters and floats of a run.
func (b *boundFilterGrad) storeRun(sums []float32, r run, o outerPart, floats, g, k, filters, c0, count int) {
	for i := 0; i < floats; {
		tap, c := r.taps[(o.first+i)/b.cb], (o.first+i)%b.cb
		n := min(floats-i, b.cb-c)
		if c < count {
			to := b.dw.f[b.dw.pos(g, k, c0+c, tap):]
			b.ops.stride(words(to), words(sums[i:]), filters, min(n, count-c), b.dw.row, b.dw.channel, o.width, 1)
		}
		i += n
	}
}
