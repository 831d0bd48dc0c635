package cpu

// directTile computes some neighbouring outputs of a row of a 3×3 convolution in groups of
// one, two, four or eight channels, for vectors of channels that follow each other. The
// source is read where it is; columns and rows beside it are left out.
type directTile struct {
	lanes   int
	per     int           // channels of a group
	stride  int           // of rows and columns
	outputs int           // neighbours
	run     [4]directFunc // inside a row, at its left end, at its right end, at both
}

// directFunc runs a directTile.
//
// x begins at the first column that is read in the first of rows rows, which are xRow
// floats apart; its columns are xCol floats apart, y's yCol. The filters lie vector by
// vector, in it tap by tap from the first row on, and in it channel by channel of the
// groups. Sums begin with start, one value for each channel; outputs are no less than low.
// Whether the first or the last of the columns lies beside x, and is left out, depends on
// the function. Where yRow is not zero the caches are asked for what the next row of
// outputs takes: the rows of x below, and y yRow floats on.
//
// directReference is the same in Go.
type directFunc = func(w, x []float32, rows, xRow, xCol int, y []float32, yRow, yCol int, start []float32, vectors int, low float32)

// columns is how many columns of the source the outputs take.
func (d *directTile) columns() int { return d.stride*(d.outputs-1) + 3 }

const (
	leftEnd  = 1
	rightEnd = 2

	directRows  = 8        // of outputs, about, make a job
	directBytes = 16 << 20 // of source and outputs that no cache is expected to hold
)

// direct returns the tile that can read a product's source where it is, if there is one.
func (p *product) direct(t *tier) *directTile {
	for i := range t.direct {
		d := &t.direct[i]
		if p.m == d.per && p.channels == d.per && p.groups*d.per%d.lanes == 0 && p.stride == [2]int{d.stride, d.stride} && p.small(d.outputs) {
			return d
		}
	}
	return nil
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

// row computes a row of outputs, all of its channels.
func (b *bound) row(n, row int) {
	t, d := &b.p.targets[0], b.direct
	top := row*d.stride - b.p.margin[0]
	lo, hi := max(0, -top), min(3, b.p.size[0]-top)
	w, vectors := b.packs[lo*3*d.per*d.lanes:], b.p.groups*d.per/d.lanes
	ahead := b.out.st[2]
	if 4*(b.src.n.Volume()+b.out.n.Volume()) < directBytes {
		ahead = 0
	}
	for col := 0; ; col += d.outputs {
		col = min(col, t.cols-d.outputs)
		left := col*d.stride - b.p.margin[1]
		ends := 0
		if left < 0 {
			ends |= leftEnd
		}
		if left+d.columns() > b.p.size[1] {
			ends |= rightEnd
		}
		x := b.src.f[b.src.pos(n, 0, top+lo, max(left, 0)):]
		d.run[ends](w, x, hi-lo, b.src.st[2], b.src.st[3], b.out.f[b.out.pos(n, 0, row, col):], ahead, b.out.st[3], b.starts, vectors, b.low)
		if col == t.cols-d.outputs {
			return
		}
	}
}

// directJob computes some rows of outputs.
func (b *bound) directJob(_, job int) {
	rows := b.p.targets[0].rows
	blocks := ceil(rows, b.rows)
	n, first := job/blocks, job%blocks*b.rows
	for row := first; row < min(first+b.rows, rows); row++ {
		b.row(n, row)
	}
}
