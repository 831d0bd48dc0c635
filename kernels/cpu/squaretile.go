package cpu

// squareTile computes some neighbouring outputs of some rows of a depthwise 3×3 convolution with
// stride 1, for vectors of channels that follow each other. A directTile reads each row of the
// source for three rows of outputs; this one for fewer, and its filters are read once for all
// its outputs.
type squareTile struct {
	lanes   int
	rows    int
	outputs int  // of each
	cached  bool // for sources and outputs that caches hold
	run     squareFunc
}

// squareFunc runs a squareTile: as a directFunc does for each of its rows, which are yRow floats
// apart in y and have all their taps in x.
//
// squareReference is the same in Go.
type squareFunc = func(w, x []float32, xRow, xCol int, y []float32, yRow, yCol int, start []float32, units, ends int, low float32)

// squareTile returns the tile for a product that a directTile computes, if there is one: it
// should not compute much twice.
func (p *product) squareTile(t *tier, d *directTile) *squareTile {
	k := &p.targets[0]
	cached := 4*p.samples*p.groups*(p.size[0]*p.size[1]+k.rows*k.cols) < directBytes
	for i := range t.squares {
		q := &t.squares[i]
		if d.per == 1 && d.stride == 1 && d.lanes == q.lanes && cached == q.cached && k.rows >= q.rows+2 && roundUp(k.cols, q.outputs) <= k.cols*9/8 {
			return q
		}
	}
	return nil
}

// squares computes some rows of outputs, all of whose taps lie in the source.
func (b *bound) squares(n, row int) {
	t, q := &b.p.targets[0], b.square
	for i := range ceil(t.cols, q.outputs) {
		col := min(i*q.outputs, t.cols-q.outputs)
		left := col - b.p.margin[1]
		ends := b.ends(left, q.outputs+2)
		x := b.src.f[b.src.pos(n, 0, row-b.p.margin[0], max(left, 0)):]
		y := b.out.f[b.out.pos(n, 0, row, col):]
		q.run(b.packs, x, b.src.st[2], b.src.st[3], y, b.out.st[2], b.out.st[3], b.starts, b.bundles, ends, b.low)
	}
}
