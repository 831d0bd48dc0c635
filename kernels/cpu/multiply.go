package cpu

import (
	"math"

	"cleave/kernels"
)

// packedRows is the operand that a product packs: element (row, channel, tap) of group g lies
// at at + g·group + row·row + channel·channel + the tap's r·r + s·s.
type packedRows struct {
	f                   []float32
	at                  int
	group, row, channel int
	r, s                int
}

// bound is a product bound to its operands.
type bound struct {
	*product
	rowsIn   packedRows
	src      padded
	out      *view
	outGroup int   // elements from group to group
	bias     *view // nil: none
	relu     bool
	ops      *rowOps
	packed   []float32
	scratch  []float32 // of all threads
	perLocal int
	offsets  [][]int // of each target: where each (channel of a block, tap) begins
	begins   []int   // of each target's packed rows, within a group's
	group    int     // packed floats of a group
}

// grouped is a view of the first group's channels.
type grouped struct {
	*view
	group int // elements from group to group
}

// launch returns a launch for out ← rows × source.
func (c *call) launch(p *product, rows packedRows, src, out grouped, bias *view) kernels.Launch {
	b := &bound{product: p, rowsIn: rows, out: out.view, outGroup: out.group, bias: bias,
		relu: c.d.Code == kernels.ConvForward && c.d.Epilogue.ReLU, ops: &c.b.tier.rows,
		src:   padded{src: src.view, group: src.group, phases: p.phases, margin: p.margin, size: p.size, plane: p.plane, ops: &c.b.tier.rows},
		group: p.packedFloats(), perLocal: p.copyFloats() + p.resultFloats()}
	ws := of[float32](c.ws)
	all := roundUp(p.groups*b.group, 16)
	b.packed, b.scratch = ws[:all], ws[all:]
	begin, panels := 0, 0
	for _, t := range p.targets {
		off := make([]int, 0, p.cblock*len(t.taps))
		for ch := range p.cblock {
			for _, k := range t.taps {
				off = append(off, (ch*p.phases[0]*p.phases[1]+k.phase)*p.plane+k.down*p.width+k.across)
			}
		}
		b.offsets = append(b.offsets, off)
		b.begins = append(b.begins, begin)
		begin += roundUp(p.m, p.tile.mr) * p.channels * len(t.taps)
	}
	panels = ceil(p.m, p.tile.mr)
	pool := c.b.pool
	jobs := p.jobs()
	per := batch(jobs, pool.threads, p.work()/jobs)
	pack := func(_, job int) { b.pack(job/panels, job%panels) }
	body := func(thread, job int) {
		for j := job * per; j < min((job+1)*per, jobs); j++ {
			b.job(b.scratch[thread*b.perLocal:][:b.perLocal], j)
		}
	}
	return func() error {
		pool.run(p.groups*panels, pack)
		pool.run(ceil(jobs, per), body)
		return nil
	}
}

// work is the number of multiply-adds.
func (p *product) work() int {
	n := 0
	for _, t := range p.targets {
		n += len(t.taps) * t.rows * t.cols
	}
	return n * p.samples * p.groups * p.m * p.channels
}

// batch returns how many of jobs a thread should take at a time if each takes so many
// multiply-adds.
func batch(jobs, threads, each int) int {
	return max(1, min(jobs/(4*threads), (1<<17)/max(1, each)))
}

// pack packs a panel of mr rows of a group: for every channel and tap the values of the
// panel's rows, zero beyond the last.
func (b *bound) pack(g, panel int) {
	mr, o := b.tile.mr, &b.rowsIn
	for t, target := range b.targets {
		to := b.packed[g*b.group+b.begins[t]+panel*mr*b.channels*len(target.taps):][:mr*b.channels*len(target.taps)]
		for i := range mr {
			row := panel*mr + i
			if row >= b.m {
				for k := i; k < len(to); k += mr {
					to[k] = 0
				}
				continue
			}
			k := i
			for ch := range b.channels {
				from := o.f[o.at+g*o.group+row*o.row+ch*o.channel:]
				for _, tap := range target.taps {
					to[k] = from[tap.r*o.r+tap.s*o.s]
					k += mr
				}
			}
		}
	}
}

// job computes a block of rows × positions of one sample and group.
func (b *bound) job(local []float32, job int) {
	cols, rows, ms := ceil(b.cols, b.cb), ceil(b.rows, b.rb), ceil(b.m, b.mb)
	col := job % cols * b.cb
	job /= cols
	row := job % rows * b.rb
	job /= rows
	m0 := job % ms * b.mb
	job /= ms
	g, n := job%b.groups, job/b.groups
	m1 := min(m0+b.mb, b.m)
	copied, results := local[:b.copyFloats()], local[b.copyFloats():]
	mr, nr := b.tile.mr, b.tile.nr
	for c0 := 0; c0 < b.channels; c0 += b.cblock {
		count := min(b.cblock, b.channels-c0)
		b.src.copy(copied, n, g, c0, count, row, col, b.copied, b.width)
		for t, target := range b.targets {
			taps := len(target.taps)
			off := b.offsets[t][:count*taps]
			h, w := min(b.rb, target.rows-row), min(b.cb, target.cols-col)
			if h < 1 || w < 1 {
				continue
			}
			into := results[t*b.mb*b.ldc:]
			packed := b.packed[g*b.group+b.begins[t]:]
			for j := 0; j < (h-1)*b.width+w; j += nr {
				for i := m0; i < m1; i += mr {
					b.tile.run(packed[(i*b.channels+c0*mr)*taps:][:mr*count*taps], copied[j:], off, into[(i-m0)*b.ldc+j:], b.ldc, c0 > 0)
				}
			}
		}
	}
	for t := 0; t < len(b.targets); t++ {
		first := &b.targets[t]
		if t+1 < len(b.targets) && first.step[1]*b.out.st[3] == 2 && first.first[1] == 0 && b.targets[t+1].first[0] == first.first[0] {
			b.storePair(results[t*b.mb*b.ldc:], results[(t+1)*b.mb*b.ldc:], first, &b.targets[t+1], n, g, m0, m1, row, col)
			t++
			continue
		}
		b.store(results[t*b.mb*b.ldc:], first, n, g, m0, m1, row, col)
	}
}

// store writes a block's results to the output, with bias and ReLU, and drops the columns
// between the rows.
func (b *bound) store(from []float32, t *target, n, g, m0, m1, row, col int) {
	h, w := min(b.rb, t.rows-row), min(b.cb, t.cols-col)
	low := float32(math.Inf(-1))
	if b.relu {
		low = 0
	}
	for m := m0; m < m1 && w > 0 && h > 0; m++ {
		var add float32
		if b.bias != nil {
			add = b.bias.f[b.bias.pos(g*b.m+m, 0, 0, 0)]
		}
		src, dst := from[(m-m0)*b.ldc:], b.out.f[b.at(t, n, g, m, row, col):]
		down, right := t.step[0]*b.out.st[2], t.step[1]*b.out.st[3]
		switch {
		case right == 1 && b.width == w && down == w:
			b.ops.unpadRows(dst, src, 1, h*w, 0, 0, add, low)
		case right == 1:
			b.ops.unpadRows(dst, src, h, w, down, b.width, add, low)
		default:
			for i := range h {
				for j, v := range src[i*b.width:][:w] {
					dst[i*down+j*right] = v
				}
			}
		}
	}
}

// storePair writes the results of two targets whose columns take turns.
func (b *bound) storePair(even, odd []float32, t, u *target, n, g, m0, m1, row, col int) {
	h, w, v := min(b.rb, t.rows-row), min(b.cb, t.cols-col), max(0, min(b.cb, u.cols-col))
	for m := m0; m < m1 && w > 0; m++ {
		at := b.at(t, n, g, m, row, col)
		for i := range h {
			k := (m-m0)*b.ldc + i*b.width
			b.ops.zip(b.out.f[at+i*t.step[0]*b.out.st[2]:][:w+v], even[k:][:w], odd[k:][:v])
		}
	}
}

// at returns where a block's first result lies in the output.
func (b *bound) at(t *target, n, g, m, row, col int) int {
	return g*b.outGroup + b.out.pos(n, m, t.first[0]+row*t.step[0], t.first[1]+col*t.step[1])
}
