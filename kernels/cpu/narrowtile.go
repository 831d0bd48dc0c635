package cpu

// narrowTile adds products of dy and x to the filter gradients of a vector of narrow groups:
// of taps rows of rows vectors of x with each channel of dy's groups, block of them at a time.
type narrowTile struct {
	per, block int // channels of a group; of those of dy, so many at a time
	taps, rows int
	stride     int // from position to position of x, in vectors; 0: any
	lanes      int
	dealt      bool // the lanes are in the order that a tier's deal gives them
	run        narrowFunc
}

// narrowFunc adds to sums the products of all positions, rows × cols of them, some floats
// apart in dy and in x, whose rows of taps are xTap floats apart. It does so for strips of the
// channels of dy's groups.
//
// With each position a vector, or stride of them, is dealt to a panel, if there is one: to, from,
// order and deal are those of a dealing.
//
// narrowReference is the same in Go.
type narrowFunc = func(dy, x []float32, strips, rows, cols, dyRow, dyCol, xRow, xCol, xTap int, sums, to, from []float32, order []int32, deal []int)

// sums is how many sums a tile has for all strips.
func (k *narrowTile) sums() int { return k.per * k.taps * k.rows * k.lanes }

// dealFunc copies positions of some rows, so many channels each, to vectors that are toVector
// floats apart: position by position, in rows that are toRow floats apart. Lanes beyond the
// last channel become zero. Where a tier deals groups of per channels, the first channels of a
// vector's groups come first, then their second.
type dealFunc = func(per int, to, from []float32, rows, cols, channels, toRow, toVector, fromRow, fromCol int)

// dealtVectors is how many vectors a dealFunc deals of each pixel. It panics if what it would
// read or write does not lie in the slices.
func dealtVectors(lanes int, to, from []float32, rows, cols, channels, toRow, toVector, fromRow, fromCol int) int {
	vectors := ceil(channels, lanes)
	_, _ = to[(vectors-1)*toVector+(rows-1)*toRow+cols*lanes-1], from[(rows-1)*fromRow+(cols-1)*fromCol+channels-1]
	return vectors
}

// dealGo deals to vectors of four lanes whose channels keep their order.
func dealGo(_ int, to, from []float32, rows, cols, channels, toRow, toVector, fromRow, fromCol int) {
	dealReference(4, 0, to, from, rows, cols, channels, toRow, toVector, fromRow, fromCol)
}

// dealReference is dealFunc for so many lanes; per is zero where channels keep their order.
func dealReference(lanes, per int, to, from []float32, rows, cols, channels, toRow, toVector, fromRow, fromCol int) {
	for i := range rows {
		for j := range cols {
			pixel := from[i*fromRow+j*fromCol:][:channels]
			for v := 0; v*lanes < channels; v++ {
				out, in := to[v*toVector+i*toRow+j*lanes:][:lanes], pixel[v*lanes:]
				if per == 0 {
					clear(out[copy(out, in):])
					continue
				}
				for l := range out {
					out[l] = 0
					if c := dealtChannel(lanes, per, l); c < len(in) {
						out[l] = in[c]
					}
				}
			}
		}
	}
}

// dealtChannel is the channel that lane l of a vector has.
func dealtChannel(lanes, per, l int) int {
	groups := lanes / per
	return l%groups*per + l/groups
}
