package cpu

// A tile computes the outputs of some positions × channels; its sums stay in registers. Its
// x is float by float (each is multiplied with a vector of filter elements, one for each
// output channel) or, in lanes, vector by vector (each lane's channel has filter elements
// of its own, as in narrow groups and depthwise convolutions).
type tile struct {
	positions int
	width     int // output channels
	vector    int // lanes of its vectors
	run       tileFunc
}

// tileFunc runs a tile once for each `positions` elements of at and to.
//
// Position p's x begins at x[at[p]], its outputs are y[to[p]] and those behind it. The
// steps are the elements of runs: triples of first and end, relative to at[p], and of the
// step in w, where filter elements lie step by step, that the first takes. Sums begin with
// start, one value for each channel, or if it is empty are added to what y holds, which is
// read before any of the tile's outputs is written; outputs are no less than low. Of the last
// vector's lanes only last are read and written. With each step the caches are asked for what lies
// at next, and next moves step bytes on.
//
// tileReference and lanesReference are the same in Go.
type tileFunc = func(w, x []float32, runs, at []int, y []float32, to []int, start []float32, last int, next []float32, step int, low float32)

// outerTile adds products of dy and x to a block of filter gradients: of rows filters and
// width floats of x.
type outerTile struct {
	rows, width int
	vector      int // lanes of its vectors
	run         outerFunc
}

// outerFunc adds to sums the products of all positions: images × rows × cols of them,
// some floats apart in dy and in x. It does so for strips of filters that follow each
// other in dy, and as blocks in sums. With each position the caches are asked for another
// line from next on, step bytes apart.
//
// Every few positions a vector is copied to a panel, if there is one: to, from and copies are
// those of a copying.
//
// outerReference is the same in Go.
type outerFunc = func(dy, x []float32, strips, images, rows, cols, dyImage, dyRow, dyCol, xImage, xRow, xCol int, sums, next []float32, step int, to, from []float32, copies []int)

// sums is how many sums an outer tile has.
func (o *outerTile) sums() int { return o.rows * o.width }

// cost is how long an outer tile takes for a position of k filters, in units of its own.
func (o *outerTile) cost(k int) int {
	return ceil(k, o.rows) * o.rows * tileCost(o.rows, o.width/o.vector, o.vector)
}

// cost is how long a tile takes for a position, in 48ths of a cycle: two multiply-adds or two
// loads in a cycle.
func (t *tile) cost() int { return tileCost(t.positions, t.width/t.vector, t.vector) }

// tileCost is that of a×b vectors. Of the loop around them little is hidden where a tile's
// multiply-adds are long: one more cycle, as measured.
func tileCost(a, b, lanes int) int {
	steps := 24 * max(a*b, a+b)
	if lanes > 8 {
		steps += 48
	}
	return steps / a
}

// part is a tile's share of a group's output channels.
type part struct {
	*tile
	first int // channel
	last  int // lanes of the last vector in use
}

// cover divides n channels among tiles such that it takes the least time.
func cover(tiles []tile, n int) []part {
	unit := tiles[0].vector
	units := ceil(n, unit)
	best, took := make([]int, units+1), make([]int, units+1)
	for u := 1; u <= units; u++ {
		best[u] = -1
		for i := range tiles {
			t := &tiles[i]
			rest := max(u-t.width/unit, 0)
			if c := best[rest] + t.cost(); best[u] < 0 || c < best[u] {
				best[u], took[u] = c, i
			}
		}
	}
	var parts []part
	for u, first := units, 0; u > 0; {
		t := &tiles[took[u]]
		p := part{tile: t, first: first, last: t.vector}
		first += t.width
		u = max(0, u-t.width/unit)
		parts = append(parts, p)
	}
	end := &parts[len(parts)-1]
	if left := n - end.first; left < end.width {
		end.last = left - (end.width - end.vector)
	}
	return parts
}
