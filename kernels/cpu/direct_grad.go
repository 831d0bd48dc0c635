package cpu

// directGradTile computes what some neighbouring positions of dy give the data gradient of a
// 3×3 convolution of stride 2 with one row and column of padding, for units of channels that
// follow each other: a unit is a vector of the channels of narrow groups, of one, two, four
// or eight, or of one group. Each position has two rows and columns of dx, in which it meets
// the position right of it and those below. Nothing is copied, and zeros are not multiplied.
type directGradTile struct {
	lanes     int
	per       int // channels of a narrow group; 0: any group whose channels of dx fill units
	positions int // neighbours
	run       directGradFunc
}

// directGradFunc runs a directGradTile.
//
// dy begins at the first position, dx at the first of its elements. There are rows rows of
// dy, one or two; they are dyRow floats apart, those of dx dxRow, the channels of units dyUnit.
// A group of no narrow ones has so many channels of dy, a multiple of wideStep. The filters lie unit
// by unit, in it channel by channel of the groups, and in it tap by tap in the order of
// gradTaps. Of ends, rightEnd is set if there is no column right of the positions.
//
// directGradReference is the same in Go.
type directGradFunc = func(w, dy []float32, rows, dyRow, dyCol, dyUnit, channels int, dx []float32, dxRow, dxCol int, units, ends int)

// gradTaps are the filter elements that a directGradTile multiplies with, in the order in which
// dataGrad's four targets have them, with the row and column of dx and of dy.
var gradTaps = [9]struct{ r, s, row, col, down, across int }{
	{1, 1, 0, 0, 0, 0},
	{1, 2, 0, 1, 0, 0}, {1, 0, 0, 1, 0, 1},
	{2, 1, 1, 0, 0, 0}, {0, 1, 1, 0, 1, 0},
	{2, 2, 1, 1, 0, 0}, {2, 0, 1, 1, 0, 1}, {0, 2, 1, 1, 1, 0}, {0, 0, 1, 1, 1, 1},
}

// directGrad returns the tile that can compute a product that is a data gradient, if there
// is one: dx has exactly two rows and columns for each of dy.
func (p *product) directGrad(t *tier) *directGradTile {
	if !p.doubles() {
		return nil
	}
	for i := range t.directGrads {
		d := &t.directGrads[i]
		if p.size[1] < d.positions {
			continue
		}
		if d.per > 0 && p.m == d.per && p.channels == d.per && p.groups*d.per%d.lanes == 0 ||
			d.per == 0 && p.m%d.lanes == 0 && p.channels%wideStep == 0 && 9*p.channels <= sumLength {
			return d
		}
	}
	return nil
}

// doubles reports whether a product's targets are those of gradTaps.
func (p *product) doubles() bool {
	if len(p.targets) != 4 || p.margin != [2]int{} {
		return false
	}
	taps := gradTaps[:]
	for i, t := range p.targets {
		if t.step != [2]int{2, 2} || t.first != [2]int{i / 2, i % 2} || [2]int{t.rows, t.cols} != p.size {
			return false
		}
		for _, k := range t.taps {
			if len(taps) == 0 || k != (tap{taps[0].down, taps[0].across, taps[0].r, taps[0].s}) || taps[0].row*2+taps[0].col != i {
				return false
			}
			taps = taps[1:]
		}
	}
	return len(taps) == 0
}

// gradBlocking divides a product for a directGradTile: jobs are rows of dy.
func (p *product) gradBlocking(d *directGradTile) blocking {
	b := p.unitBlocking(d.per, d.lanes)
	b.directGrad, b.rows, b.cols = d, even(p.size[0], directRows), p.size[1]
	return b
}

// prepareGrad packs a bundle's filters.
func (b *bound) prepareGrad(_, bundle int) {
	for i, tap := range gradTaps {
		b.packUnits(bundle, b.directGrad.lanes, i, 9, tap.r, tap.s)
	}
}

// gradRow computes what a row of dy gives, all of its channels.
func (b *bound) gradRow(n, row int) {
	d, size := b.directGrad, b.p.size
	rows := min(2, size[0]-row)
	calls, units, step := b.units(d.lanes)
	for part := range ceil(size[1], d.positions) {
		col, ends := min(part*d.positions, size[1]-d.positions), 0
		if col == size[1]-d.positions {
			ends = rightEnd
		}
		for i := range calls {
			d.run(b.packs[i*b.size:], b.src.f[b.src.pos(n, i*b.p.channels, row, col):], rows, b.src.st[2], b.src.st[3], step, b.p.channels,
				b.out.f[b.out.pos(n, i*b.width, 2*row, 2*col):], b.out.st[2], b.out.st[3], units, ends)
		}
	}
}

// gradJob computes what some rows of dy give.
func (b *bound) gradJob(_, job int) {
	n, first, count := rowBlock(job, b.p.size[0], b.rows)
	for row := first; row < first+count; row++ {
		b.gradRow(n, row)
	}
	b.finished([3]int{n, first, 0}, [3]int{1, count, b.cols}, 0, b.out.n[1])
}
