package cpu

// filterGrad is the geometry of a filter gradient: for every filter and tap the sum over
// all positions of dy times the source under the tap. Blocks of the source, with their
// padding, and of dy are copied to panels, by the tiles themselves (outerjob.go). Taps whose channels follow each other in the
// source's panel make one run of floats. Narrow groups have another (narrowgrad.go).
type filterGrad struct {
	*geometry
	turned  bool     // the source and dy have changed places: filters fill the lanes, and channels are the tiles' rows
	src     *product // the forward convolution, for its taps
	some    int      // groups of a job
	parts   int      // of the blocks of positions, each with sums of its own that are added up in the end; 1: jobs divide the filters
	kb, cb  int      // filters and channels of a job
	wb      int      // columns of positions whose source makes a panel,
	rb, nb  int      // their rows and samples
	copied  [2]int   // rows and columns of a panel
	pitch   int      // floats from position to position of the panel,
	dyPitch int      // and of dy's
	runs    []run
	floats  int // sums of a group
	turns   int // of all tiles at a position
	batch   int // parts of a job
}

// run is some taps' floats of the source that follow each other.
type run struct {
	taps  []tap
	tiles []outerPart
}

// outerPart is a tile's share of a run.
type outerPart struct {
	*outerTile
	first int // float of the run
}

const (
	gradJobs  = 2       // for each thread: they take equally long, and each copies for itself
	gradJob   = 1 << 26 // multiply-adds of one of several groups, or else there are four times as many
	gradParts = 16      // of the positions where a gradient is small

	turnedCost = 90 // per cent at which filters fill the lanes rather than channels
)

// spreadOut returns a pitch of at least n floats at which columns of a panel do not share
// cache sets: an odd number of lines, if there are several.
func spreadOut(n int) int {
	if n <= 16 {
		return n
	}
	return (ceil(n, 16) | 1) * 16
}

// turned returns the geometry of the convolution from y to x whose filter gradient is that of
// g with filters and channels exchanged: there is one for filters of one tap.
func (g geometry) turned() (geometry, bool) {
	g.c, g.k = g.k, g.c
	return g, g.pointwise()
}

// filterGrad divides a filter gradient for a tier, a number of threads and caches. It is a
// function of its arguments alone.
func (g *geometry) filterGrad(t *tier, threads int) *filterGrad {
	if turned, ok := g.turned(); ok && outerCost(t.outers, turned.c, turned.k) < outerCost(t.outers, g.c, g.k)*turnedCost/100 {
		f := turned.divideGrad(t, threads)
		f.turned = true
		return f
	}
	return g.divideGrad(t, threads)
}

func (g *geometry) divideGrad(t *tier, threads int) *filterGrad {
	gradPanels, gradBytes, gradSums := t.caches.filterGrad()
	p := g.forward()
	down, across, rows, cols, taps := p.reach()
	f := &filterGrad{geometry: g, src: p}
	f.some = min(g.groups, ceil(128, f.c)) // neighbours in memory; only the first waits for its copies
	least := 0
	for filters := 128; filters <= 512; filters *= 2 {
		cb := min(f.c, roundUp(even(f.c, max(16, gradSums/(taps*min(f.k, filters)))), 8))
		kb := min(f.k, roundUp(even(f.k, max(16, gradSums/(taps*cb))), 4))
		if copied := f.c*ceil(f.k, kb) + f.k*ceil(f.c, cb); least == 0 || copied < least {
			least, f.cb, f.kb = copied, cb, kb
		}
	}
	f.pitch = f.cb
	// Blocks of positions decide the order of sums: they depend on shapes only.
	extent := func(positions, axis, reach int) int { return (positions-1)*g.stride[axis] + 1 + reach }
	some := max(1, min(gradBytes/(4*(min(f.pitch, 40)+min(f.kb, 16))), gradPanels/(f.cb+f.kb)))
	f.wb, f.rb, f.nb = cols, 1, 1
	if rows == 1 {
		f.wb = even(cols, some)
	}
	width := extent(f.wb, 1, across)
	f.rb = even(rows, max(1, min((gradPanels/2/(f.pitch*width)-1-down)/g.stride[0]+1, some/f.wb)))
	if f.rb == rows && f.wb == cols {
		f.nb = even(g.samples, max(1, min(some/(rows*cols), gradPanels/2/(f.pitch*width*extent(rows, 0, down)))))
	}
	f.copied = [2]int{extent(f.rb, 0, down), width}
	f.parts, f.batch = 1, 1
	if small := f.kb == f.k && f.cb == f.c && g.groups*g.k*g.c*taps <= gradSums*3/4; small {
		// All groups take turns at a block, whose lines should still be near for the last.
		f.nb = min(f.nb, max(1, 2*g.samples/gradParts), max(1, t.caches.second/4/(4*g.groups*(g.k+g.c)*f.rb*f.wb)))
		if blocks := f.blocks(); blocks >= gradParts/2 {
			f.parts, f.some = min(gradParts, blocks), g.groups
		}
	}
	each := g.samples * rows * cols * taps * g.k * g.c // multiply-adds of a group
	for f.parts == 1 && f.some > 1 && f.some*each < gradJob && f.jobs() < 4*gradJobs*threads {
		f.some = ceil(f.some, 2)
	}
	for f.parts == 1 && f.jobs() < gradJobs*threads {
		if f.some > 1 {
			f.some = ceil(f.some, 2)
		} else if f.cb > 16 && f.cb >= f.kb {
			f.cb = roundUp(ceil(f.cb, 2), 8)
		} else if f.kb > 12 {
			f.kb = roundUp(ceil(f.kb, 2), 4)
		} else {
			break
		}
	}
	f.batch = max(1, f.parts/(gradJobs*2*threads))
	f.dyPitch = spreadOut(f.kb)
	f.pitch = f.cb
	if taps == 1 {
		f.pitch = spreadOut(f.cb)
	}
	f.cut(t)
	return f
}

// cut divides each filter row's taps into runs and these among tiles.
func (f *filterGrad) cut(t *tier) {
	n := f.cb // floats of a tap
	for _, k := range f.src.targets[0].taps {
		if i := len(f.runs) - 1; i >= 0 && f.runs[i].taps[0].r == k.r && f.dilation[1] == 1 {
			f.runs[i].taps = append(f.runs[i].taps, k)
		} else {
			f.runs = append(f.runs, run{taps: []tap{k}})
		}
	}
	for i := range f.runs {
		f.runs[i].tiles = coverOuter(t.outers, len(f.runs[i].taps)*n, f.kb)
		for _, o := range f.runs[i].tiles {
			f.floats += o.sums() * f.strips(o)
			f.turns += f.strips(o)
		}
	}
}

// strips is how often a tile runs for a job's filters.
func (f *filterGrad) strips(o outerPart) int {
	return ceil(f.kb, o.rows)
}

// coverOuter divides n floats among tiles such that k filters take the least time.
func coverOuter(tiles []outerTile, n, k int) []outerPart {
	unit := tiles[0].width
	for _, t := range tiles {
		unit = min(unit, t.width)
	}
	units := ceil(n, unit)
	best, took := make([]int, units+1), make([]int, units+1)
	for u := 1; u <= units; u++ {
		best[u] = -1
		for i, t := range tiles {
			c := best[max(0, u-t.width/unit)] + t.cost(k)
			if best[u] < 0 || c < best[u] {
				best[u], took[u] = c, i
			}
		}
	}
	var parts []outerPart
	for u, first := units, 0; u > 0; {
		t := &tiles[took[u]]
		parts = append(parts, outerPart{t, first})
		first += t.width
		u = max(0, u-t.width/unit)
	}
	return parts
}

// outerCost is how long n floats take for k filters.
func outerCost(tiles []outerTile, n, k int) (cost int) {
	for _, o := range coverOuter(tiles, n, k) {
		cost += o.cost(k)
	}
	return cost
}

func (f *filterGrad) jobs() int {
	return ceil(f.parts, f.batch) * ceil(f.groups, f.some) * ceil(f.k, f.kb) * ceil(f.c, f.cb)
}

// blocks is how many blocks of positions there are.
func (f *filterGrad) blocks() int {
	t := &f.src.targets[0]
	return ceil(f.samples, f.nb) * ceil(t.rows, f.rb) * ceil(t.cols, f.wb)
}

// corner returns a block's first sample, row and column.
func (f *filterGrad) corner(block int) [3]int {
	t := &f.src.targets[0]
	rows, cols := ceil(t.rows, f.rb), ceil(t.cols, f.wb)
	return [3]int{block / cols / rows * f.nb, block / cols % rows * f.rb, block % cols * f.wb}
}

// scratch is the floats of a panel of the source and of dy, and of its sums: a thread has two
// of each, for this turn and the next.
// Tiles may read beyond a panel.
func (f *filterGrad) scratch() (x, dy, sums int) {
	x = roundUp(f.nb*f.copied[0]*f.copied[1]*f.pitch, 16) + overread
	dy = roundUp(f.nb*f.rb*f.wb*f.dyPitch, 16) + overread
	return x, dy, roundUp(f.some*f.floats, 16)
}

// workspace is the scratch memory in bytes.
func (f *filterGrad) workspace(threads int) int64 {
	x, dy, sums := f.scratch()
	n := 2 * int64(threads) * int64(x+dy)
	if f.parts > 1 {
		return 4 * (n + int64(f.parts)*int64(sums))
	}
	return 4 * (n + int64(threads)*int64(sums))
}
