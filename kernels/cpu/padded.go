package cpu

// padded copies blocks of planes with their padding, each phase of a strided source into
// a plane of its own.
type padded struct {
	src    *view // of all groups
	group  int   // elements from group to group
	phases [2]int
	margin [2]int // zero rows above and columns on the left
	size   [2]int // rows and columns of the source
	plane  int    // floats from plane to plane
	ops    *rowOps
}

// inside returns which of count rows or columns of a phase, from position first on, lie in
// the source, and the index there of the first that does.
func (p *padded) inside(axis, phase, first, count int) (lo, hi, at int) {
	step := p.phases[axis]
	at = first*step + phase - p.margin[axis]
	if at < 0 {
		lo = min(count, ceil(-at, step))
	}
	if p.size[axis] > at {
		hi = min(count, ceil(p.size[axis]-at, step))
	}
	return lo, max(lo, hi), at + lo*step
}

// copy copies rows × width positions of each phase of count channels from first of sample
// n and group g; row and col are the position of the block's corner in the phase. Up to
// padSlack floats behind each plane may change.
func (p *padded) copy(to []float32, n, g, first, count, row, col, rows, width int) {
	for ph := range p.phases[0] {
		top, bottom, h := p.inside(0, ph, row, rows)
		for pw := range p.phases[1] {
			lo, hi, w := p.inside(1, pw, col, width)
			for ch := range count {
				plane := to[((ch*p.phases[0]+ph)*p.phases[1]+pw)*p.plane:]
				if lo == hi || top == bottom {
					clear(plane[:rows*width])
					continue
				}
				clear(plane[:top*width])
				p.ops.padRows(plane[top*width:], p.src.f[p.src.pos(n, first+ch, h, w)+g*p.group:],
					bottom-top, width, lo, hi-lo, p.phases[0]*p.src.st[2], p.phases[1]*p.src.st[3])
				clear(plane[bottom*width : rows*width])
			}
		}
	}
}
