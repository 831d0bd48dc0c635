package choose

import (
	"cmp"
	"fmt"
	"slices"

	"cleave/kernels"
)

// gemmTile is a block of conv_gemm.cu: so many rows × columns of outputs of one group.
type gemmTile struct {
	rows, cols, threads int
	speed               float64 // multiply-adds a cycle, relative to the largest tile's
}

var (
	gemmTiles = []gemmTile{{128, 128, 256, 1}, {128, 64, 128, 0.95}, {64, 64, 128, 0.8}, {128, 32, 128, 0.75}}
	// Those of filter gradients, whose rows are filters.
	gradTiles = []gemmTile{{128, 128, 256, 1}, {128, 64, 128, 0.95}, {64, 64, 128, 0.8}, {32, 128, 128, 0.75}}
)

const (
	gemmStep     = 16  // summands of a step
	gemmTaps     = 16  // most rows and columns of a filter: bits of a mask
	gemmBlocks   = 256 // that should be there: about two for each processor of a large GPU
	gemmSteps    = 8   // fewest of a part of the sum
	gemmNarrow   = 8   // channels below which most of a tile is wasted
	gemmMaxParts = 64
)

// gemm is a convolution as a product of matrices, of which there is one for each group.
type gemm struct {
	rows, cols, sum int // of a group's product
	phases          int // products of different taps: of a data gradient with stride
	tiles           []gemmTile
	quads           bool // operands are whole aligned quads
}

// gemm returns a convolution's product.
func (g *conv) gemm() gemm {
	win, taps := g.d.Window, g.w.n[2]*g.w.n[3]
	switch g.d.Code {
	case kernels.ConvForward:
		return gemm{g.y.pixels(), g.k, taps * g.c, 1, gemmTiles, g.c%4 == 0 && g.k%4 == 0 && g.x.quads() && g.w.quads() && g.y.quads()}
	case kernels.ConvDataGrad:
		phases := win.Stride[0] * win.Stride[1]
		rows := g.x.n[0] * ceil(g.x.n[2], win.Stride[0]) * ceil(g.x.n[3], win.Stride[1])
		return gemm{rows, g.c, ceil(g.w.n[2], win.Stride[0]) * ceil(g.w.n[3], win.Stride[1]) * g.k, phases, gemmTiles,
			g.c%4 == 0 && g.k%4 == 0 && g.x.quads() && g.w.quads() && g.y.quads()}
	}
	return gemm{g.k, taps * g.c, g.y.pixels(), 1, gradTiles, g.c%4 == 0 && g.k%4 == 0 && g.x.quads() && g.y.quads()}
}

// blocks is how many there are of a tile, all groups and phases together.
func (m *gemm) blocks(t gemmTile, groups int) int {
	return ceil(m.rows, t.rows) * ceil(m.cols, t.cols) * groups * m.phases
}

// cost is the time that a tile takes, relative to others': whole waves of blocks.
func (m *gemm) cost(t gemmTile, groups int) float64 {
	return float64(max(m.blocks(t, groups), gemmBlocks/2)*t.rows*t.cols) / t.speed
}

// parts is how many parts a sum is divided into where there are few blocks.
func (m *gemm) parts(t gemmTile, groups int) int {
	return max(1, min(gemmBlocks/m.blocks(t, groups), ceil(m.sum, gemmStep)/gemmSteps, gemmMaxParts))
}

// work is the instructions of all threads: products and what they read, and copies, of which
// one takes about eight.
func (m *gemm) work(code kernels.Code, t gemmTile, groups int, quads bool) float64 {
	lane := t.rows * t.cols / t.threads // 8×8 or 8×4
	reads := 4 * (8 + lane/8)           // of a step, four at once
	switch code {
	case kernels.ConvForward:
		reads *= 2
	case kernels.ConvDataGrad:
		reads += 4 * 8
	}
	copies := 8 * gemmStep * (t.rows + t.cols) / t.threads
	if quads {
		copies /= 4
	}
	blocks, parts := m.blocks(t, groups), m.parts(t, groups)
	steps := ceil(m.sum, gemmStep)
	work := float64(float64(blocks*t.threads*steps) * float64(gemmStep*lane+reads+copies) * max(1, packBlocks/float64(blocks*parts)))
	if parts > 1 {
		work += summing(parts)
	}
	return work
}

// gemmWays are the tiles of implicit GEMM, the fastest first.
func gemmWays(g *conv) []way {
	m := g.gemm()
	if g.w.n[2] > gemmTaps || g.w.n[3] > gemmTaps || m.cols < gemmNarrow || m.rows < gemmNarrow {
		return nil
	}
	pass := map[kernels.Code]string{kernels.ConvForward: "forward", kernels.ConvDataGrad: "data_grad", kernels.ConvFilterGrad: "filter_grad"}[g.d.Code]
	var all []way
	for _, quads := range []bool{true, false} {
		if quads && (g.c%4 != 0 || g.k%4 != 0) {
			continue
		}
		tiles := slices.Clone(m.tiles)
		slices.SortStableFunc(tiles, func(a, b gemmTile) int {
			if quads {
				return cmp.Compare(m.cost(a, g.groups), m.cost(b, g.groups))
			}
			return cmp.Compare(m.work(g.d.Code, a, g.groups, false), m.work(g.d.Code, b, g.groups, false))
		})
		for _, t := range tiles {
			name := fmt.Sprintf("gemm_%dx%d", t.rows, t.cols)
			if !quads {
				if t.rows == 128 && t.cols >= 64 {
					continue // such lanes have no registers left for the addresses
				}
				name += "_any"
			}
			parts := m.parts(t, g.groups)
			w := way{name: name, lies: m.quads || !quads, adds: true, work: m.work(g.d.Code, t, g.groups, quads)}
			if parts > 1 {
				w.bytes = 4 * int64(parts) * int64(g.result().n.Volume())
			}
			w.launch = func(c *call, scratch int64) { g.gemmLaunch(c, "conv_"+pass+"_"+name+"_f32", &m, t, parts, scratch) }
			all = append(all, w)
		}
	}
	return all
}

// result is the operand that a pass computes.
func (g *conv) result() *view {
	switch g.d.Code {
	case kernels.ConvForward:
		return g.y
	case kernels.ConvDataGrad:
		return g.x
	}
	return g.w
}

func (g *conv) gemmLaunch(c *call, kernel string, m *gemm, t gemmTile, parts int, scratch int64) {
	blocks := m.blocks(t, g.groups) / m.phases
	part := null()
	if parts > 1 {
		part = at(scratch)
	}
	block := [3]int{t.threads, 1, 1}
	// Two steps of both operands, then where the rows are and how threads walk (52 bytes).
	const pitch = gemmStep + 4
	tables := 3*4*t.rows + 52
	switch g.d.Code {
	case kernels.ConvForward:
		epilogue, z := g.epilogue(), g.added()
		if parts > 1 { // it belongs to the sum of all parts
			epilogue, z = []Arg{null(), num(0), num(0)}, null()
		}
		c.launch(kernel, [3]int{blocks, 1, parts}, block, 2*4*pitch*(t.rows+t.cols)+tables,
			g.x.operand(), g.w.operand(), g.y.operand(), g.geometry(), epilogue, z, part, num(parts))
	case kernels.ConvDataGrad:
		c.launch(kernel, [3]int{blocks, m.phases, parts}, block, 2*4*(pitch*t.rows+gemmStep*t.cols)+tables,
			g.x.operand(), g.w.operand(), g.y.operand(), g.geometry(), part, num(parts))
	default:
		c.launch(kernel, [3]int{blocks, parts, 1}, block, 2*4*gemmStep*(t.rows+t.cols),
			g.x.operand(), g.y.operand(), g.w.operand(), g.geometry(), part, num(parts))
	}
	if parts > 1 {
		g.sum(c, scratch, parts)
	}
}
