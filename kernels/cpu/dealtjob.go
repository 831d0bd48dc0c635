package cpu

// dealtJob is what a thread needs to compute blocks of rows with a dealtTile.
type dealtJob struct {
	*bound
	panels []float32 // of two vectors
	next   dealing   // the next vector's pixels
	_      [64]byte  // tiles write next often: keep threads' cache lines apart
}

// run computes a job's blocks of rows. While tiles compute a vector they deal the next.
func (j *dealtJob) run(job int) {
	k, d := &j.p.targets[0], j.dealt
	p := j.panel()
	p.clearColumns(j.panels, 2, j.copied[0], j.p.margin[1], j.p.size[1])
	from, to := job*j.some, min((job+1)*j.some, j.p.samples*ceil(k.rows, j.blocking.rows))
	j.deal(from, 0)
	for block := from; block < to; block++ {
		n, row, rows := rowBlock(block, k.rows, j.blocking.rows)
		var next ahead
		if block+1 < to {
			next = j.ahead(block + 1)
		}
		for v := range j.bundles {
			j.next.finish(j.tier, d.per)
			if v+1 < j.bundles {
				j.deal(block, v+1)
			} else if block+1 < to {
				j.deal(block+1, 0)
			}
			panel := j.panelOf(block, v)
			for i := range ceil(k.cols, d.outputs) {
				col := min(i*d.outputs, k.cols-d.outputs)
				lines, step := next.take(d.asked(rows))
				d.run(j.packs[v*j.size:], panel[col*d.stride*d.lanes:], rows, p.line(), j.out.f[j.out.pos(n, v*d.lanes, row, col):], j.out.st[2], j.out.st[3],
					j.order, j.starts[v*d.lanes:], j.low, lines, step, j.next.to, j.next.from, j.into, j.next.words[:])
			}
		}
		j.finished([3]int{n, row, 0}, [3]int{1, rows, k.cols}, 0, j.out.n[1])
	}
}

// panel is a vector's.
func (j *dealtJob) panel() dealtPanel {
	return dealtPanel{j.tier, j.dealt.per, j.dealt.lanes, j.copied[1], j.pitch}
}

// panelOf is the memory of a vector's panel: not that of the vector before it.
func (j *dealtJob) panelOf(block, v int) []float32 {
	return j.panels[(block*j.bundles+v)%2*j.pitch:]
}

// deal begins to deal a vector of a block.
func (j *dealtJob) deal(block, v int) {
	d, p := j.dealt, j.panel()
	n, row, rows := rowBlock(block, j.p.targets[0].rows, j.blocking.rows)
	j.next = p.begin(j.panelOf(block, v), j.src, n, v*d.lanes, d.lanes, row*d.stride-j.p.margin[0], (rows-1)*d.stride+3, j.p.margin[1])
}

// ahead returns what a block takes.
func (j *dealtJob) ahead(block int) ahead {
	d, k := j.dealt, &j.p.targets[0]
	n, row, rows := rowBlock(block, k.rows, j.blocking.rows)
	top := max(0, row*d.stride-j.p.margin[0])
	return ahead{j.src.stretch(n, top, 0, (rows-1)*d.stride+3, j.p.size[1]), j.out.stretch(n, row, 0, rows, k.cols)}
}
