package cpu

// blocking is how a product is divided: which tiles, what is copied, what makes a job.
// None of it changes the order in which a result's products are summed but channels,
// which depends on shapes and the tier only.
type blocking struct {
	lanes      bool            // several groups share vectors: a bundle is what a group is otherwise
	per        int             // in lanes, channels of a group
	bundles    int             // groups, or vectors of them
	parts      []part          // a bundle's output channels
	width      int             // floats of all parts
	inPlace    bool            // the source is read where it is: no tap lies beside it
	channels   int             // of the source, in one pass over a job's outputs
	samples    int             // of a job, as all below
	rows       int             // of positions
	cols       int             // of positions
	some       int             // bundles
	few        int             // parts
	copied     [2]int          // rows and columns of the panel
	pitch      int             // floats from position to position of the panel
	direct     *directTile     // instead of the parts' tile; nil: none
	square     *squareTile     // for rows whose taps lie in the source
	directGrad *directGradTile // likewise
	planar     *planarTile     // likewise, from and to planes of the positions of a block
	batch      int             // blocks of positions that a job takes
	dealt      *dealtTile      // likewise, from a panel of one bundle; jobs are blocks of rows, some of them
}

const (
	enough      = 384         // positions for which filter elements are worth loading
	someJobs    = 4           // for each thread
	sumLength   = 1 << 10     // products that are added up one by one at most
	pageFloats  = 4 << 10 / 4 // of a page of memory, beyond which cores hardly fetch ahead
	nearBytes   = 80 << 10    // of pixels that all groups take in turn, and which then are still near,
	nearLeast   = 32          // positions at least
	inPlacePass = 64 << 10    // bytes of filter elements for which pixels that are not copied are read whole
)

// choose divides a product for a tier, a number of threads and caches. It is a function of
// its arguments alone.
func (p *product) choose(t *tier, threads int) blocking {
	panelFloats := t.caches.panel()
	down, across, rows, cols, taps := p.reach()
	b := blocking{batch: 1, bundles: p.groups, inPlace: !p.padded(), channels: p.channels}
	m, lanes := p.m, t.lanesTile.width
	if d := p.dealtTile(t); d != nil {
		return p.dealtBlocking(d, t, threads)
	}
	if d := p.direct(t); d != nil {
		return p.directBlocking(d, t)
	}
	if d := p.directGrad(t); d != nil {
		return p.gradBlocking(d)
	}
	if m == p.channels && p.groups > 1 && m <= t.spread && m&(m-1) == 0 {
		b.lanes, b.per, b.bundles, b.inPlace = true, m, ceil(p.groups*m, lanes), b.inPlace && m == 1 && t.whole(p.groups, lanes)
		b.parts = []part{{tile: &t.lanesTile, last: lanes}}
		b.width, b.pitch = lanes, m*lanes
	} else {
		b.parts = cover(t.tilesFor(p.m), p.m)
		if d := p.planarTile(t, b.parts); d != nil {
			if b, ok := p.planarBlocking(d, t, threads); ok {
				return b
			}
		}
		widest := 0
		for _, k := range b.parts {
			b.width += k.width
			widest = max(widest, k.width)
		}
		b.channels = p.passChannels(t, b.inPlace, widest, taps)
		b.pitch = b.channels
	}
	extent := func(positions, axis, reach int) int { return (positions-1)*p.stride[axis] + 1 + reach }
	// Rows and columns of positions whose source makes a panel.
	b.cols = cols
	if most := max(1, panelFloats/2/(b.pitch+b.width)); extent(cols, 1, across) > most && rows == 1 || extent(cols, 1, across) > 2*most {
		least := 16
		if b.inPlace && 4*p.channels*taps*b.width > t.caches.second/2 {
			least = enough
		}
		b.cols = even(cols, max(least, (most-1-across)/p.stride[1]+1))
	}
	// All groups of a 1×1 convolution take a block's pixels in turn.
	inTurn := b.inPlace && !b.lanes && b.bundles > 1 && taps == 1 && p.samples*rows == 1
	if inTurn {
		b.cols = min(b.cols, max(nearLeast, nearBytes/(4*p.groups*(p.channels+p.m))))
	}
	if rows == 1 {
		b.cols = min(cols, roundUp(b.cols, b.parts[0].positions)) // whole tiles
	}
	lines := panelFloats / (b.pitch * extent(b.cols, 1, across))
	b.rows = even(rows, max(1, (lines-1-down)/p.stride[0]+1))
	b.samples = 1
	if b.rows == rows && b.cols == cols {
		most := lines / extent(rows, 0, down)
		b.samples = even(p.samples, max(1, min(most, ceil(enough, rows*cols))))
	}
	b.some, b.few = b.bundles, len(b.parts)
	jobs := func() int {
		return ceil(p.samples, b.samples) * ceil(rows, b.rows) * ceil(cols, b.cols) * ceil(b.bundles, b.some) * ceil(len(b.parts), b.few)
	}
	for jobs() < someJobs*threads {
		switch {
		case b.some > 1:
			b.some = ceil(b.some, 2)
		case b.samples > 1:
			b.samples = ceil(b.samples, 2)
		case b.rows*b.cols > 4*enough && b.rows > 1:
			b.rows = ceil(b.rows, 2)
		case b.rows == 1 && b.cols > enough/2:
			b.cols = roundUp(ceil(b.cols, 2), b.parts[0].positions)
		case b.few > 1:
			b.few = ceil(b.few, 2)
		default:
			b.copied = [2]int{extent(b.rows, 0, down), extent(b.cols, 1, across)}
			return b
		}
	}
	if inTurn && b.some == b.bundles {
		b.batch = ceil(ceil(cols, b.cols), 2*someJobs*threads)
	}
	b.copied = [2]int{extent(b.rows, 0, down), extent(b.cols, 1, across)}
	return b
}

// passChannels returns the source's channels of a pass over so many taps with tiles that are
// so wide at most.
func (p *product) passChannels(t *tier, inPlace bool, widest, taps int) int {
	steps := p.channels * taps
	bytes := t.caches.pass(t.asks && widest > t.lanes)
	if inPlace && 4*steps*widest <= inPlacePass {
		bytes = max(bytes, inPlacePass)
	}
	most := min(bytes/4/widest, sumLength)
	if steps <= most {
		return p.channels
	}
	return roundUp(ceil(p.channels, ceil(steps, most)), 4)
}

// even returns the size of about equal parts of n that are at most so large.
func even(n, most int) int { return ceil(n, ceil(n, most)) }

// rowBlock returns a block's sample, its first row and its rows where each sample's rows make
// blocks of a size.
func rowBlock(block, rows, size int) (n, first, count int) {
	perSample := ceil(rows, size)
	first = block % perSample * size
	return block / perSample, first, min(size, rows-first)
}

// jobs is how many jobs there are.
func (p *product) jobs(b *blocking) int {
	_, _, rows, cols, _ := p.reach()
	switch {
	case b.dealt != nil:
		return ceil(p.samples*ceil(rows, b.rows), b.some)
	case b.planar != nil:
		return ceil(p.planarBlocks(b), b.batch) * ceil(b.bundles, b.some)
	}
	blocks := ceil(p.samples, b.samples) * ceil(rows, b.rows) * ceil(cols, b.cols)
	return ceil(blocks, max(1, b.batch)) * ceil(b.bundles, b.some) * max(1, ceil(len(b.parts), b.few))
}

// panel is the floats of a thread's panel.
func (b *blocking) panel() int {
	switch {
	case b.dealt != nil:
		return roundUp(2*b.pitch, pageFloats) + pageFloats // no core fetches lines ahead from another's panel
	case b.planar != nil:
		return b.some * (b.channels*b.pitch + b.width*b.yPlane())
	case b.inPlace:
		return 0
	}
	return roundUp(b.samples*b.copied[0]*b.copied[1]*b.pitch+panelSlack+1, 16)
}

// packed is the floats of a bundle's packed filters.
func (p *product) packed(b *blocking) int { return p.terms() * b.width }

// workspace is a product's scratch memory in bytes: packed filters, the values that sums
// begin with, and a panel for each thread.
func (p *product) workspace(b *blocking, threads int) int64 {
	return 4 * (int64(roundUp(b.bundles*(p.packed(b)+b.width), 16)) + int64(threads)*int64(b.panel()))
}
