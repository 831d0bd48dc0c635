package cpu

const (
	// pixelGrain is about how many elements make a job of kernels that read and write each
	// element once.
	pixelGrain = 1 << 14
	// streamBytes is the size of an output of which little would be left in caches when it
	// is read.
	streamBytes = 16 << 20
	// wide is how many elements a row should have at least.
	wide = 128
)

// pixels walks over the pixels of boxes of one shape. The channels of a pixel lie side by
// side, and pixels that follow each other at one pitch in every view are a run. A run is
// handed out in rows of one pixel, or (see widen) of several.
type pixels struct {
	channels int
	copies   int           // pixels of a row
	width    int           // elements of a row
	pitch    [maxViews]int // of each view: elements from row to row
	dims     [3]int        // runs along the outer axes
	steps    [maxViews][3]int
	first    [maxViews]int // index of the first element
	run      int           // pixels of a run
	piece    int           // pixels of a run that are handed out together
	pieces   int           // of a run
	items    int           // pieces in all
	perJob   int
	jobs     int
}

// newPixels plans a walk in jobs of about grain elements; the views must have equal extents
// but for the channels, of which the first view's count.
func newPixels(grain int, vs ...*view) *pixels {
	n := vs[0].n
	p := &pixels{channels: n[1], copies: 1, width: n[1], run: 1, dims: [3]int{1, 1, 1}}
	axes := [3]int{0, 2, 3}
	last := 2
merge:
	for ; last >= 0; last-- {
		a := axes[last]
		if n[a] == 1 {
			continue
		}
		for i, v := range vs {
			if p.run == 1 {
				p.pitch[i] = v.st[a]
			} else if v.st[a] != p.run*p.pitch[i] {
				break merge
			}
		}
		p.run *= n[a]
	}
	p.items = 1
	for i := 0; i <= last; i++ {
		p.dims[i] = n[axes[i]]
		p.items *= p.dims[i]
		for k, v := range vs {
			p.steps[k][i] = v.st[axes[i]]
		}
	}
	for i, v := range vs {
		p.first[i] = v.at
	}
	p.divide(grain)
	return p
}

// divide cuts the runs into pieces and jobs.
func (p *pixels) divide(grain int) {
	runs := p.dims[0] * p.dims[1] * p.dims[2]
	p.piece = min(p.run, roundUp(ceil(p.run, ceil(p.run*p.channels, grain)), p.copies))
	p.pieces = ceil(p.run, p.piece)
	p.items = runs * p.pieces
	p.perJob = max(1, grain/(p.piece*p.channels))
	p.jobs = ceil(p.items, p.perJob)
}

// copiesFor returns how many pixels of so many channels make a row where nothing lies
// between them: vectors should be full, and rows not short.
func copiesFor(channels int) int {
	if channels >= wide {
		return 1
	}
	copies := 1
	for copies*channels%16 != 0 { // whole lines
		copies *= 2
	}
	return roundUp(wide, copies*channels) / channels
}

// rowWidth bounds the elements of a row of so many channels, in whole vectors.
func rowWidth(channels int) int { return roundUp(channels*copiesFor(channels), 8) }

// widen joins pixels to rows where nothing lies between them in any view. What belongs to
// channels is then needed once for each pixel of a row.
func (p *pixels) widen(grain int) *pixels {
	for _, pitch := range p.pitch {
		if pitch != 0 && pitch != p.channels {
			return p
		}
	}
	if p.run == 1 {
		return p
	}
	p.copies = copiesFor(p.channels)
	p.width *= p.copies
	for i := range p.pitch {
		p.pitch[i] *= p.copies
	}
	p.divide(grain)
	return p
}

// job calls f for the rows of a job: at is the index of the first element in each view.
// Pixels that do not fill a row come as one of fewer elements.
func (p *pixels) job(job int, f func(at [maxViews]int, rows, width int)) {
	for item := job * p.perJob; item < min((job+1)*p.perJob, p.items); item++ {
		run, skip := item/p.pieces, item%p.pieces*p.piece
		n := min(p.piece, p.run-skip)
		at := p.first
		for i := 2; i >= 0; i-- {
			if p.dims[i] > 1 {
				for v := range at {
					at[v] += run % p.dims[i] * p.steps[v][i]
				}
				run /= p.dims[i]
			}
		}
		rows := n / p.copies
		for v := range at {
			at[v] += skip / p.copies * p.pitch[v]
		}
		if rows > 0 {
			f(at, rows, p.width)
			for v := range at {
				at[v] += rows * p.pitch[v]
			}
		}
		if rest := n - rows*p.copies; rest > 0 {
			f(at, 1, rest*p.channels)
		}
	}
}

// values returns room for a value of each element of a row, in whole vectors.
func (p *pixels) values() []float32 { return make([]float32, roundUp(p.width, 8)) }

// fill sets to, of values, to the values of the channels.
func (p *pixels) fill(to []float32, value func(ch int) float32) {
	for ch := range p.channels {
		to[ch] = value(ch)
	}
	for n := p.channels; n < p.width; n *= 2 {
		copy(to[n:p.width], to[:n])
	}
}

// eachPixel returns a launch that runs before and then f for all rows, on all threads.
func (c *call) eachPixel(p *pixels, before func(), f func(at [maxViews]int, rows, width int)) func() error {
	pool := c.b.pool
	body := func(_, job int) { p.job(job, f) }
	return func() error {
		before()
		pool.run(p.jobs, body)
		return nil
	}
}

// channelOps returns the loops for an output and the inputs of its size.
func (c *call) channelOps(y *view, in ...*view) *channelOps {
	ops := &c.b.tier.rows
	for _, x := range in {
		if &x.f[x.at] == &y.f[y.at] { // its lines are in a cache already
			return &ops.channelOps
		}
	}
	if 4*y.n.Volume() >= streamBytes {
		return &ops.streamed
	}
	return &ops.channelOps
}
