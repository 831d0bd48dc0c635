package choose

import (
	"cmp"
	"fmt"
	"slices"
)

// packGrad is how conv_pack_filter.cu divides a filter gradient.
type packGrad struct {
	lane            int // filters of a lane
	row, channels   int // taps of a lane, 0 where they are not side by side, and channels
	gb              int // groups of a block
	nb, part, parts int // columns of a group, columns that a block has of them, and such parts
	ns, th, tw      int // samples, rows and columns of a tile
	pitch, plane    int // of x: floats from row to row, from channel to channel
	gradPlane       int // of dy
	items, slices   int // threads that have different sums, and that share each item's rows
	shared          int // bytes
	tiles, splits   int
	units           int
	work            float64
}

// packGrads returns the best division for each width of a lane, the fastest first.
func (g *conv) packGrads(f *phase) []*packGrad {
	row := f.row()
	each := map[int]int{1: 4, 5: 1}[row]
	if each == 0 {
		each = 2
	}
	taps := f.taps[0]
	if row == 0 {
		taps *= f.taps[1]
	}
	var all []*packGrad
	for _, lane := range []int{4, 6} {
		var best *packGrad
		p := packGrad{lane: lane, row: row, channels: each, nb: ceil(g.k, lane)}
		column := taps * ceil(g.c, each) // items of a column
		if column > 256 {
			continue
		}
		p.parts = ceil(p.nb, min(p.nb, 256/column))
		p.part = ceil(p.nb, p.parts)
		for p.gb = 1; p.gb <= g.groups && (p.parts == 1 || p.gb == 1) && p.gb*p.part*column <= 256; p.gb++ {
			p.items, p.units = p.gb*p.part*column, ceil(g.groups, p.gb)*p.parts
			g.packGradTiles(p, f, func(t packGrad) {
				if best == nil || t.work < best.work {
					best = &t
				}
			})
		}
		if best != nil {
			all = append(all, best)
		}
	}
	slices.SortStableFunc(all, func(a, b *packGrad) int { return cmp.Compare(a.work, b.work) })
	return all
}

// packGradTiles calls yield with each tile that fits.
func (g *conv) packGradTiles(p packGrad, f *phase, yield func(packGrad)) {
	for _, wide := range packWidths(f.size[1], 16) {
		for parts := 1; ; parts *= 2 {
			p.tw, p.th = packPixels*wide, ceil(f.size[0], parts)
			for p.ns = 1; p.ns <= f.samples && (p.ns == 1 || p.th == f.size[0]); p.ns *= 2 {
				for p.slices = 1; p.slices*p.items <= 256 && p.slices <= p.ns*p.th; p.slices *= 2 {
					for p.splits = 16; p.splits <= 1024; p.splits *= 2 {
						if t := p; g.packGradFits(&t, f) {
							yield(t)
						}
					}
				}
			}
			if p.th == 1 {
				break
			}
		}
	}
}

// packGradFits completes a division and says whether a block may have it.
func (g *conv) packGradFits(p *packGrad, f *phase) bool {
	rows, columns := reach(p.th, f.taps[0], f.stride[0], f.dilation[0]), reach(p.tw, f.taps[1], f.stride[1], f.dilation[1])
	sums := p.lane * p.channels * max(1, p.row)
	p.pitch = f.pitch(columns)
	p.plane = oddQuads(p.ns * rows * p.pitch)
	p.gradPlane = oddQuads(p.ns * p.th * (p.tw + 4))
	planes, grads := p.gb*g.c, p.gb*p.lane*p.part
	p.shared = 4 * max(2*(planes*p.plane+grads*p.gradPlane), p.slices/2*p.items*sums)
	threads := p.threads()
	if p.shared > MaxShared || planes > threads || grads > threads {
		return false
	}
	p.tiles = ceil(f.samples, p.ns) * ceil(f.size[0], p.th) * ceil(f.size[1], p.tw)
	p.splits = ceil(p.tiles, ceil(p.tiles, min(p.tiles, ceil(p.splits, p.units))))

	// As of packTile.
	reads := 2 * p.lane
	if p.row == 0 {
		reads += packPixels * p.channels
	} else {
		reads += ceil(packPixels+p.row-1, 4) * p.channels
	}
	products := ceil(p.ns*p.th, p.slices) * (p.tw/packPixels*(packPixels*sums+reads+4) + 30)
	copies := p.ns * (rows*(6*ceil(columns, threads/planes)+8) + p.th*(6*ceil(p.tw, threads/grads)+8))
	if p.row == 0 {
		copies *= 2
	}
	fetch := fetching(planes*p.ns*rows*columns, 4*planes) + fetching(grads*p.ns*p.th*p.tw, 4*grads)
	tile := float64(threads*(products+copies+80)) + fetch
	blocks := p.units * p.splits
	one := float64(float64(ceil(p.tiles, p.splits))*tile) + float64(200*threads)
	p.work = float64(one*idle(blocks, threads, p.shared)*float64(blocks)) + summing(p.splits)
	return true
}

func (p *packGrad) threads() int { return 32 * ceil(p.items*p.slices, 32) }

// packFilterWays are the kernels of conv_pack_filter.cu.
func packFilterWays(g *conv) []way {
	var all []way
	add := func(name string, lies, flat bool, f phase, grads []*packGrad) {
		for _, p := range grads {
			w := way{name: fmt.Sprintf("%s_t%d", name, p.lane), lies: lies, work: p.work, bytes: 4 * int64(p.splits) * int64(g.w.n.Volume())}
			w.launch = func(c *call, scratch int64) { g.packGradLaunch(c, p, &f, flat, scratch) }
			all = append(all, w)
		}
	}
	if g.flattens() {
		f := g.flatPhase()
		add("pack_flat", g.x.dense() && g.y.dense(), true, f, g.packGrads(&f))
	}
	f := g.phases()[0]
	grads := g.packGrads(&f)
	if len(all) > 0 {
		grads = grads[:min(1, len(grads))]
	}
	add("pack", true, false, f, grads)
	return all
}

func (g *conv) packGradLaunch(c *call, p *packGrad, f *phase, flat bool, scratch int64) {
	x, dy := *g.x, *g.y
	if flat {
		x, dy = x.flat(), dy.flat()
	}
	c.launch(packKernel("conv_pack_filter", p.row, p.lane), [3]int{p.units, p.splits, 1}, [3]int{p.threads(), 1, 1}, p.shared,
		x.operand(), dy.operand(), at(scratch), nums(x.n[0], g.groups, g.c, g.k, x.n[2], x.n[3], f.size[0], f.size[1]), f.window(),
		nums(p.gb, p.nb, p.part, p.parts, p.slices, p.ns, p.th, p.tw, p.pitch, p.plane, p.gradPlane))
	g.sum(c, scratch, p.splits)
}
