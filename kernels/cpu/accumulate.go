package cpu

import "cleave/kernels"

// boundFilterGrad is a filter gradient bound to its operands.
type boundFilterGrad struct {
	*filterGrad
	x, dy   *view
	dw      filters
	xs, dys []float32 // the buffers with what tiles read beyond
	xStays  bool      // x is read where it is
	dyStays bool      // and dy
	padded  bool
	ops     *rowOps
}

func (c *call) filterGrad(f *filterGrad, x, dy *view, dw filters) kernels.Launch {
	if f.turned {
		x, dy, dw = dy, x, dw.turned()
	}
	b := &boundFilterGrad{filterGrad: f, x: x, dy: dy, dw: dw, xs: x.beyond(), dys: dy.beyond(), padded: f.src.padded(), ops: &c.b.tier.rows}
	single := len(f.src.targets[0].taps) == 1 && !b.padded
	// All blocks of channels are as wide as the first; of filters only those that are there count.
	if t := c.b.tier; single && t.whole(f.c, roundUp(f.cb, t.outers[0].width)) && t.whole(f.k, t.outers[0].rows) {
		// All filters of a part take a pixel one after the other: with sixteen lanes its copy would
		// take longer than the lines that pixels in the same cache sets push out.
		stay := f.parts > 1 && t.lanes > 8
		b.xStays, b.dyStays = stay || x.spreadOut(), stay || dy.spreadOut()
	}
	nx, ny, sums := f.scratch()
	ws, pool, jobs := of[float32](c.ws), c.b.pool, f.jobs()
	panels, all := ws[:c.b.Threads*(nx+ny)], ws[c.b.Threads*(nx+ny):]
	body := func(thread, job int) {
		local, mine := panels[thread*(nx+ny):][:nx+ny], all[thread*sums:][:sums]
		if f.parts > 1 {
			mine = all[job*sums:][:sums]
		}
		b.job(local[:nx], local[nx:], mine, job)
	}
	if f.parts == 1 {
		return func() error {
			pool.run(jobs, body)
			return nil
		}
	}
	finish := func(_, g int) { b.finish(all, sums, g) }
	return func() error {
		pool.run(jobs, body)
		pool.run(f.groups, finish)
		return nil
	}
}

// job computes the gradients of a block of filters × channels of some bundles, or all of
// them for a part of the positions.
func (b *boundFilterGrad) job(panel, dys, sums []float32, job int) {
	from, to := 0, b.blocks()
	if b.parts > 1 {
		from, to = job*to/b.parts, (job+1)*to/b.parts
		job = 0
	}
	cs, ks := ceil(b.c, b.cb), ceil(b.k, b.kb)
	c0 := job % cs * b.cb
	job /= cs
	k0 := job % ks * b.kb
	first := job / ks * b.some
	end := min(first+b.some, b.groups)
	clear(sums)
	for block := from; block < to; block++ {
		if b.padded {
			clear(panel)
		}
		var next ahead
		var far pixelsAhead
		if block+1 < to {
			if b.parts > 1 {
				next = b.ahead(block + 1)
			} else {
				far = b.farAhead(block+1, first*b.k+k0, first*b.c+c0)
			}
		}
		for g := first; g < end; g++ {
			b.add(panel, dys, sums[(g-first)*b.floats:], g, k0, c0, b.corner(block), &next, &far)
		}
	}
	if b.parts > 1 {
		return
	}
	for g := first; g < end; g++ {
		b.store(sums[(g-first)*b.floats:], g, k0, c0)
	}
}

// spreadOut reports whether pixels do not share cache sets, and so tiles may read many of
// them where they are.
func (v *view) spreadOut() bool { return v.st[3]%128 != 0 }

// ahead returns what a block of positions takes, where pixels follow each other in memory:
// it is read by all groups or none.
func (b *boundFilterGrad) ahead(block int) (a ahead) {
	at := b.corner(block)
	return ahead{
		b.x.stretch(at[0], at[1]*b.stride[0], at[2]*b.stride[1], b.rb*b.stride[0], b.wb*b.stride[1]),
		b.dy.stretch(at[0], at[1], at[2], b.rb, b.wb),
	}
}

// farAhead returns the pixels that a group takes of a block of positions, from its first
// filter and channel on.
func (b *boundFilterGrad) farAhead(block, filter, channel int) pixelsAhead {
	at := b.corner(block)
	row, col := max(0, at[1]*b.stride[0]-b.before[0]), max(0, at[2]*b.stride[1]-b.before[1])
	return pixelsAhead{
		{b.x.f[b.x.pos(at[0], channel, row, col):], b.copied[0] * b.copied[1], b.x.st[3]},
		{b.dy.f[b.dy.pos(at[0], filter, at[1], at[2]):], b.rb * b.wb, b.dy.st[3]},
	}
}

// finish adds up a bundle's sums of all parts, in their order, and writes them.
func (b *boundFilterGrad) finish(all []float32, size, g int) {
	sums := all[g*b.floats:][:b.floats]
	for part := 1; part < b.parts; part++ {
		b.ops.add(sums, sums, all[part*size+g*b.floats:][:b.floats])
	}
	b.store(sums, g, 0, 0)
}

// add adds the products of a block of positions; corner is its first sample, row and
// column. It asks for what the next block takes.
func (b *boundFilterGrad) add(panel, dys, sums []float32, g, k0, c0 int, corner [3]int, next *ahead, far *pixelsAhead) {
	t := &b.src.targets[0]
	images, rows, cols := min(b.nb, b.samples-corner[0]), min(b.rb, t.rows-corner[1]), min(b.wb, t.cols-corner[2])
	first, count := g*b.c+c0, min(b.cb, b.c-c0)
	col := b.pitch
	line := b.copied[1] * col
	image := b.copied[0] * line
	x := panel
	if b.xStays {
		x = b.xs[b.x.pos(corner[0], first, corner[1]*b.stride[0], corner[2]*b.stride[1]):]
		image, line, col = b.x.st[0], b.x.st[2], b.x.st[3]
	} else {
		b.fill(panel, corner, images, first, count)
	}
	dy, dyImage, dyRow, dyCol := b.dys[b.dy.pos(corner[0], g*b.k+k0, corner[1], corner[2]):], b.dy.st[0], b.dy.st[2], b.dy.st[3]
	if !b.dyStays {
		n := min(b.kb, b.k-k0)
		for i := range images {
			b.ops.copyPanel(dys[i*rows*cols*b.dyPitch:], dy[i*dyImage:], rows, cols, n, cols*b.dyPitch, b.dyPitch, dyRow, dyCol)
		}
		dy, dyImage, dyRow, dyCol = dys, rows*cols*b.dyPitch, cols*b.dyPitch, b.dyPitch
	}
	filters := min(b.kb, b.k-k0)
	for _, r := range b.runs {
		down := r.taps[0].down
		h0, h1 := b.src.taking(0, down, down, corner[1], rows)
		for _, o := range r.tiles {
			mine := sums
			sums = sums[b.strips(o)*o.sums():]
			left, right := r.taps[o.first/b.cb], r.taps[min(o.first+o.width-1, len(r.taps)*b.cb-1)/b.cb]
			w0, w1 := b.src.taking(1, left.across, right.across, corner[2], cols)
			if h0 >= h1 || w0 >= w1 {
				continue
			}
			xRow, xCol := b.stride[0]*line, b.stride[1]*col
			from := x[down*line+r.taps[0].across*col+o.first+h0*xRow+w0*xCol:]
			strips := ceil(filters, o.rows)
			lines, step := next.take(strips * images * (h1 - h0) * (w1 - w0))
			pixels, apart := far.take(strips * images * (h1 - h0))
			o.run(dy[h0*dyRow+w0*dyCol:], from, strips, images, h1-h0, w1-w0, dyImage, dyRow, dyCol, image, xRow, xCol, mine, lines, step, pixels, apart)
		}
	}
}

// fill copies the source of a block of positions to a panel whose margins hold zeros.
func (b *boundFilterGrad) fill(panel []float32, corner [3]int, images, first, count int) {
	top, left := corner[1]*b.stride[0]-b.before[0], corner[2]*b.stride[1]-b.before[1]
	lo, hi := max(0, -top), min(b.copied[0], b.in[0]-top)
	from, to := max(0, -left), min(b.copied[1], b.in[1]-left)
	if lo >= hi || from >= to {
		return
	}
	col := b.pitch
	line := b.copied[1] * col
	for i := range images {
		dst := panel[(i*b.copied[0]+lo)*line+from*col:]
		src := b.x.f[b.x.pos(corner[0]+i, first, top+lo, left+from):]
		b.ops.copyPanel(dst, src, hi-lo, to-from, count, line, col, b.x.st[2], b.x.st[3])
	}
}

// store writes the sums of a block to dw.
func (b *boundFilterGrad) store(sums []float32, g, k0, c0 int) {
	count := min(b.cb, b.c-c0)
	for _, r := range b.runs {
		for _, o := range r.tiles {
			n := min(o.width, len(r.taps)*b.cb-o.first)
			for s := range b.strips(o) {
				for i := range min(o.rows, min(b.kb, b.k-k0)-s*o.rows) {
					b.storeRun(sums[i*o.width:][:n], r, o.first, g, k0+s*o.rows+i, c0, count)
				}
				sums = sums[o.sums():]
			}
		}
	}
}

// storeRun writes a filter's floats of a run from first on.
func (b *boundFilterGrad) storeRun(from []float32, r run, first, g, k, c0, count int) {
	for len(from) > 0 {
		tap, c := r.taps[first/b.cb], first%b.cb
		n := min(len(from), b.cb-c)
		to := b.dw.f[b.dw.pos(g, k, c0, tap):]
		if c < count {
			b.ops.stride(words(to[c*b.dw.channel:]), words(from), 1, min(n, count-c), 0, b.dw.channel, 0, 1)
		}
		from = from[n:]
		first += n
	}
}
