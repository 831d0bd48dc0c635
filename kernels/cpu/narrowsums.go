package cpu

import "cleave/kernels"

// boundNarrowGrad is a narrowGrad bound to its operands.
type boundNarrowGrad struct {
	*narrowGrad
	x, dy, dw *view
	tier      *tier
	order     []int32 // in which it deals
	add       func(to, a, b []float32)
	sums      []float32 // part by part, in it vector by vector
}

func (c *call) narrowGrad(f *narrowGrad, x, dy, dw *view) kernels.Launch {
	b := &boundNarrowGrad{narrowGrad: f, x: x, dy: dy, dw: dw, tier: c.b.tier, order: c.b.tier.order(f.per), add: c.b.tier.rows.add}
	nx, ny := f.scratch()
	ws, pool, jobs := of[float32](c.ws), c.b.pool, f.jobs()
	threads := make([]*narrowJob, c.b.Threads)
	for i := range threads {
		threads[i] = &narrowJob{boundNarrowGrad: b, xs: ws[:nx], dys: ws[nx:][:ny]}
		ws = ws[nx+ny:]
	}
	b.sums = ws[:f.parts*f.vectors*f.floats]
	body := func(thread, job int) { threads[thread].run(job) }
	finish := func(_, vector int) { b.finish(vector) }
	return func() error {
		pool.run(jobs, body)
		pool.run(f.vectors, finish)
		return nil
	}
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
