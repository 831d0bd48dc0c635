package cpu

import (
	"math"

	"cleave/kernels"
)

// bound is a product bound to its operands.
type bound struct {
	p *product
	blocking
	filters  filters
	src      *view     // channels of all groups
	srcs     []float32 // its buffer with what tiles read beyond
	out      *view
	epilogue         // but for what finish does
	finish   *finish // or nil
	low      float32
	ops      *rowOps
	packs    []float32       // all bundles' packed filters
	starts   []float32       // and what their sums begin with
	scales   []float32       // with a batch norm: what it multiplies their filters with, lane by lane as starts
	zeros    []float32       // likewise: a row of zeros
	panels   []float32       // of all threads
	size     int             // floats of a bundle's packed filters
	blocks   [3]blocks       // of samples, rows and columns
	tables   [][][]positions // of each target, for each kind of block
	vectors  *planes         // for a planarTile
	tier     *tier           // of a dealtTile
	order    []int32         // its own,
	into     []int32         // and in which its source is dealt
}

// launch returns a launch for out ← filters × source.
func (c *call) launch(p *product, how blocking, o filters, src, out *view, e epilogue) kernels.Launch {
	ops := &c.b.tier.rows
	finish := e.finish(out, p.elements(), ops)
	b := &bound{p: p, blocking: how, filters: o, src: src, srcs: src.beyond(), out: out, epilogue: e, finish: finish, low: float32(math.Inf(-1)), ops: ops}
	if e.relu {
		b.low = 0
	}
	if e.norm != nil {
		b.scales, b.zeros = make([]float32, b.bundles*b.width), make([]float32, b.width)
	}
	ws := of[float32](c.ws)
	b.size = p.packed(&b.blocking)
	b.packs, b.starts, b.panels = ws[:b.bundles*b.size], ws[b.bundles*b.size:][:b.bundles*b.width], ws[roundUp(b.bundles*(b.size+b.width), 16):]
	pool, panel := c.b.pool, b.panel()
	jobs := p.jobs(&b.blocking)
	packs, prepare := b.bundles*len(b.parts), func(_, job int) { b.prepare(job/len(b.parts), job%len(b.parts)) }
	body := func(thread, job int) { b.job(b.panels[thread*panel:][:panel], job) }
	switch {
	case b.direct != nil:
		packs, prepare, body = b.bundles, b.prepareDirect, b.directJob
	case b.dealt != nil:
		b.tier, b.order, b.into = c.b.tier, b.dealt.order(), c.b.tier.order(b.dealt.per)
		packs, prepare = b.bundles, b.prepareDealt
		threads := make([]*dealtJob, c.b.Threads)
		for i := range threads {
			threads[i] = &dealtJob{bound: b, panels: b.panels[i*panel:][:panel]}
		}
		body = func(thread, job int) { threads[thread].run(job) }
	case b.planar != nil:
		b.vectors = b.planesTable()
		packs, prepare = b.bundles, b.preparePlanar
		body = func(thread, job int) { b.planarJob(b.panels[thread*panel:][:panel], job) }
	case b.directGrad != nil:
		packs, prepare, body = b.bundles, b.prepareGrad, b.gradJob
	default:
		b.tabulate()
	}
	return func() error {
		if finish != nil {
			finish.fill()
		}
		pool.run(packs, prepare)
		pool.run(jobs, body)
		return nil
	}
}

// steps returns how far apart the source's samples, rows and columns are for the tiles.
func (b *bound) steps() (sample, row, col int) {
	if b.inPlace {
		return b.src.st[0], b.src.st[2], b.src.st[3]
	}
	col = b.pitch
	row = b.copied[1] * col
	return b.copied[0] * row, row, col
}

// prepare packs a part of a bundle's filters and what its sums begin with.
func (b *bound) prepare(bundle, index int) {
	k := &b.parts[index]
	lane := bundle*b.width + k.first
	first, end := b.outputs(bundle)
	first += k.first
	b.begin(lane, k.width, min(k.width, end-first), func(i int) int { return first + i })
	at := bundle * b.size
	for i := range b.p.targets {
		t := &b.p.targets[i]
		floats := len(t.taps) * b.p.channels
		packs := b.packs[at+floats*k.first:][:floats*k.width]
		b.pack(packs, t, bundle, k)
		b.scaled(packs, lane, k.width)
		at += floats * b.width
	}
}

// begin writes what the sums of some lanes begin with, of which n have an output channel, and
// what batch norm multiplies their filters with.
func (b *bound) begin(lane, lanes, n int, channel func(i int) int) {
	clear(b.starts[lane:][:lanes])
	if b.bias == nil && b.norm == nil {
		return
	}
	for i := range n {
		var scale float32
		if scale, b.starts[lane+i] = b.channel(channel(i)); b.norm != nil {
			b.scales[lane+i] = scale
		}
	}
}

// outputs returns a bundle's output channels.
func (b *bound) outputs(bundle int) (first, end int) {
	if b.lanes {
		return bundle * b.width, min((bundle+1)*b.width, b.p.groups*b.per)
	}
	return bundle * b.p.m, (bundle + 1) * b.p.m
}

// job computes some parts of some bundles at some blocks of positions.
func (b *bound) job(panel []float32, job int) {
	cut := func(n int) int {
		i := job % n
		job /= n
		return i
	}
	firstPart := cut(ceil(len(b.parts), b.few)) * b.few
	firstBundle := cut(ceil(b.bundles, b.some)) * b.some
	parts := b.parts[firstPart:min(firstPart+b.few, len(b.parts))]
	// A job has parts of one bundle, or all parts of some.
	first, _ := b.outputs(firstBundle)
	_, end := b.outputs(min(firstBundle+b.some, b.bundles) - 1)
	if firstPart+len(parts) < len(b.parts) {
		end = first + b.parts[firstPart+len(parts)].first
	}
	last := min((job+1)*b.batch, len(b.blocks[0].kinds)*len(b.blocks[1].kinds)*len(b.blocks[2].kinds))
	for block := job * b.batch; block < last; block++ {
		corner, which := b.corner(block)
		if !b.inPlace {
			clear(panel)
		}
		next := b.nextBlock(block, last)
		for bundle := firstBundle; bundle < min(firstBundle+b.some, b.bundles); bundle++ {
			for c0 := 0; c0 < b.p.channels; c0 += b.channels {
				b.pass(panel, bundle, parts, corner, which, c0, &next)
			}
		}
		b.finished(corner, [3]int{b.samples, b.rows, b.cols}, first+parts[0].first, end)
	}
}

// corner returns a block's first sample, row and column of positions, and its kind.
func (b *bound) corner(block int) (corner [3]int, which int) {
	var kind [3]int
	for _, axis := range []int{2, 1, 0} {
		of := &b.blocks[axis]
		at := block % len(of.kinds)
		block /= len(of.kinds)
		corner[axis], kind[axis] = at*of.size, of.kinds[at]
	}
	return corner, (kind[0]*len(b.blocks[1].first)+kind[1])*len(b.blocks[2].first) + kind[2]
}

// nextBlock returns what tiles ask for while they compute a block, if its job takes another.
func (b *bound) nextBlock(block, last int) (s steady) {
	if block+1 < last {
		corner, _ := b.corner(block + 1)
		steps := 0
		for _, k := range b.parts {
			steps += b.bundles * ceil(b.cols, k.positions) * b.p.channels
		}
		s.f = b.src.stretch(corner[0], corner[1], corner[2], b.rows, b.cols)
		s.step = ceil(4*len(s.f), steps)
	}
	return s
}

// finished finishes the outputs of a block of positions of all targets, if anything is to be done.
func (b *bound) finished(corner, size [3]int, first, end int) {
	if b.finish == nil {
		return
	}
	step := [3]int{1, b.p.targets[0].step[0], b.p.targets[0].step[1]}
	for axis, n := range [3]int{b.out.n[0], b.out.n[2], b.out.n[3]} {
		corner[axis] *= step[axis]
		size[axis] = min(size[axis]*step[axis], n-corner[axis])
	}
	b.finish.block(corner, size, first, end)
}

// pass adds the products of some source channels of a bundle, for a block of the which-th kind.
func (b *bound) pass(panel []float32, bundle int, parts []part, corner [3]int, which, c0 int, next *steady) {
	first, end := b.outputs(bundle)
	count := min(b.channels, b.p.channels-c0)
	from, whole := first, end-first // the source's channels
	if !b.lanes {
		from, whole = bundle*b.p.channels+c0, count
	}
	x := panel
	if b.inPlace {
		x = b.srcs[b.src.pos(corner[0], from, corner[1]*b.p.stride[0], corner[2]*b.p.stride[1]):]
	} else {
		b.fill(panel, corner, from, whole)
	}
	ends := 0
	low := float32(math.Inf(-1))
	if c0+count == b.p.channels {
		ends, low = 1, b.low
	}
	packed := b.packs[bundle*b.size:]
	for i := range b.p.targets {
		t, table := &b.p.targets[i], b.tables[i][which]
		floats := len(t.taps) * b.p.channels
		mine := packed[:floats*b.width]
		packed = packed[floats*b.width:]
		if floats == 0 && c0 > 0 {
			continue
		}
		y := b.out.f[b.out.pos(corner[0], first, t.first[0]+corner[1]*t.step[0], t.first[1]+corner[2]*t.step[1]):]
		for j := range parts {
			k := &parts[j]
			var start []float32
			if c0 == 0 {
				start = b.starts[bundle*b.width+k.first:][:k.width]
			}
			last := k.last
			if b.lanes {
				last = end - first
			}
			own := j == 0 && b.inPlace && len(t.taps) == 1 && count == b.src.st[3]*b.p.stride[1] // its positions follow each other
			w := mine[floats*k.first+len(t.taps)*c0*k.width:]
			for l := range table {
				at := &table[l]
				n := roundUp(at.n, k.positions)
				soon, step := next.take(n / k.positions * count)
				switch {
				case own:
					soon, step = x[min(len(x), k.positions*count):], 4*k.positions
				case step == 0:
					soon = x
				}
				k.run(w, x, at.runs[ends], at.at[:n], y[k.first:], at.to[:n], start, last, soon, step, low)
			}
		}
	}
}

// fill copies the source of a block of positions to a panel: count channels from first.
// The panel's margins hold zeros.
func (b *bound) fill(panel []float32, corner [3]int, first, count int) {
	sample, row, col := b.steps()
	var lo, hi [2]int // rows and columns of the panel that lie in the source
	var at [2]int
	for a := range 2 {
		at[a] = corner[1+a]*b.p.stride[a] - b.p.margin[a]
		lo[a], hi[a] = max(0, -at[a]), min(b.copied[a], b.p.size[a]-at[a])
		if lo[a] >= hi[a] {
			return
		}
	}
	for n := range min(b.samples, b.p.samples-corner[0]) {
		to := panel[n*sample+lo[0]*row+lo[1]*col:]
		from := b.src.f[b.src.pos(corner[0]+n, first, at[0]+lo[0], at[1]+lo[1]):]
		rows, cols, fromRow, fromCol := hi[0]-lo[0], hi[1]-lo[1], b.src.st[2], b.src.st[3]
		switch {
		case b.lanes && b.per > 1:
			b.ops.spread(to, from, rows, cols, count, b.per, b.width, row, fromRow, fromCol)
		case count == col && count == fromCol:
			b.ops.copyPanel(to, from, 1, rows, cols*count, 0, row, 0, fromRow)
		default:
			b.ops.copyPanel(to, from, rows, cols, count, row, col, fromRow, fromCol)
		}
	}
}

// batch returns how many of jobs a thread should take at a time if each takes so many
// multiply-adds.
func batch(jobs, threads, each int) int {
	return max(1, min(jobs/(4*threads), (1<<17)/max(1, each)))
}
