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
}

// copy copies rows × width positions of each phase of count channels from first of sample
// n and group g; row and col are the position of the block's corner in the phase.
func (p *padded) copy(to []float32, n, g, first, count, row, col, rows, width int) {
	for ch := range count {
		for ph := range p.phases[0] {
			for pw := range p.phases[1] {
				plane := to[((ch*p.phases[0]+ph)*p.phases[1]+pw)*p.plane:]
				// Column j of the copy is column at + j·phases of the source.
				at := col*p.phases[1] + pw - p.margin[1]
				step := p.phases[1]
				lo := min(width, max(0, ceil(-at, step)))
				if at >= 0 {
					lo = 0
				}
				hi := width
				if at+(width-1)*step >= p.size[1] {
					hi = max(lo, ceil(p.size[1]-at, step))
				}
				if at >= p.size[1] {
					hi = lo
				}
				for i := range rows {
					dst := plane[i*width:][:width]
					h := (row+i)*p.phases[0] + ph - p.margin[0]
					if h < 0 || h >= p.size[0] || lo >= hi {
						clear(dst)
						continue
					}
					for j := range lo { // padding is narrow: a loop costs less than clear
						dst[j] = 0
					}
					src := p.src.f[p.src.pos(n, first+ch, h, at+lo*step)+g*p.group:]
					if gap := step * p.src.st[3]; gap == 1 {
						copy(dst[lo:hi], src)
					} else {
						for j := range dst[lo:hi] {
							dst[lo+j] = src[j*gap]
						}
					}
					for j := hi; j < width; j++ {
						dst[j] = 0
					}
				}
			}
		}
	}
}
