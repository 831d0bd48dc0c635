package cpu

// tap is one position of the filter: where it reads in the padded copy and which filter
// element it multiplies with.
type tap struct {
	phase        int // of the source
	down, across int // rows and columns within the phase
	r, s         int
}

// target is the positions of the output that take the same taps: all of them in a forward
// convolution; in a data gradient those of one remainder modulo the stride.
type target struct {
	taps       []tap
	rows, cols int // extents
	first      [2]int
	step       [2]int
}

// product is the geometry of packed rows × padded source: a convolution, its data
// gradient, or a product of two matrices. The source is copied channel block by channel
// block into planes in which every tap of every position of a block is at one fixed
// distance, so that the inner loop runs over columns across the ends of rows; the few
// columns between the rows of the output are computed and dropped. A strided source is
// copied into one plane for each remainder modulo the stride (phase).
type product struct {
	samples, groups int
	m               int    // rows of the packed operand in a group
	channels        int    // of the source in a group
	size            [2]int // rows and columns of the source
	margin          [2]int // zero rows above and columns on the left
	phases          [2]int
	targets         []target

	tile       tile
	mb         int // rows of a job
	cblock     int // channels copied at a time
	rb, cb     int // rows and columns of positions of a job
	rows, cols int // of positions, the largest target's
	copied     int // rows copied: rb and those that taps reach below
	width      int // of a copied row: cb and what taps reach beyond
	plane      int // floats from plane to plane
	ldc        int // floats from row to row of a job's results
}

const (
	depth  = 256       // about how many products are summed before a result is stored
	budget = 96 * 1024 // floats that a job's copy and results should take: a share of the second-level cache
)

// forward returns the product that is a convolution.
func (g *geometry) forward() *product {
	p := &product{samples: g.samples, groups: g.groups, m: g.k, channels: g.c, size: g.in, margin: g.before, phases: g.stride}
	t := target{rows: g.out[0], cols: g.out[1], step: [2]int{1, 1}}
	for r := range g.kernel[0] {
		for s := range g.kernel[1] {
			i, j := r*g.dilation[0], s*g.dilation[1]
			t.taps = append(t.taps, tap{i%g.stride[0]*g.stride[1] + j%g.stride[1], i / g.stride[0], j / g.stride[1], r, s})
		}
	}
	p.targets = []target{t}
	return p
}

// dataGrad returns the product that is a convolution's data gradient. Input row
// h = first + i·stride takes from output row i + (h + pad − r·dilation)/stride of every
// filter row r for which this is whole.
func (g *geometry) dataGrad() *product {
	p := &product{samples: g.samples, groups: g.groups, m: g.c, channels: g.k, size: g.out, phases: [2]int{1, 1}}
	reach := func(axis, first int) (rs []int, ds []int) {
		for r := range g.kernel[axis] {
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
					t.taps = append(t.taps, tap{0, down[i], across[j], r, s})
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

// matrix returns the product of m×channels with channels×columns, group by group.
func matrix(groups, m, channels, columns int) *product {
	return &product{
		samples: 1, groups: groups, m: m, channels: channels, size: [2]int{1, columns}, phases: [2]int{1, 1},
		targets: []target{{taps: []tap{{}}, rows: 1, cols: columns, step: [2]int{1, 1}}},
	}
}

// flatten turns planes into single rows where no tap needs to know their width.
func (p *product) flatten() {
	t := &p.targets[0]
	if len(p.targets) > 1 || len(t.taps) != 1 || t.taps[0].down+t.taps[0].across != 0 || p.phases != [2]int{1, 1} || p.margin != [2]int{} ||
		p.size != [2]int{t.rows, t.cols} {
		return
	}
	t.cols *= t.rows
	t.rows = 1
	p.size = [2]int{1, t.cols}
}

// block decides the sizes of jobs for a tier and a number of threads. None of the choices
// changes the order in which a result's products are summed but cblock, which depends on
// the shapes only.
func (p *product) block(t *tier, threads int) {
	down, across, taps := 0, 0, 1
	for _, t := range p.targets {
		p.rows, p.cols, taps = max(p.rows, t.rows), max(p.cols, t.cols), max(taps, len(t.taps))
		for _, k := range t.taps {
			down, across = max(down, k.down), max(across, k.across)
		}
	}
	p.tile = t.tileFor(p.m, p.rows*(p.cols+across))
	mr, nr := p.tile.mr, p.tile.nr
	p.cblock = min(p.channels, max(1, depth/taps))
	p.cblock = ceil(p.channels, ceil(p.channels, p.cblock))
	p.mb = min(roundUp(p.m, mr), max(mr, 192/mr*mr))
	perColumn := p.cblock*p.phases[0]*p.phases[1] + p.mb*len(p.targets)
	columns := min(max(budget/perColumn, 4*nr), 8192)
	if p.cols+across <= columns {
		p.cb, p.rb = p.cols, min(p.rows, columns/(p.cols+across))
	} else {
		p.cb, p.rb = max(nr, (columns-across)/nr*nr), 1
	}
	p.rb = ceil(p.rows, ceil(p.rows, p.rb))
shrink:
	for p.jobs() < 4*threads {
		switch {
		case p.rb > max(1, 2*down) && p.rb*p.cb > 4*nr:
			p.rb = ceil(p.rb, 2)
		case p.rb == 1 && p.cb > 4*nr:
			p.cb = roundUp(ceil(p.cb, 2), nr)
		case p.mb > 4*mr:
			p.mb = roundUp(ceil(p.mb, 2), mr)
		default:
			break shrink
		}
	}
	p.copied, p.width = p.rb+down, p.cb+across
	// Planes a multiple of a page apart would share cache sets: keep an odd number of lines.
	p.plane = (ceil(p.copied*p.width+padSlack, 16) | 1) * 16
	p.ldc = roundUp(p.rb*p.width, nr)
}

func (p *product) jobs() int {
	return p.samples * p.groups * ceil(p.m, p.mb) * ceil(p.rows, p.rb) * ceil(p.cols, p.cb)
}

// packedFloats is the size of a group's packed rows.
func (p *product) packedFloats() int {
	n := 0
	for _, t := range p.targets {
		n += len(t.taps)
	}
	return roundUp(p.m, p.tile.mr) * p.channels * n
}

// copyFloats is the size of a thread's padded copy: the last tile may read beyond it.
func (p *product) copyFloats() int {
	return roundUp(p.cblock*p.phases[0]*p.phases[1]*p.plane+p.tile.nr, 16)
}

// resultFloats is the size of a thread's results.
func (p *product) resultFloats() int { return roundUp(p.mb*p.ldc*len(p.targets), 16) }

// workspace is the scratch memory in bytes.
func (p *product) workspace(threads int) int64 {
	return 4 * (int64(roundUp(p.groups*p.packedFloats(), 16)) + int64(threads)*int64(p.copyFloats()+p.resultFloats()))
}
