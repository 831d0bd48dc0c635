package cpu

// planarTile computes some output channels of a group for some vectors of positions. Lanes are
// neighbours in a row, so none is lost to a number of channels that fills no vector. The source
// is copied to a panel in which each channel is a plane, and the outputs from such planes.
type planarTile struct {
	outputs, vectors int
	lanes            int
	run              planarFunc
}

// planarFunc runs a planarTile once for each `vectors` elements of at and to.
//
// The source of vector v begins at x[at[v]], its outputs at y[to[v]], where a channel's are
// yPlane floats behind those of the one before. Taps are pairs: how far from there the
// source's first channel begins, the others a plane apart, and where in w the filter elements
// of all outputs lie, channel by channel. Sums begin with start, one value for each output;
// outputs are no less than low. With each channel of a tap the caches are asked for another line
// from next on, step bytes apart.
//
// planarReference is the same in Go.
type planarFunc = func(w, x []float32, taps []int, channels, plane int, at []int, y []float32, to []int, yPlane int, start []float32, low float32, next []float32, step int)

const (
	planarRows  = 8  // of positions at least make a block
	planarCopy  = 24 // 48ths of a cycle that a channel of a position takes to copy, from memory mostly,
	planarSlow  = 64 // if squares of eight fit in a row, and else
	planarShare = 90 // per cent of the other tiles' time that is worth it
)

// cost is how long a tile takes for a step of all its positions and outputs, in 48ths of a cycle.
func (d *planarTile) cost() int { return tileCost(d.outputs, d.vectors, d.lanes) * d.outputs }

// planarTile returns the tile that computes a product in the least time, or nil if the tiles
// that cover a group otherwise take less.
func (p *product) planarTile(t *tier, others []part) *planarTile {
	if p.stride != [2]int{1, 1} {
		return nil
	}
	usual, copied := 0, 0
	for i := range p.targets {
		k := &p.targets[i]
		if p.channels*len(k.taps) > sumLength {
			return nil
		}
		for _, o := range others {
			usual += p.channels * p.products(k) * o.cost()
		}
		each := planarCopy
		if k.cols < 8 {
			each = planarSlow
		}
		copied += each * p.m * k.rows * k.cols
		if i == 0 {
			copied += each * p.channels * k.rows * k.cols
		}
	}
	var best *planarTile
	least := 0
	for i := range t.planars {
		d, all := &t.planars[i], copied
		for j := range p.targets {
			all += ceil(p.m, d.outputs) * p.channels * p.steps(&p.targets[j], d) * d.cost()
		}
		if best == nil || all < least {
			best, least = d, all
		}
	}
	if 100*least > planarShare*usual {
		return nil
	}
	return best
}

// products is how many products of a channel with a filter a target has in a sample, without
// those of what lies beside the source.
func (p *product) products(k *target) (n int) {
	for _, tap := range k.taps {
		top, bottom := p.taking(0, tap.down, tap.down, 0, k.rows)
		left, right := p.taking(1, tap.across, tap.across, 0, k.cols)
		n += max(0, bottom-top) * max(0, right-left)
	}
	return n
}

// steps is how often tiles take a tap for a target's positions in a sample: where it lies beside
// the source in all rows of a tile they do not.
func (p *product) steps(k *target, d *planarTile) (n int) {
	inRow := ceil(k.cols, d.lanes)
	tiles := ceil(k.rows*inRow, d.vectors)
	for _, tap := range k.taps {
		top, bottom := p.taking(0, tap.down, tap.down, 0, k.rows)
		first, last := top*inRow/d.vectors, (bottom*inRow-1)/d.vectors
		if bottom > top {
			n += min(last, tiles-1) - first + 1
		}
	}
	return n
}

// planarBlocking divides a product for a planarTile: jobs are blocks of rows, for some groups.
// It returns false if no block fits in the caches.
func (p *product) planarBlocking(d *planarTile, t *tier, threads int) (blocking, bool) {
	down, across, rows, cols, _ := p.reach()
	b := blocking{planar: d, bundles: p.groups, some: p.groups, width: roundUp(p.m, d.outputs), channels: p.channels, samples: 1, cols: cols, few: 1, batch: 1}
	divide := func(most int) {
		b.rows = even(rows, most)
		b.copied = [2]int{b.rows + down, roundUp(roundUp(cols, d.lanes)+across, 8)}
		b.pitch = spreadOut(b.copied[0]*b.copied[1] + 8)
	}
	divide(rows)
	for b.panel() > t.caches.panel() || p.jobs(&b) < someJobs*threads {
		half := ceil(b.some, 2)
		squares := half < b.some && half*min(p.channels, p.m) >= 8 // of channels, to be copied
		switch {
		case b.rows > 2*planarRows || b.rows > planarRows && !squares:
			divide(max(planarRows, b.rows/2))
		case squares:
			b.some = half
		default:
			return b, b.panel() <= t.caches.panel()
		}
	}
	b.batch = max(1, p.jobs(&b)/(someJobs*threads))
	return b, true
}

// planarBlocks is how many blocks of positions there are.
func (p *product) planarBlocks(b *blocking) int {
	return p.samples * ceil(p.targets[0].rows, b.rows)
}

// asked is how many lines a tile asks for with some vectors and taps of some channels.
func (d *planarTile) asked(vectors, taps, channels int) int {
	return vectors / d.vectors * taps * channels
}

// yPlane is the floats from plane to plane of the outputs.
func (b *blocking) yPlane() int { return spreadOut(b.rows * roundUp(b.cols, b.planar.lanes)) }

// planeSkip is where a plane begins, such that the source's first column lies at a multiple of eight.
func (b *bound) planeSkip() int { return roundUp(b.p.margin[1], 8) - b.p.margin[1] }

// planes are what a planarTile takes, for each of a product's targets.
type planes struct {
	positions
	taps [][]int
}

// planesTable returns the tables of a block. Blocks of fewer rows take the first of the vectors.
func (b *bound) planesTable() *planes {
	d := b.planar
	inRow := ceil(b.cols, d.lanes)
	s := &planes{}
	s.positions = newPositions(b.rows*inRow, func(i int) (at, to int) {
		return b.planeSkip() + i/inRow*b.copied[1] + i%inRow*d.lanes, i * d.lanes
	})
	for i := range b.p.targets {
		var taps []int
		for j, k := range b.p.targets[i].taps {
			taps = append(taps, k.down*b.copied[1]+k.across, j*b.p.channels*d.outputs)
		}
		s.taps = append(s.taps, taps)
	}
	return s
}

// preparePlanar packs a group's filters, target by target and for some outputs tap by tap, and
// what sums begin with.
func (b *bound) preparePlanar(_, group int) {
	o, n, channels := &b.filters, b.planar.outputs, b.p.channels
	b.begin(group*b.width, b.width, b.p.m, func(i int) int { return group*b.p.m + i })
	to := b.packs[group*b.size:][:b.size]
	clear(to)
	for i := range b.p.targets {
		for first := 0; first < b.width; first += n {
			begin := to
			for _, k := range b.p.targets[i].taps {
				o.copy(to, o.f[o.pos(group, first, 0, k):], min(n, b.p.m-first), channels, n)
				to = to[channels*n:]
			}
			b.scaled(begin[:len(begin)-len(to)], group*b.width+first, n)
		}
	}
}

// planarJob computes some groups of some blocks of positions.
func (b *bound) planarJob(panel []float32, job int) {
	rows := b.p.targets[0].rows // no target has more
	chunks := ceil(b.bundles, b.some)
	first := job % chunks * b.some
	some := min(b.some, b.bundles-first)
	from := job / chunks * b.batch
	to := min(from+b.batch, b.p.planarBlocks(&b.blocking))
	y := panel[b.some*b.p.channels*b.pitch:]
	for block := from; block < to; block++ {
		if block == from || b.rows < rows { // else the margins hold zeros
			clear(panel[:some*b.p.channels*b.pitch])
		}
		var next ahead
		if block+1 < to {
			next = b.planesAhead(block + 1)
		}
		n, row, rows := rowBlock(block, rows, b.rows)
		b.fillPlanes(panel, n, first, some, row)
		packed := 0
		for i := range b.p.targets {
			t := &b.p.targets[i]
			if rows := min(rows, t.rows-row); rows > 0 {
				for g := range some {
					b.planes(panel[g*b.p.channels*b.pitch:], y[g*b.width*b.yPlane():], first+g, i, packed, row, rows, &next)
				}
				b.writePlanes(y, n, first, some, t, row, rows)
			}
			packed += len(t.taps) * b.p.channels * b.width
		}
		b.finished([3]int{n, row, 0}, [3]int{1, rows, b.cols}, first*b.p.m, (first+some)*b.p.m)
	}
}

// planesAhead returns what a block of positions reads and writes, where all groups do and pixels
// follow each other in memory.
func (b *bound) planesAhead(block int) ahead {
	if b.some < b.bundles {
		return ahead{}
	}
	t := &b.p.targets[0]
	n, row, rows := rowBlock(block, t.rows, b.rows)
	return ahead{
		b.src.stretch(n, max(0, row-b.p.margin[0]), 0, b.copied[0], b.p.size[1]),
		b.out.stretch(n, row*t.step[0], 0, rows*t.step[0], b.cols*t.step[1]),
	}
}

// planes computes a group's outputs of some rows of a target's positions; packed is where its
// filters begin.
func (b *bound) planes(x, y []float32, group, target, packed, row, rows int, next *ahead) {
	d, s, p := b.planar, b.vectors, b.p
	inRow := ceil(b.cols, d.lanes)
	count := rows * inRow
	taps := p.targets[target].taps
	// used is the taps of a tile's vectors from v on that lie in the source in some row.
	used := func(v int) (from, to int) {
		top, bottom := row+v/inRow, row+min(v+d.vectors-1, count-1)/inRow
		for to = len(taps); to > 0 && taps[to-1].down+top-p.margin[0] >= p.size[0]; to-- {
		}
		for from < to && taps[from].down+bottom < p.margin[0] {
			from++
		}
		return from, to
	}
	plane := b.yPlane()
	for o := 0; o < b.width; o += d.outputs {
		w := b.packs[group*b.size+packed+o*len(taps)*p.channels:]
		for v := 0; v < count; {
			from, to := used(v)
			end := v + d.vectors
			for end < count {
				if f, t := used(end); f != from || t != to {
					break
				}
				end += d.vectors
			}
			lines, step := next.take(d.asked(end-v, to-from, p.channels))
			d.run(w, x, s.taps[target][2*from:2*to], p.channels, b.pitch, s.at[v:end], y[o*plane:], s.to[v:end], plane, b.starts[group*b.width+o:], b.low, lines, step)
			v = end
		}
	}
}

// fillPlanes copies the source of a block of rows, some groups of it, to planes whose margins
// hold zeros.
func (b *bound) fillPlanes(x []float32, n, group, some, row int) {
	channels, line, left := some*b.p.channels, b.copied[1], b.planeSkip()+b.p.margin[1]
	cols := min(line-b.p.margin[1], b.p.size[1])
	top := row - b.p.margin[0]
	for h := max(0, -top); h < min(b.copied[0], b.p.size[0]-top); h++ {
		from := b.src.f[b.src.pos(n, group*b.p.channels, top+h, 0):]
		b.ops.transpose(words(x[h*line+left:]), words(from), cols, channels, b.pitch, b.src.st[3])
	}
}

// writePlanes copies some groups' outputs of some rows of a target's positions to where they
// belong.
func (b *bound) writePlanes(y []float32, n, group, some int, t *target, row, rows int) {
	plane, line := b.yPlane(), roundUp(b.cols, b.planar.lanes)
	channels := b.p.m // of a copy
	if b.width == b.p.m {
		channels, some = some*channels, 1
	}
	cols := t.cols
	if line == cols && t.step[0] == 1 && b.out.st[2] == cols*b.out.st[3] { // rows follow each other
		rows, cols = 1, rows*cols
	}
	for h := range rows {
		for g := range some {
			to := b.out.f[b.out.pos(n, (group+g)*b.p.m, t.first[0]+(row+h)*t.step[0], t.first[1]):]
			b.ops.transpose(words(to), words(y[g*b.width*plane+h*line:]), channels, cols, t.step[1]*b.out.st[3], plane)
		}
	}
}
