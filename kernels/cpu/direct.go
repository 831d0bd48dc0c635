package cpu

// directTile computes some neighbouring outputs of a row of a 3×3 convolution, for units of
// channels that follow each other: a unit is a vector of the channels of narrow groups (of one,
// two, four or eight), or some vectors of the output channels of one group. The source is
// read where it is; columns and rows beside it are left out.
type directTile struct {
	lanes   int
	per     int // channels of a narrow group; 0: any group whose output channels fill units
	vectors int // of a unit
	stride  int // of rows and columns
	outputs int // neighbours
	run     directFunc
}

// directFunc runs a directTile.
//
// x begins at the first column that is read in the first of rows rows, which are xRow
// floats apart; its columns are xCol floats apart, y's yCol, and the channels of units xUnit.
// A group of no narrow ones has so many channels, a multiple of wideStep. The filters lie unit
// by unit, in it row by row from the first row on, in it channel by channel of the groups,
// and in it tap by tap. Sums begin with start, one value for each channel; outputs are no
// less than low. Of ends, leftEnd is set if the first of the columns lies beside x, rightEnd
// if the last does; they are left out. Where yRow is not zero the caches are asked for what
// the next row of outputs takes: the rows of x below, and y yRow floats on.
//
// directReference is the same in Go.
type directFunc = func(w, x []float32, rows, xRow, xCol, xUnit, channels int, y []float32, yRow, yCol int, start []float32, units, ends int, low float32)

// columns is how many columns of the source the outputs take.
func (d *directTile) columns() int { return d.stride*(d.outputs-1) + 3 }

// width is the channels of a unit.
func (d *directTile) width() int { return d.lanes * d.vectors }

const (
	leftEnd  = 1
	rightEnd = 2

	wideStep    = 4        // divides the channels of a group that is not narrow
	directBytes = 16 << 20 // of source and outputs that no cache is expected to hold
	directRows  = 8        // of outputs, about, make a job
)

// direct returns the tile that can read a product's source where it is and takes the least
// time, if there is one.
func (p *product) direct(t *tier) *directTile {
	var best *directTile
	var least int
	for i := range t.direct {
		d := &t.direct[i]
		if p.stride != [2]int{d.stride, d.stride} || !p.small(d.outputs) {
			continue
		}
		if d.per > 0 && (p.m != d.per || p.channels != d.per || p.groups*d.per%d.lanes != 0) {
			continue
		}
		if d.per == 0 && (p.m%d.width() != 0 || p.channels%wideStep != 0 || 9*p.channels > sumLength) {
			continue
		}
		if c := d.cost(p.targets[0].cols); best == nil || c < least {
			best, least = d, c
		}
	}
	return best
}

// cost is about how long a row of so many outputs takes for a channel of the source, in
// 48ths of a cycle a vector: two multiply-adds in a cycle, of which picks from narrow groups take
// the place.
func (d *directTile) cost(cols int) int {
	work := 3 * d.outputs * d.vectors
	if d.per > 1 && d.per < d.lanes {
		work += d.columns()
	}
	return ceil(cols, d.outputs) * 24 * (work + 6) / d.vectors
}

// small reports whether a product is a 3×3 convolution, rows of that many outputs at least,
// and no more than one column or row of the source's padding on each side.
func (p *product) small(outputs int) bool {
	if len(p.targets) != 1 {
		return false
	}
	k := &p.targets[0]
	if k.step != [2]int{1, 1} || len(k.taps) != 9 || k.cols < outputs {
		return false
	}
	for axis, n := range []int{k.rows, k.cols} {
		if p.margin[axis] > 1 || (n-1)*p.stride[axis]+2-p.margin[axis] > p.size[axis] {
			return false
		}
	}
	for i, tap := range k.taps {
		if tap.down != i/3 || tap.across != i%3 {
			return false
		}
	}
	return true
}

// directBlocking divides a product for a direct tile: jobs are rows of outputs.
func (p *product) directBlocking(d *directTile, t *tier) blocking {
	b := p.unitBlocking(d.per, d.lanes)
	b.direct, b.rows, b.cols = d, even(p.targets[0].rows, directRows), p.targets[0].cols
	b.square = p.squareTile(t, d)
	return b
}

// unitBlocking divides a product's channels into units: vectors of narrow groups of per
// channels, or parts of a group if per is 0.
func (p *product) unitBlocking(per, lanes int) blocking {
	b := blocking{inPlace: true, channels: p.channels, bundles: p.groups, width: p.m, samples: 1, few: 1}
	if per > 0 {
		b.lanes, b.per, b.bundles, b.width = true, per, p.groups*per/lanes, lanes
	}
	b.some = b.bundles
	return b
}

// units returns how many calls of how many units of a width take all channels, and how far
// apart the units' channels of the source are.
func (b *bound) units(width int) (calls, units, step int) {
	inGroup := b.width / width
	switch {
	case b.lanes:
		return 1, b.bundles, width
	case inGroup > 1:
		return b.bundles, inGroup, 0
	}
	return 1, b.bundles, b.p.channels
}

// prepareDirect packs a bundle's filters and what its sums begin with.
func (b *bound) prepareDirect(_, bundle int) {
	for i, tap := range b.p.targets[0].taps {
		b.packUnits(bundle, b.direct.width(), i/3*3*b.p.channels+i%3, 3, tap.r, tap.s)
	}
	b.begin(bundle*b.width, b.width, b.width, func(i int) int { return bundle*b.width + i })
	for lane, unit := 0, 9*b.p.channels; lane < b.width; lane += b.direct.width() {
		b.scaled(b.packs[bundle*b.size+lane*unit:][:unit*b.direct.width()], bundle*b.width+lane, b.direct.width())
	}
}

// packUnits packs the elements of one tap of a bundle's filters, in units of a width: those
// of the source's channels pitch times a unit's width apart, from the first-th on.
func (b *bound) packUnits(bundle, width, first, pitch, r, s int) {
	o, channels := &b.filters, b.p.channels
	rows := min(b.p.m, width) // of a group in a unit
	for ch := bundle * b.width; ch < (bundle+1)*b.width; ch += rows {
		to := b.packs[ch/width*9*channels*width+first*width+ch%width:]
		from := o.f[o.at+ch/b.p.m*o.group+ch%b.p.m*o.row+r*o.r+s*o.s:]
		switch {
		case rows%8 != 0:
			o.copy(to, from, rows, channels, pitch*width)
		case o.row == 1:
			b.ops.copyPanel(to, from, 1, channels, rows, 0, pitch*width, 0, o.channel)
		case o.channel == 1:
			b.ops.transpose(words(to), words(from), rows, channels, pitch*width, o.row)
		default:
			o.copy(to, from, rows, channels, pitch*width)
		}
	}
}

// row computes a row of outputs, all of its channels.
func (b *bound) row(n, row int) {
	t, d := &b.p.targets[0], b.direct
	top := row*d.stride - b.p.margin[0]
	lo, hi := max(0, -top), min(3, b.p.size[0]-top)
	calls, units, step := b.units(d.width())
	ahead := b.out.st[2]
	if step == 0 || 4*(b.src.n.Volume()+b.out.n.Volume()) < directBytes {
		ahead = 0 // units of one group read its lines in a row
	}
	w := b.packs[lo*3*b.p.channels*d.width():]
	for part := range ceil(t.cols, d.outputs) {
		col := min(part*d.outputs, t.cols-d.outputs)
		left := col*d.stride - b.p.margin[1]
		ends := b.ends(left, d.columns())
		for i := range calls {
			x := b.src.f[b.src.pos(n, i*b.p.channels, top+lo, max(left, 0)):]
			y := b.out.f[b.out.pos(n, i*b.width, row, col):]
			d.run(w[i*b.size:], x, hi-lo, b.src.st[2], b.src.st[3], step, b.p.channels, y, ahead, b.out.st[3], b.starts[i*b.width:], units, ends, b.low)
		}
	}
}

// ends says which of so many columns of the source lie beside it.
func (b *bound) ends(left, columns int) (ends int) {
	if left < 0 {
		ends |= leftEnd
	}
	if left+columns > b.p.size[1] {
		ends |= rightEnd
	}
	return ends
}

// directJob computes some rows of outputs: several at a time where there is a tile for it and
// their taps lie in the source.
func (b *bound) directJob(_, job int) {
	n, first, count := rowBlock(job, b.p.targets[0].rows, b.rows)
	end := first + count
	for row := first; row < end; {
		if q := b.square; q != nil {
			lo, hi := max(first, b.p.margin[0]), min(end, b.p.size[0]-2+b.p.margin[0]) // whose taps do
			if at := min(row, hi-q.rows); row >= lo && row < hi && at >= lo {
				b.squares(n, at)
				row = at + q.rows
				continue
			}
		}
		b.row(n, row)
		row++
	}
	b.finished([3]int{n, first, 0}, [3]int{1, count, b.cols}, 0, b.out.n[1])
}
