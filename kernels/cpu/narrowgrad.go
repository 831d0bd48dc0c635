package cpu

// narrowGrad is the geometry of a filter gradient of narrow groups, as many filters as
// channels in each: of vectors of channels lane by lane, with the channels of dy's groups in
// turn. Blocks of rows of the source, with their padding, and of dy are dealt to panels:
// vector by vector, so that neither is read in pieces that are far apart, and on AVX-512 in
// the order that lets one load fill all lanes of the groups. While a block is multiplied the
// next is dealt.
type narrowGrad struct {
	*geometry
	per     int  // channels of a group
	lanes   int  // of a vector
	dealt   bool // its lanes are in the order of dealtChannel
	stay    bool // dy is read where it is: its vectors are whole and in their order
	vectors int
	some    int    // vectors of a job
	parts   int    // of the blocks, each with sums of its own that are added up in the end
	batch   int    // parts of a job
	rb      int    // rows of dy of a block,
	sub     int    // of which so many are summed up at a time
	extent  int    // rows of the source that a block takes
	copied  [2]int // rows and columns of the source's panel: of two blocks
	xVector int    // floats from vector to vector of the panel of the source,
	yVector int    // and of dy's
	tiles   []narrowPart
	floats  int // sums of a vector
}

// narrowPart is a tile at its first tap.
type narrowPart struct {
	*narrowTile
	r, s int
	used int // columns of taps that there are
}

const (
	narrowRows  = 4    // of dy, about, make a block,
	narrowLeast = 2    // or so many where caches are small,
	narrowCall  = 2000 // or as many as make so many multiply-adds
	narrowLine  = 8    // vectors that are neighbours in memory should make a job
	narrowParts = 16   // parts or vectors of jobs should there be,
	narrowJobs  = 4    // but no more jobs for each thread: they read their first block by itself
)

// narrowGrad returns how a filter gradient is divided for a tier, or nil if the tier has no
// tiles for its groups. It is a function of its arguments alone.
func (g *geometry) narrowGrad(t *tier, threads int) *narrowGrad {
	if g.k != g.c || g.groups == 1 {
		return nil
	}
	f := &narrowGrad{geometry: g, per: g.c, lanes: t.lanesTile.width, dealt: t.dealt}
	if !f.cover(t.narrows) {
		return nil
	}
	f.vectors = ceil(g.groups*g.c, f.lanes)
	f.stay = f.per == 1 && g.groups%f.lanes == 0 // it is read once or twice
	down, across, rows, cols, _ := g.forward().reach()
	f.copied[1] = (cols-1)*g.stride[1] + 1 + across
	// All vectors of a block lie in one stretch; if there are many, they make jobs and need no
	// sums for parts.
	together, budget := f.vectors, t.caches.second/4-2*overread
	if together > 2*narrowLine {
		together = narrowLine
	}
	k := f.tiles[0]
	most := max(narrowRows, ceil(narrowCall, k.taps*k.block*k.rows*cols))
	for f.divide(even(rows, most), down); f.rb > narrowLeast && f.panels()*together > budget; {
		f.divide(even(rows, f.rb-1), down)
	}
	f.some = even(f.vectors, max(1, min(together, budget/f.panels())))
	f.sub = max(1, min(f.rb, sumLength/cols, t.caches.first*3/4/(4*f.lanes*(g.stride[0]*f.copied[1]+cols))))
	f.parts = min(f.blocks(), ceil(narrowParts, f.chunks()))
	f.batch = max(1, f.parts*f.chunks()/(narrowJobs*threads))
	return f
}

// divide sets the rows of a block. In the source's panel, there is always room for the next
// block's beside those in use: behind them, of which it has the first, or in front.
func (f *narrowGrad) divide(rb, down int) {
	f.rb = rb
	step := rb * f.stride[0]
	f.extent = step - f.stride[0] + 1 + down
	f.copied[0] = (f.extent-1)/step*step + 2*f.extent
	f.xVector = spreadOut(f.copied[0] * f.copied[1] * f.lanes)
	if !f.stay {
		f.yVector = spreadOut(2 * rb * f.out[1] * f.lanes)
	}
}

// panels is the floats of a vector's panels.
func (f *narrowGrad) panels() int { return f.xVector + f.yVector }

// cover divides the taps among tiles; it prefers one of several rows of taps.
func (f *narrowGrad) cover(tiles []narrowTile) bool {
	var row []*narrowTile // of one row of taps, the longest first
	kernel := f.kernel
	for i := range tiles {
		switch k := &tiles[i]; {
		case k.per != f.per || k.stride > 0 && k.stride != f.stride[1]:
		case k.taps == 1:
			row = append(row, k)
		case k.taps == kernel[0] && k.rows == kernel[1] && f.dilation[1] == 1:
			f.tiles, f.floats = []narrowPart{{k, 0, 0, k.rows}}, k.sums()
			return true
		}
	}
	if len(row) == 0 {
		return false
	}
	for r := range kernel[0] {
		for s := 0; s < kernel[1]; {
			left := kernel[1] - s
			if f.dilation[1] > 1 { // a tile's taps are neighbours
				left = 1
			}
			best := row[len(row)-1]
			for _, k := range row {
				if k.rows <= left {
					best = k
					break
				}
			}
			f.tiles = append(f.tiles, narrowPart{best, r, s, min(left, best.rows)})
			f.floats += best.sums()
			s += min(left, best.rows)
		}
	}
	return true
}

// chunks is how many jobs' vectors there are.
func (f *narrowGrad) chunks() int { return ceil(f.vectors, f.some) }

func (f *narrowGrad) jobs() int { return f.chunks() * ceil(f.parts, f.batch) }

// blocks is how many blocks of rows there are.
func (f *narrowGrad) blocks() int { return f.samples * ceil(f.out[0], f.rb) }

// scratch is the floats of a thread's panels of the source and of dy. Tiles may read beyond
// them.
func (f *narrowGrad) scratch() (x, dy int) {
	return f.some*f.xVector + overread, f.some*f.yVector + overread
}

// workspace is the scratch memory in bytes.
func (f *narrowGrad) workspace(threads int) int64 {
	x, dy := f.scratch()
	return 4 * (int64(threads)*int64(x+dy) + int64(f.parts)*int64(f.vectors*f.floats))
}
