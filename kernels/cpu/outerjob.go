package cpu

const (
	copyShare  = 87 // per cent of a turn's positions in which tiles copy: those at the source's edges take less
	outerCalls = 8  // of tiles for a turn, about, while they copy
	linesAsked = 2  // at a time
)

// outerJob is what a thread needs to sum up filter gradients on outer tiles. It takes turns: a
// block of positions of a group each.
type outerJob struct {
	*boundFilterGrad
	xPanels, dyPanels [2][]float32 // of this turn and the next
	sums              []float32    // of all parts or this thread's
	first, end        int          // groups
	k0, c0            int          // first filter and channel of a group
	next              [2]copying   // of the source and of dy for the next turn
	pace              int          // positions from vector to vector of it
	_                 [64]byte     // tiles write next often: keep threads' cache lines apart
}

// run computes the gradients of a block of filters × channels of some groups, or sums up all of
// them over some parts of the positions. While tiles multiply what a turn takes they copy what
// the next takes.
func (j *outerJob) run(job int) {
	part, last := 0, 1
	if j.parts > 1 {
		part = job * j.batch
		last = min(part+j.batch, j.parts)
		job = 0
	}
	cs, ks := ceil(j.c, j.cb), ceil(j.k, j.kb)
	j.c0, j.k0 = job%cs*j.cb, job/cs%ks*j.kb
	j.first = job / cs / ks * j.some
	j.end = min(j.first+j.some, j.groups)
	if j.padded {
		clear(j.xPanels[0])
		clear(j.xPanels[1])
	}
	here, end := 0, j.begin(last) // panels in use
	j.copy(j.begin(part), j.first, here, 0)
	for ; part < last; part++ {
		sums := j.sums
		if j.parts > 1 {
			sums = sums[part*j.size:][:j.size]
		}
		clear(sums)
		for block := j.begin(part); block < j.begin(part+1); block++ {
			var ahead ahead
			if block+1 < end && j.parts > 1 { // jobs read all channels
				ahead = j.ahead(block + 1)
			}
			lines := ahead.lines() / (j.end - j.first)
			for g := j.first; g < j.end; g++ {
				j.finishCopying()
				if g+1 < j.end {
					j.copy(block, g+1, 1-here, lines)
				} else if block+1 < end {
					j.copy(block+1, j.first, 1-here, lines)
				}
				j.add(sums[(g-j.first)*j.floats:], g, j.corner(block), here, &ahead)
				here = 1 - here
			}
		}
	}
	if j.parts == 1 {
		for g := j.first; g < j.end; g++ {
			j.store(j.sums[(g-j.first)*j.floats:], g, j.k0, j.c0)
		}
	}
}

// begin is the first block of a part.
func (f *filterGrad) begin(part int) int { return part * f.blocks() / f.parts }

// extents returns a block's images, rows and columns of positions.
func (f *filterGrad) extents(corner [3]int) (images, rows, cols int) {
	t := &f.src.targets[0]
	return min(f.nb, f.samples-corner[0]), min(f.rb, t.rows-corner[1]), min(f.wb, t.cols-corner[2])
}

// copy begins to copy what a turn takes to the panels that are not in use, whose margins hold
// zeros. Tiles will also ask for so many lines.
func (j *outerJob) copy(block, g, to, lines int) {
	corner := j.corner(block)
	images, rows, cols := j.extents(corner)
	if !j.xStays {
		if j.padded && j.wb < j.out[1] { // margins lie elsewhere in each block
			clear(j.xPanels[to])
		}
		j.next[0] = j.source(j.xPanels[to], corner, images, g*j.c+j.c0)
	}
	if !j.dyStays {
		from := j.dy.f[j.dy.pos(corner[0], g*j.k+j.k0, corner[1], corner[2]):]
		j.next[1] = copying{
			to: j.dyPanels[to], from: from, images: images, rows: rows, cols: cols, channels: min(j.kb, j.k-j.k0),
			toImage: rows * cols * j.dyPitch, toRow: cols * j.dyPitch, toCol: j.dyPitch,
			fromImage: j.dy.st[0], fromRow: j.dy.st[2], fromCol: j.dy.st[3],
		}
	}
	vectors := j.next[0].vectors(j.tier) + j.next[1].vectors(j.tier)
	j.pace = max(1, j.turns*images*rows*cols*copyShare/100/max(1, vectors, lines/linesAsked))
	for i := range j.next {
		j.next[i].start(j.tier, j.pace)
	}
}

// source returns the source of a block of positions, as far as it is there, and where it lies in
// a panel.
func (b *boundFilterGrad) source(panel []float32, corner [3]int, images, channel int) copying {
	top, left := corner[1]*b.stride[0]-b.before[0], corner[2]*b.stride[1]-b.before[1]
	lo, hi := max(0, -top), min(b.copied[0], b.in[0]-top)
	from, to := max(0, -left), min(b.copied[1], b.in[1]-left)
	if lo >= hi || from >= to {
		return copying{}
	}
	col := b.pitch
	line := b.copied[1] * col
	return copying{
		to: panel[lo*line+from*col:], from: b.x.f[b.x.pos(corner[0], channel, top+lo, left+from):],
		images: images, rows: hi - lo, cols: to - from, channels: min(b.cb, b.c-channel%b.c),
		toImage: b.copied[0] * line, toRow: line, toCol: col, fromImage: b.x.st[0], fromRow: b.x.st[2], fromCol: b.x.st[3],
	}
}

// finishCopying copies what tiles have left.
func (j *outerJob) finishCopying() {
	for i := range j.next {
		j.next[i].finish(j.ops)
	}
}

// add adds the products of a turn. It asks for what the next block takes.
func (j *outerJob) add(sums []float32, g int, corner [3]int, here int, ahead *ahead) {
	images, rows, cols := j.extents(corner)
	col := j.pitch
	line := j.copied[1] * col
	image, x := j.copied[0]*line, j.xPanels[here]
	if j.xStays {
		x = j.xs[j.x.pos(corner[0], g*j.c+j.c0, corner[1]*j.stride[0], corner[2]*j.stride[1]):]
		image, line, col = j.x.st[0], j.x.st[2], j.x.st[3]
	}
	dyImage, dyRow, dyCol, dy := rows*cols*j.dyPitch, cols*j.dyPitch, j.dyPitch, j.dyPanels[here]
	if j.dyStays {
		dy = j.dys[j.dy.pos(corner[0], g*j.k+j.k0, corner[1], corner[2]):]
		dyImage, dyRow, dyCol = j.dy.st[0], j.dy.st[2], j.dy.st[3]
	}
	filters := min(j.kb, j.k-j.k0)
	for _, r := range j.runs {
		down := r.taps[0].down
		h0, h1 := j.src.taking(0, down, down, corner[1], rows)
		for _, o := range r.tiles {
			mine := sums
			sums = sums[j.strips(o)*o.sums():]
			left, right := r.taps[o.first/j.cb], r.taps[min(o.first+o.width-1, len(r.taps)*j.cb-1)/j.cb]
			w0, w1 := j.src.taking(1, left.across, right.across, corner[2], cols)
			if h0 >= h1 || w0 >= w1 {
				continue
			}
			xRow, xCol := j.stride[0]*line, j.stride[1]*col
			from := x[down*line+r.taps[0].across*col+o.first+h0*xRow+w0*xCol:]
			positions := images * (h1 - h0) * (w1 - w0)
			strips, some := ceil(filters, o.rows), 0
			for at := 0; at < strips; at += some {
				c := &j.next[0]
				if !c.left() {
					c = &j.next[1]
				}
				if some = strips - at; c.left() {
					some = min(some, ceil(j.turns, outerCalls)) // by then all of c may be copied
				}
				lines, step := ahead.take(linesAsked * some * positions / j.pace)
				o.run(dy[h0*dyRow+w0*dyCol+at*o.rows:], from, some, images, h1-h0, w1-w0, dyImage, dyRow, dyCol, image, xRow, xCol, mine[at*o.sums():], lines, linesAsked*step, c.to, c.from, c.words[:])
			}
		}
	}
}
