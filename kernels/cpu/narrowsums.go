package cpu

import "cleave/kernels"

// boundNarrowGrad is a narrowGrad bound to its operands.
type boundNarrowGrad struct {
	*narrowGrad
	x, dy, dw *view
	deal      dealFunc
	add       func(to, a, b []float32)
	sums      []float32 // part by part, in it vector by vector
}

func (c *call) narrowGrad(f *narrowGrad, x, dy, dw *view) kernels.Launch {
	b := &boundNarrowGrad{narrowGrad: f, x: x, dy: dy, dw: dw, deal: c.b.tier.deal, add: c.b.tier.rows.add}
	nx, ny := f.scratch()
	ws, pool, jobs := of[float32](c.ws), c.b.pool, f.jobs()
	panels := ws[:c.b.Threads*(nx+ny)]
	b.sums = ws[len(panels):][:f.parts*f.vectors*f.floats]
	body := func(thread, job int) {
		mine := panels[thread*(nx+ny):][:nx+ny]
		b.job(mine[:nx], mine[nx:], job)
	}
	finish := func(_, vector int) { b.finish(vector) }
	return func() error {
		pool.run(jobs, body)
		pool.run(f.vectors, finish)
		return nil
	}
}

// job sums up a part of the blocks for some vectors.
func (b *boundNarrowGrad) job(xs, dys []float32, job int) {
	first, part := job%b.chunks()*b.some, job/b.chunks()
	vectors := min(b.some, b.vectors-first)
	sums := b.sums[(part*b.vectors+first)*b.floats:][:vectors*b.floats]
	clear(sums)
	panel := b.panel()
	panel.clearColumns(xs, vectors, b.copied[0], b.before[1], b.in[1])
	from, to := part*b.blocks()/b.parts, (part+1)*b.blocks()/b.parts
	for block := from; block < to; block++ {
		b.fill(xs, dys, block, first, vectors)
		var next ahead
		if block+1 < to && vectors == b.vectors {
			next = b.ahead(block + 1)
		}
		b.block(xs, dys, sums, block, first, vectors, &next)
	}
}

// place returns a block's sample, first row of dy and rows.
func (b *boundNarrowGrad) place(block int) (n, row, rows int) {
	return rowBlock(block, b.out[0], b.rb)
}

// block adds the products of a block of rows, and asks for what the next takes.
func (b *boundNarrowGrad) block(xs, dys, sums []float32, block, first, vectors int, next *ahead) {
	n, row, rows := b.place(block)
	line := b.copied[1] * b.lanes
	yVector, yLine, yCol := b.yVector, b.out[1]*b.lanes, b.lanes
	if b.stay {
		dys = b.dy.f[b.dy.pos(n, first*b.lanes, row, 0):]
		yVector, yLine, yCol = b.lanes*b.dy.st[1], b.dy.st[2], b.dy.st[3]
	}
	for v := range vectors {
		for top := 0; top < rows; top += b.sub {
			x, dy, to := xs[v*b.xVector+top*b.stride[0]*line:], dys[v*yVector+top*yLine:], sums[v*b.floats:]
			for i := range b.tiles {
				k := &b.tiles[i]
				from := x[k.r*b.dilation[0]*line+k.s*b.dilation[1]*b.lanes:]
				count := min(b.sub, rows-top)
				lines, step := next.take(count * b.out[1])
				k.run(dy, from, k.per/k.block, count, b.out[1], yLine, yCol, b.stride[0]*line, b.stride[1]*b.lanes, b.dilation[0]*line, to, lines, step)
				to = to[k.sums():]
			}
		}
	}
}

// ahead returns what a block takes.
func (b *boundNarrowGrad) ahead(block int) ahead {
	n, row, rows := b.place(block)
	top := row*b.stride[0] - b.before[0]
	lo, hi := max(0, top), top+(rows-1)*b.stride[0]+1+(b.kernel[0]-1)*b.dilation[0]
	return ahead{b.x.stretch(n, lo, 0, hi-lo, b.in[1]), b.dy.stretch(n, row, 0, rows, b.out[1])}
}

// fill deals the source and dy of a block of rows to panels.
func (b *boundNarrowGrad) fill(xs, dys []float32, block, first, vectors int) {
	n, row, rows := b.place(block)
	channel := first * b.lanes
	channels := min(vectors*b.lanes, b.groups*b.per-channel)
	if !b.stay {
		p := dealtPanel{b.deal, b.per, b.lanes, b.out[1], b.yVector}
		p.fill(dys, b.dy, n, channel, channels, row, rows, 0)
	}
	p := b.panel()
	need := (rows-1)*b.stride[0] + 1 + (b.kernel[0]-1)*b.dilation[0]
	p.fill(xs, b.x, n, channel, channels, row*b.stride[0]-b.before[0], need, b.before[1])
}

// panel is the source's.
func (b *boundNarrowGrad) panel() dealtPanel {
	return dealtPanel{b.deal, b.per, b.lanes, b.copied[1], b.xVector}
}

// finish adds up a vector's sums of all parts, in their order, and writes them.
func (b *boundNarrowGrad) finish(vector int) {
	sums := b.sums[vector*b.floats:][:b.floats]
	for part := 1; part < b.parts; part++ {
		b.add(sums, sums, b.sums[(part*b.vectors+vector)*b.floats:][:b.floats])
	}
	group, channel := b.per, 1 // lanes from group to group, from channel to channel
	if b.dealt {
		group, channel = 1, b.lanes/b.per
	}
	first := vector * b.lanes
	for i := range b.tiles {
		k := &b.tiles[i]
		for strip := 0; strip < b.per; strip += k.block {
			for j := range k.taps * k.block * k.rows { // vectors of sums
				tap, p, col := j/k.rows/k.block, strip+j/k.rows%k.block, j%k.rows
				if lanes := sums[j*b.lanes:]; col < k.used {
					for g := 0; g < b.lanes/b.per && first+g*b.per < b.groups*b.per; g++ {
						to := b.dw.f[b.dw.pos(first+g*b.per+p, 0, k.r+tap, k.s+col):]
						if from := lanes[g*group:]; channel == 1 && b.dw.st[1] == 1 {
							copy(to[:b.per], from)
						} else {
							for c := range b.per {
								to[c*b.dw.st[1]] = from[c*channel]
							}
						}
					}
				}
			}
			sums = sums[k.sums()/k.per*k.block:]
		}
	}
}
