package cpu

// narrowJob is what a thread needs to sum up parts of the blocks for some vectors.
type narrowJob struct {
	*boundNarrowGrad
	xs, dys []float32 // panels of the source and of dy
	first   int       // vector
	vectors int
	next    [2]dealing // pixels of the next block's source and dy
	_       [64]byte   // tiles write next often: keep threads' cache lines apart
}

// run sums up a job's parts of the blocks. While tiles multiply a block they deal the next: two
// lie in the panels.
func (j *narrowJob) run(job int) {
	j.first = job % j.chunks() * j.some
	j.vectors = min(j.some, j.narrowGrad.vectors-j.first)
	panel := j.panel()
	panel.clearColumns(j.xs, j.vectors, j.copied[0], j.before[1], j.in[1])
	part := job / j.chunks() * j.batch
	last := min(part+j.batch, j.parts)
	place := j.place(j.begin(part))
	j.deal(place)
	for ; part < last; part++ {
		sums := j.sums[(part*j.narrowGrad.vectors+j.first)*j.floats:][:j.vectors*j.floats]
		clear(sums)
		for block := j.begin(part); block < j.begin(part+1); block++ {
			j.finishDealing()
			next := j.after(place, block+1)
			if block+1 < j.begin(last) {
				j.deal(next)
			}
			j.multiply(sums, place)
			place = next
		}
	}
}

// begin is the first block of a part.
func (f *narrowGrad) begin(part int) int { return part * f.blocks() / f.parts }

// narrowPlace is where a block's rows lie.
type narrowPlace struct {
	n, row, rows int // sample, first row of dy and how many
	x, dy        int // first rows of the panels
	have         int // rows of the source that are there, from the block before
}

// place is a block's that begins the panels.
func (f *narrowGrad) place(block int) (p narrowPlace) {
	p.n, p.row, p.rows = rowBlock(block, f.out[0], f.rb)
	return p
}

// after returns the place of a block while the one before it is in use: it follows it if it
// takes some of its rows and there is room, or else begins the panel if it can.
func (f *narrowGrad) after(before narrowPlace, block int) narrowPlace {
	p, step := f.place(block), f.rb*f.stride[0]
	p.dy = f.rb - before.dy
	switch {
	case p.row > 0 && before.x+step+f.extent <= f.copied[0]:
		p.x, p.have = before.x+step, max(0, f.extent-step)
	case before.x < f.extent:
		p.x = before.x + f.extent
	}
	return p
}

// deal begins to deal what a block takes to its place.
func (j *narrowJob) deal(p narrowPlace) {
	channel := j.first * j.lanes
	channels := min(j.vectors*j.lanes, j.groups*j.per-channel)
	panel := j.panel()
	need := j.extent - (j.rb-p.rows)*j.stride[0]
	j.next[0] = panel.begin(j.xs[(p.x+p.have)*panel.line():], j.x, p.n, channel, channels, p.row*j.stride[0]-j.before[0]+p.have, need-p.have, j.before[1])
	if !j.stay {
		panel := dealtPanel{j.tier, j.per, j.lanes, j.out[1], j.yVector}
		j.next[1] = panel.begin(j.dys[p.dy*panel.line():], j.dy, p.n, channel, channels, p.row, p.rows, 0)
	}
}

// finishDealing deals what tiles have left.
func (j *narrowJob) finishDealing() {
	for i := range j.next {
		j.next[i].finish(j.tier, j.per)
	}
}

// panel is the source's.
func (j *narrowJob) panel() dealtPanel {
	return dealtPanel{j.tier, j.per, j.lanes, j.copied[1], j.xVector}
}

// multiply adds the products of a block.
func (j *narrowJob) multiply(sums []float32, p narrowPlace) {
	line := j.copied[1] * j.lanes
	xs, dys := j.xs[p.x*line:], j.dys
	yVector, yLine, yCol := j.yVector, j.out[1]*j.lanes, j.lanes
	if j.stay {
		dys = j.dy.f[j.dy.pos(p.n, j.first*j.lanes, p.row, 0):]
		yVector, yLine, yCol = j.lanes*j.dy.st[1], j.dy.st[2], j.dy.st[3]
	} else {
		dys = dys[p.dy*yLine:]
	}
	for v := range j.vectors {
		for top := 0; top < p.rows; top += j.sub {
			x, dy, to := xs[v*j.xVector+top*j.stride[0]*line:], dys[v*yVector+top*yLine:], sums[v*j.floats:]
			for i := range j.tiles {
				k, d := &j.tiles[i], &j.next[0]
				if !d.left() {
					d = &j.next[1]
				}
				from := x[k.r*j.dilation[0]*line+k.s*j.dilation[1]*j.lanes:]
				k.run(dy, from, k.per/k.block, min(j.sub, p.rows-top), j.out[1], yLine, yCol, j.stride[0]*line, j.stride[1]*j.lanes, j.dilation[0]*line, to, d.to, d.from, j.order, d.words[:])
				to = to[k.sums():]
			}
		}
	}
}
