package choose

import (
	"cmp"
	"fmt"
	"slices"

	"cleave/kernels"
)

// packing is how conv_pack.cu lays filters out, and with them the work of blocks: a unit is
// gb whole groups or, where parts is above one, a part of a group.
type packing struct {
	lane      int // filters of a lane
	gb        int
	nb, parts int // columns of a group that a unit has, and units of a group
	chunk     int // summed channels at once
}

// packTile is how a phase is divided, of which a block takes a tile of one unit.
type packTile struct {
	ns, th, tw    int // samples, rows and columns
	pitch, plane  int // floats from row to row, from channel to channel
	staged        int // phases of a row's taps at once
	threads       int
	shared        int // bytes
	blocks        int
	work          float64 // instructions of all threads; conversions keep products from being fused, which machines do differently
	row           int     // taps that a lane has at once, 0 where they are not side by side
	rows, columns int     // of the input
}

// pack is one way to compute a convolution by conv_pack.cu: a tiling for each phase.
type pack struct {
	packing
	phases []phase
	tiles  []packTile
	work   float64
}

const (
	packPixels = 8        // of a lane
	packNarrow = 32       // channels or filters of a group, at most
	packBlocks = 128      // with fewer, processors of a large GPU are idle
	packStage  = 12 << 10 // bytes of filters at once, about
	packWarps  = 8        // that should be on a processor of 96 KiB of shared memory
)

// place is the floats between one column of filters and the next.
func (l packing) place() int { return 4 * ceil(l.lane, 4) }

// columns is how many a block has.
func (l packing) columns() int { return l.gb * l.nb }

// units is how many there are of `groups` groups.
func (l packing) units(groups int) int { return ceil(groups, l.gb) * l.parts }

// floats is the size of all filters, rewritten.
func (l packing) floats(g *conv, summed int) int {
	return l.units(g.groups) * ceil(summed, l.chunk) * g.w.n[2] * g.w.n[3] * l.chunk * l.columns() * l.place()
}

// packThreads is the most threads of a block; wide lanes have many registers.
func packThreads(lane int) int {
	if lane == 4 {
		return 256
	}
	return 192
}

// oddQuads rounds up to an odd number of quads: eight rows then lie in different banks.
func oddQuads(n int) int { return 4 * (ceil(n, 4) | 1) }

// reach is what n outputs read through taps, see conv_pack.h.
func reach(n, taps, stride, dilation int) int {
	if taps > 1 {
		return (n-1)*stride + (taps-1)*dilation + 1
	}
	return n
}

// sums are the summed and the computed channels of a group.
func (g *conv) sums() (summed, computed int) {
	if g.d.Code == kernels.ConvDataGrad {
		return g.k, g.c
	}
	return g.c, g.k
}

// packs returns the best way to compute phases for each width of a lane, the fastest first.
func (g *conv) packs(phases []phase) []*pack {
	summed, computed := g.sums()
	var all []*pack
	for _, lane := range []int{4, 6, 8} {
		var best *pack
		most, nb := packThreads(lane)/32*4, ceil(computed, lane)
		try := func(l packing) {
			// The largest chunks that fit, in as many parts of about the same size.
			for found := 0; found < 4; {
				if p := g.packed(l, phases); p != nil {
					found++
					if best == nil || p.work < best.work {
						best = p
					}
				}
				if l.chunk == 1 {
					return
				}
				l.chunk = min(l.chunk-1, ceil(summed, ceil(summed, l.chunk)+1))
			}
		}
		for gb := 1; gb <= g.groups && gb*nb <= most; gb++ {
			try(packing{lane, gb, nb, 1, summed})
		}
		for parts := 2; parts <= nb; parts++ {
			if part := ceil(nb, parts); part <= most && ceil(nb, part) == parts {
				try(packing{lane, 1, part, parts, summed})
			}
		}
		if best != nil {
			all = append(all, best)
		}
	}
	slices.SortStableFunc(all, func(a, b *pack) int { return cmp.Compare(a.work, b.work) })
	return all
}

// packed divides phases for a packing, or returns nil if a tile does not fit.
func (g *conv) packed(l packing, phases []phase) *pack {
	p := &pack{packing: l, phases: phases}
	for i := range phases {
		t, ok := g.packTile(l, &phases[i])
		if !ok {
			return nil
		}
		p.tiles = append(p.tiles, t)
		p.work += t.work
	}
	return p
}

// packTile finds the tile of a phase with the least work.
func (g *conv) packTile(l packing, f *phase) (best packTile, ok bool) {
	warps := ceil(l.columns(), 4)
	for across := 1; across <= 8; across *= 2 { // warps along the pixels
		if 32*warps*across > packThreads(l.lane) {
			break
		}
		for _, wide := range packWidths(f.size[1], 8*across) {
			t := packTile{tw: packPixels * wide, th: min(f.size[0], 8*across/wide), ns: 1, threads: 32 * warps * across, row: f.row()}
			if t.th == f.size[0] {
				t.ns = min(f.samples, 8*across/wide/t.th)
			}
			if g.packFits(l, f, &t) && (!ok || t.work < best.work) {
				best, ok = t, true
			}
		}
	}
	return best, ok
}

// packWidths lists how many runs of 8 pixels a tile may be wide, up to most: all columns, or
// an equal part.
func packWidths(columns, most int) []int {
	runs := ceil(columns, packPixels)
	all := []int{ceil(runs, ceil(runs, most))}
	for wide := all[0]; wide > 1; {
		wide = ceil(wide, 2)
		all = append(all, wide)
	}
	return all
}

// packFits completes a tile: where rows lie, its memory and its work. It says whether a block
// may have it.
func (g *conv) packFits(l packing, f *phase, t *packTile) bool {
	summed, _ := g.sums()
	r, s := f.taps[0], f.taps[1]
	t.rows, t.columns = reach(t.th, r, f.stride[0], f.dilation[0]), reach(t.tw, s, f.stride[1], f.dilation[1])
	t.pitch = f.pitch(t.columns)
	t.plane = oddQuads(t.ns * t.rows * t.pitch)
	planes, chunks := l.gb*l.chunk, ceil(summed, l.chunk)
	slab := l.chunk * l.columns() * l.place()
	phases := f.tapPhases()
	most := ceil(s, max(1, phases))
	for t.staged = phases; t.staged > 1 && 2*4*t.staged*most*slab > packStage; {
		t.staged = ceil(t.staged, 2)
	}
	steps := chunks * r * ceil(phases, t.staged)
	t.shared = 4 * (min(2, chunks)*planes*t.plane + min(2, steps)*t.staged*most*slab)
	if t.shared > MaxShared || planes > t.threads {
		return false
	}
	t.blocks = ceil(f.samples, t.ns) * ceil(f.size[0], t.th) * ceil(f.size[1], t.tw) * l.units(g.groups)

	// Instructions of a thread: products, and what they read; copies, of which one takes about
	// six; storing. A step has a barrier.
	products := float64(summed * r * (s*(packPixels*l.lane+l.place()/4) + f.reads()))
	copies := float64(chunks * (t.ns*t.rows*(6*ceil(t.columns, t.threads/planes)+8) + 4*r*s*ceil(slab, 4*t.threads)))
	if t.row == 0 {
		copies *= 2 // columns are divided by the stride
	}
	run := 4 * l.chunk // bytes side by side
	if chunks == 1 {
		run *= l.gb
	}
	one := products + copies + float64(40*steps+3*packPixels*l.lane/2+150)
	all := float64(one*float64(t.threads)) + fetching(chunks*planes*t.ns*t.rows*t.columns, run)
	t.work = float64(all * idle(t.blocks, t.threads, t.shared) * float64(t.blocks))
	return true
}

// fetching is how many instructions a processor could run in the time in which it gets so
// many floats from its cache, in runs of so many bytes: 32 bytes a cycle come, of 128
// instructions of threads, in sectors of 32 bytes. Half of it is hidden.
func fetching(floats, run int) float64 {
	return 0.5 * 4 * 4 * float64(floats) * float64(run+28) / float64(run)
}

// idle is how much longer than its instructions blocks take: where there are few of them, or
// few warps of them find room on a processor at once, which then wait for what they read.
func idle(blocks, threads, shared int) float64 {
	resident := max(1, min(96<<10/(shared+1<<10), 512/threads, ceil(blocks, packBlocks)))
	warps := float64(resident*threads) / 32
	return max(1, packBlocks/float64(blocks)) * 2 / (1 + min(1, warps/packWarps))
}

// packWays are the kernels of conv_pack.cu.
func packWays(g *conv) []way {
	if min(g.c, g.k) > packNarrow {
		return nil
	}
	if g.d.Code == kernels.ConvFilterGrad {
		return packFilterWays(g)
	}
	var all []way
	add := func(name string, lies bool, flat bool, packs []*pack) {
		for _, p := range packs {
			summed, _ := g.sums()
			w := way{name: fmt.Sprintf("%s_t%d", name, p.lane), lies: lies, work: p.work, bytes: 4 * int64(p.floats(g, summed))}
			w.launch = func(c *call, scratch int64) { g.packLaunch(c, p, flat, scratch) }
			all = append(all, w)
		}
	}
	if g.flattens() {
		add("pack_flat", g.x.dense() && g.y.dense(), true, g.packs([]phase{g.flatPhase()}))
	}
	packs := g.packs(g.phases())
	if len(all) > 0 {
		packs = packs[:min(1, len(packs))]
	}
	add("pack", true, false, packs)
	return all
}

// packKernel names a kernel of conv_pack.cu or conv_pack_filter.cu.
func packKernel(file string, row, lane int) string {
	taps := "any"
	if row > 0 {
		taps = fmt.Sprintf("row%d", row)
	}
	return fmt.Sprintf("%s_%s_t%d_f32", file, taps, lane)
}

// packLaunch rewrites the filters and launches a kernel for each phase.
func (g *conv) packLaunch(c *call, p *pack, flat bool, scratch int64) {
	in, out, filter := *g.x, *g.y, g.filter(0, 1, false)
	if g.d.Code == kernels.ConvDataGrad {
		in, out, filter = out, in, g.filter(1, 0, false)
	}
	if flat {
		in, out = in.flat(), out.flat()
	}
	summed, computed := g.sums()
	count := p.floats(g, summed)
	c.launch("conv_pack_filters_f32", perElement(count), block, 0, filter, at(scratch), nums(g.groups, summed, computed, g.w.n[2], g.w.n[3],
		p.gb, p.nb, p.parts, p.chunk, p.lane, p.place()), long(uint64(count)))
	for i := range p.phases {
		f, t := &p.phases[i], &p.tiles[i]
		to := out
		to.at += 4 * int64(f.from[0]*to.st[2]+f.from[1]*to.st[3])
		to.st[2], to.st[3] = to.st[2]*f.every[0], to.st[3]*f.every[1]
		whole := yes(to.vectors(4) && computed%4 == 0)
		if p.lane%4 != 0 {
			whole = yes(to.vectors(2) && computed%2 == 0)
		}
		c.launch(packKernel("conv_pack", t.row, p.lane), [3]int{t.blocks, 1, 1}, [3]int{t.threads, 1, 1}, t.shared,
			in.operand(), at(scratch), to.operand(), g.epilogue(),
			nums(in.n[0], g.groups, summed, computed, in.n[2], in.n[3], f.size[0], f.size[1]), f.window(),
			nums(g.w.n[2], g.w.n[3], f.first[0], f.step[0], f.first[1], f.step[1]),
			nums(p.gb, p.nb, p.parts, p.chunk, t.staged, t.ns, t.th, t.tw, t.pitch, t.plane), whole)
	}
}
