package cpu

// dealtPanel is a copy of some rows of a source, with what lies beside it as zeros, vector by
// vector of its channels (see dealFunc).
type dealtPanel struct {
	tier   *tier
	per    int // channels of a group
	lanes  int
	width  int // columns
	vector int // floats from vector to vector
}

// line is the floats of a row of a vector.
func (p *dealtPanel) line() int { return p.width * p.lanes }

// clearColumns clears the columns left and right of a source of so many, in some rows of
// vectors. No other method writes them.
func (p *dealtPanel) clearColumns(to []float32, vectors, rows, left, columns int) {
	left = min(left, p.width)
	right := min(left+columns, p.width)
	for v := range vectors {
		for r := range rows {
			line := to[v*p.vector+r*p.line():][:p.line()]
			clear(line[:left*p.lanes])
			clear(line[right*p.lanes:])
		}
	}
}

// begin returns so many channels of some rows of a sample that are to be dealt, from a row and
// a channel on that may lie beside it; the source's first column is number left. What lies
// beside the sample is cleared.
func (p *dealtPanel) begin(to []float32, src *view, n, channel, channels, row, rows, left int) dealing {
	lo := min(max(0, -row), rows)
	hi := max(lo, min(rows, src.n[2]-row))
	for v := 0; v*p.lanes < channels; v++ {
		panel := to[v*p.vector:]
		clear(panel[:lo*p.line()])
		clear(panel[hi*p.line() : rows*p.line()])
	}
	cols := min(p.width-left, src.n[3])
	if lo == hi || cols <= 0 {
		return dealing{}
	}
	return p.tier.newDealing(p.per, to[lo*p.line()+left*p.lanes:], src.f[src.pos(n, channel, row+lo, 0):], hi-lo, cols, channels, p.line(), p.vector, src.st[2], src.st[3])
}
