package choose

import (
	"cmp"
	"fmt"
	"slices"

	"cleave/kernels"
)

// ring is how conv_ring's kernels divide a convolution of narrow groups into tiles, of
// which a block takes one, or several of a filter gradient. Rows and columns are those of
// the result, of dy for filter gradients; of a data gradient with stride 2, pairs of them.
type ring struct {
	size, stride int // of the filter
	slice, lanes int // channels that a lane sums, and lanes that share an output
	strip, warps int // columns of a warp, warps of a block
	stages       int // slots of the ring
	slot         int // bytes a slot
	rows, cols   int // to be tiled
	ns, th, tq   int // samples, rows and columns of a tile
	blocks       int // of 32 channels
	groups       int // of samples
}

const (
	ringChannels = 32
	ringPixel    = 4 * ringChannels // bytes
	ringFewRows  = 4                // of a tile: more of them are read than computed
	ringBlocks   = 256              // that should be there: about two for each processor of a large GPU
	ringThreads  = 256 * ringBlocks // and threads
)

// rings returns the ways to divide a convolution, the fastest first; none if conv_ring has
// no kernel for it.
func (g *conv) rings() []ring {
	win, gather := g.d.Window, g.d.Code != kernels.ConvFilterGrad
	size, stride := win.Kernel[0], win.Stride[0]
	fits := g.c == g.k && (size == 3 || size == 5 && g.c == 1) && win.Kernel[1] == size &&
		stride <= 2 && win.Stride[1] == stride && win.Dilation == [2]int{1, 1}
	slice, scatter := min(g.c, 8), g.d.Code == kernels.ConvDataGrad && stride == 2
	if !fits || !slices.Contains([]int{1, 4, 8, 16, 32}, g.c) {
		return nil
	}
	r := ring{size: size, stride: stride, slice: slice, lanes: g.c / slice, warps: 8, rows: g.y.n[2], cols: g.y.n[3]}
	if slice == 8 || stride == 2 && !scatter {
		r.warps = 4 // lanes need many registers, or columns much shared memory
	}
	strips := []int{7, 8}
	if size == 5 {
		strips = strips[:1]
	}
	if g.d.Code == kernels.ConvDataGrad {
		r.rows, r.cols = g.x.n[2], g.x.n[3]
		if scatter {
			if win.Pad[0]%2 != win.Pad[2]%2 || size == 5 && win.Pad[0]%2 != 0 {
				return nil // there is no such kernel
			}
			strips, r.rows, r.cols = []int{4}, ceil(r.rows, 2), ceil(r.cols, 2)
		}
	}
	r.blocks = ceil(g.x.n[1], ringChannels)
	var all []ring
	for _, strip := range strips {
		v := r
		v.strip = strip
		v.divide(g.x.n[0])
		v.slots(g.d.Code)
		for gather && v.th > ringFewRows && 32*v.warps*v.blocks*v.tiles() < ringThreads {
			v.th = ceil(v.th, 2)
		}
		if v.groups <= maxGridYZ && v.tiles()/v.groups <= maxGridYZ {
			all = append(all, v)
		}
	}
	// Fewer columns of strips, or as many in fewer instructions.
	slices.SortStableFunc(all, func(a, b ring) int {
		return cmp.Or(cmp.Compare(a.columns(), b.columns()), cmp.Compare(b.strip, a.strip))
	})
	return all
}

// divide chooses the tile: whole columns of the samples.
func (r *ring) divide(samples int) {
	at := r.warps / r.lanes // strips of a block
	strips := ceil(r.cols, r.strip)
	each := ceil(strips, ceil(strips, at))
	r.tq, r.th = each*r.strip, r.rows
	r.ns = min(samples, at/each)
	r.groups = ceil(samples, r.ns)
}

// across is the number of tiles side by side.
func (r *ring) across() int { return ceil(r.cols, r.tq) }

// tiles is the number of them for 32 channels.
func (r *ring) tiles() int { return r.groups * r.across() * ceil(r.rows, r.th) }

// columns is how many columns all of the warps have.
func (r *ring) columns() int { return r.groups * r.across() * r.warps / r.lanes * r.strip }

// slots finds the bytes of a slot, and how many slots a kernel has: as many as fit with
// tiles of one strip, four at most (conv_ring.h, ring_stages).
func (r *ring) slots(code kernels.Code) {
	pixels := func(strip int) int { return r.stride * (r.stride*(strip-1) + r.size) }
	switch {
	case code == kernels.ConvFilterGrad:
		pixels = func(strip int) int { return r.stride*(r.stride*(strip-1)+r.size) + strip }
	case code == kernels.ConvDataGrad && r.stride == 2:
		pixels = func(strip int) int { return strip + r.size/2 }
	}
	r.slot = r.ns * pixels(r.tq) * ringPixel
	r.stages = min(4, MaxShared/(r.warps*pixels(r.strip)*ringPixel))
}

// ringWays are the kernels of conv_ring.h.
func ringWays(g *conv) []way {
	var all []way
	for _, r := range g.rings() {
		w := way{name: fmt.Sprintf("ring_t%d", r.strip)}
		switch g.d.Code {
		case kernels.ConvForward:
			w.lies = g.x.runs()
			w.launch = func(c *call, _ int64) { g.ringForward(c, &r) }
		case kernels.ConvDataGrad:
			w.lies = g.y.runs()
			w.launch = func(c *call, _ int64) { g.ringDataGrad(c, &r) }
		default:
			splits := r.splits(g)
			w.lies = g.x.runs() && g.y.runs()
			w.bytes = int64(splits) * int64(g.w.n.Volume()) * 4
			w.launch = func(c *call, scratch int64) { g.ringFilterGrad(c, &r, splits, scratch) }
		}
		all = append(all, w)
	}
	return all
}

// runs reports whether a pixel's channels lie one after the other.
func (v *view) runs() bool { return v.st[1] == 1 }

// splits is how many blocks share the tiles of 32 channels: enough for a large GPU, and
// twice if their sums are few beside the operands.
func (r *ring) splits(g *conv) int {
	most, few := ringThreads/(32*r.warps*r.blocks), ringBlocks/r.blocks
	operands := g.x.n.Volume() + g.y.n.Volume()
	return max(1, min(r.tiles(), maxGridYZ, max(few, min(most, operands/8/g.w.n.Volume()))))
}

// rowSteps are an operand's strides but for the channels'.
func (v *view) rowSteps() []Arg { return nums(v.st[0], v.st[2], v.st[3]) }

// filter is what a gathering kernel takes of w: with in and out the axes of its inputs and
// outputs, and turned round or not. See conv_ring.cu.
func (g *conv) filter(out, in int, turned bool) []Arg {
	v, st := *g.w, g.w.st
	group := g.k * st[0]
	if turned {
		v.at += 4 * int64((v.n[2]-1)*st[2]+(v.n[3]-1)*st[3])
		st[2], st[3] = -st[2], -st[3]
	}
	return append([]Arg{v.ptr()}, nums(group, st[out], st[in], st[2], st[3])...)
}

// extents are N, C, the channels of a group, lanes, and the operands' rows and columns.
func (r *ring) extents(g *conv, in, out *view) []Arg {
	return nums(g.x.n[0], g.x.n[1], g.c, r.lanes, in.n[2], in.n[3], out.n[2], out.n[3])
}

// tile is the rest of a kernel's arguments.
func (r *ring) tile(in ...*view) []Arg {
	whole := 1
	for _, v := range in {
		if !v.quads() {
			whole = 0
		}
	}
	return nums(r.ns, r.th, r.tq, whole)
}

func (r *ring) grid() [3]int { return [3]int{r.blocks, r.tiles() / r.groups, r.groups} }

func (r *ring) block() [3]int { return [3]int{32 * r.warps, 1, 1} }

// kernel names a kernel of conv_ring.cu or conv_ring_filter.cu.
func (r *ring) kernel(pass string) string {
	return fmt.Sprintf("conv_ring%s_%dx%d_c%d_s%d_t%d_f32", pass, r.size, r.size, r.slice, r.stride, r.strip)
}

func (g *conv) ringForward(c *call, r *ring) {
	pad := g.d.Window.Pad
	c.launch(r.kernel(""), r.grid(), r.block(), r.stages*r.slot, g.x.ptr(), g.x.rowSteps(), g.filter(0, 1, false), g.y.operand(), g.epilogue(),
		r.extents(g, g.x, g.y), nums(pad[0], pad[2]), r.tile(g.x))
}

func (g *conv) ringDataGrad(c *call, r *ring) {
	pad := g.d.Window.Pad
	if r.stride == 1 {
		c.launch(r.kernel(""), r.grid(), r.block(), r.stages*r.slot, g.y.ptr(), g.y.rowSteps(), g.filter(1, 0, true), g.x.operand(), g.epilogue(),
			r.extents(g, g.y, g.x), nums(r.size-1-pad[0], r.size-1-pad[2]), r.tile(g.y))
		return
	}
	odd := pad[0] % 2
	kernel := fmt.Sprintf("conv_ring_scatter_%dx%d_c%d_f%d_f32", r.size, r.size, r.slice, odd)
	c.launch(kernel, r.grid(), r.block(), r.stages*r.slot, g.x.operand(), g.filter(1, 0, false), g.y.ptr(), g.y.rowSteps(),
		r.extents(g, g.x, g.y), nums((pad[0]-odd)/2, (pad[2]-odd)/2), r.tile(g.y))
}

func (g *conv) ringFilterGrad(c *call, r *ring, splits int, scratch int64) {
	pad := g.d.Window.Pad
	shared := max(r.stages*r.slot, r.warps/2*r.size*r.size*r.slice*ringPixel)
	c.launch(r.kernel("_filter"), [3]int{r.blocks, splits, 1}, r.block(), shared, g.x.ptr(), g.x.rowSteps(), g.y.ptr(), g.y.rowSteps(), at(scratch),
		r.extents(g, g.x, g.y), nums(pad[0], pad[2]), r.tile(g.x, g.y))
	g.sum(c, scratch, splits)
}
