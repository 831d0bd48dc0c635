package cpu

// directGradTile computes what some neighbouring positions of dy give the data gradient of a
// 3×3 convolution of stride 2 with one row and column of padding, in groups of one, two,
// four or eight channels, for vectors of channels that follow each other. Each position has
// two rows and columns of dx, in which it meets the position right of it and those below.
// Nothing is copied, and zeros are not multiplied.
type directGradTile struct {
	lanes     int
	per       int               // channels of a group
	positions int               // neighbours
	run       [2]directGradFunc // inside a row, at its right end
}

// directGradFunc runs a directGradTile.
//
// dy begins at the first position, dx at the first of its elements. There are rows rows of
// dy, one or two; they are dyRow floats apart, those of dx dxRow. The filters lie vector by
// vector, in it tap by tap in the order of dataGrad's targets, and in it channel by channel
// of the groups. Whether there is no column right of the positions depends on the function.
// If ahead is not zero the caches are asked for what the next row of positions takes.
//
// directGradReference is the same in Go.
type directGradFunc = func(w, dy []float32, rows, dyRow, dyCol int, dx []float32, dxRow, dxCol int, vectors, ahead int)

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
		if p.m == d.per && p.channels == d.per && p.groups*d.per%d.lanes == 0 && p.size[1] >= d.positions {
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

// gradRow computes what a row of dy gives, all of its channels.
func (b *bound) gradRow(n, row int) {
	d, size := b.directGrad, b.p.size
	vectors := b.p.groups * d.per / d.lanes
	rows := min(2, size[0]-row)
	ahead := 0
	if 4*(b.src.n.Volume()+b.out.n.Volume()) >= directBytes && row+2 < size[0] {
		ahead = 1
	}
	for col := 0; ; col += d.positions {
		col = min(col, size[1]-d.positions)
		last := col == size[1]-d.positions
		run := d.run[0]
		if last {
			run = d.run[1]
		}
		run(b.packs, b.src.f[b.src.pos(n, 0, row, col):], rows, b.src.st[2], b.src.st[3],
			b.out.f[b.out.pos(n, 0, 2*row, 2*col):], b.out.st[2], b.out.st[3], vectors, ahead)
		if last {
			return
		}
	}
}

// gradJob computes what some rows of dy give.
func (b *bound) gradJob(_, job int) {
	rows := b.p.size[0]
	blocks := ceil(rows, b.rows)
	n, first := job/blocks, job%blocks*b.rows
	for row := first; row < min(first+b.rows, rows); row++ {
		b.gradRow(n, row)
	}
}
