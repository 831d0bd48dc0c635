package cpu

// tap is one position of the filter: where it reads, in rows and columns from a position's
// corner in the padded source, and which filter element it multiplies with.
type tap struct{ down, across, r, s int }

// target is the positions of the output that take the same taps: all of them in a forward
// convolution; in a data gradient those of one remainder modulo the stride.
type target struct {
	taps       []tap // in the order of their distance
	rows, cols int   // extents
	first      [2]int
	step       [2]int
}

// extent is the target's rows or columns.
func (t *target) extent(axis int) int { return []int{t.rows, t.cols}[axis] }

// product is the geometry of filters × source: of a convolution or its data gradient.
// Position (i, j) of a target takes source rows i·stride − margin + down.
type product struct {
	samples, groups int
	m               int    // output channels of a group
	channels        int    // of the source in a group
	size            [2]int // rows and columns of the source
	margin          [2]int // zero rows above and columns on the left
	stride          [2]int // of the source from position to position
	targets         []target
}

// forward returns the product that is a convolution.
func (g *geometry) forward() *product {
	p := &product{samples: g.samples, groups: g.groups, m: g.k, channels: g.c, size: g.in, margin: g.before, stride: g.stride}
	t := target{rows: g.out[0], cols: g.out[1], step: [2]int{1, 1}}
	for r := range g.kernel[0] {
		for s := range g.kernel[1] {
			t.taps = append(t.taps, tap{r * g.dilation[0], s * g.dilation[1], r, s})
		}
	}
	p.targets = []target{t}
	return p
}

// dataGrad returns the product that is a convolution's data gradient. Input row
// h = first + i·stride takes from output row i + (h + pad − r·dilation)/stride of every
// filter row r for which this is whole.
func (g *geometry) dataGrad() *product {
	p := &product{samples: g.samples, groups: g.groups, m: g.c, channels: g.k, size: g.out, stride: [2]int{1, 1}}
	reach := func(axis, first int) (rs []int, ds []int) {
		for r := g.kernel[axis] - 1; r >= 0; r-- { // the distance grows
			d := first + g.before[axis] - r*g.dilation[axis]
			if d%g.stride[axis] == 0 {
				rs, ds = append(rs, r), append(ds, d/g.stride[axis])
				p.margin[axis] = max(p.margin[axis], -d/g.stride[axis])
			}
		}
		return rs, ds
	}
	for h := range min(g.stride[0], g.in[0]) {
		rs, down := reach(0, h)
		for w := range min(g.stride[1], g.in[1]) {
			ss, across := reach(1, w)
			t := target{rows: ceil(g.in[0]-h, g.stride[0]), cols: ceil(g.in[1]-w, g.stride[1]), first: [2]int{h, w}, step: g.stride}
			for i, r := range rs {
				for j, s := range ss {
					t.taps = append(t.taps, tap{down[i], across[j], r, s})
				}
			}
			p.targets = append(p.targets, t)
		}
	}
	for _, t := range p.targets {
		for i := range t.taps {
			t.taps[i].down += p.margin[0]
			t.taps[i].across += p.margin[1]
		}
	}
	return p
}

// terms is how many products all targets together have for an output channel of a group.
func (p *product) terms() (n int) {
	for _, t := range p.targets {
		n += len(t.taps) * p.channels
	}
	return n
}

// elements is how many the filters have.
func (p *product) elements() int { return p.groups * p.m * p.terms() }

// reach returns the most rows and columns that taps reach beyond a position's corner, the
// most rows and columns of positions and the most taps.
func (p *product) reach() (down, across, rows, cols, taps int) {
	for _, t := range p.targets {
		rows, cols, taps = max(rows, t.rows), max(cols, t.cols), max(taps, len(t.taps))
		for _, k := range t.taps {
			down, across = max(down, k.down), max(across, k.across)
		}
	}
	return
}

// taking returns the first of n positions from i on, and the first behind them, whose taps at
// some distances along an axis, the first to the last, lie in the source: those of one at least.
func (p *product) taking(axis, first, last, i, n int) (from, to int) {
	stride, beside := p.stride[axis], p.margin[axis]-i*p.stride[axis]
	from = max(0, ceil(beside-last, stride))
	to = min(n, ceil(p.size[axis]+beside-first, stride))
	return from, to
}

// padded reports whether any tap of any position lies beside the source.
func (p *product) padded() bool {
	if p.margin != [2]int{} {
		return true
	}
	for _, t := range p.targets {
		for _, k := range t.taps {
			if (t.rows-1)*p.stride[0]+k.down >= p.size[0] || (t.cols-1)*p.stride[1]+k.across >= p.size[1] {
				return true
			}
		}
	}
	return false
}

// flattened returns the geometry of a 1×1 convolution with all positions in one row, and
// views of x and y like it, if the positions of both lie evenly apart.
func (g geometry) flattened(x, y view) (geometry, view, view, bool) {
	if !g.pointwise() {
		return g, x, y, false
	}
	step, n := [2]int{}, 1 // from position to position in x and y, positions so far
	for _, a := range []int{3, 2, 0} {
		if x.n[a] == 1 {
			continue
		}
		if n == 1 {
			step = [2]int{x.st[a], y.st[a]}
		} else if x.st[a] != n*step[0] || y.st[a] != n*step[1] {
			return g, x, y, false
		}
		n *= x.n[a]
	}
	row := func(v view, step int) view {
		v.n, v.st = [4]int{1, v.n[1], 1, n}, [4]int{0, v.st[1], 0, step}
		return v
	}
	g.samples, g.in, g.out = 1, [2]int{1, n}, [2]int{1, n}
	return g, row(x, step[0]), row(y, step[1]), true
}
