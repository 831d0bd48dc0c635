package cpu

import "fmt"

// positions is a table for tiles: where the source and the output of some positions of a
// block begin, from the block's own, and the taps that they take. The last position is
// repeated for tiles that need more.
type positions struct {
	at, to []int
	n      int
	runs   [2][]int // of a whole pass and of the last
}

// tableSlack is more positions than any tile has.
const tableSlack = 16

// newPositions returns n positions, without runs.
func newPositions(n int, place func(i int) (at, to int)) positions {
	p := positions{n: n}
	for i := range n + tableSlack {
		at, to := place(min(i, n-1))
		p.at, p.to = append(p.at, at), append(p.to, to)
	}
	return p
}

// blocks is how samples, or rows or columns of positions, are divided. Blocks whose positions
// take the same taps are of one kind.
type blocks struct {
	size  int   // of all but the last
	kinds []int // of each block
	first []int // of each kind: where one begins
}

// divide divides n into blocks. Those of one kind have the same key.
func divide(n, size int, key func(first, end int) string) blocks {
	b := blocks{size: size}
	known := map[string]int{}
	for first := 0; first < n; first += size {
		k := key(first, min(first+size, n))
		kind, ok := known[k]
		if !ok {
			kind = len(b.first)
			known[k] = kind
			b.first = append(b.first, first)
		}
		b.kinds = append(b.kinds, kind)
	}
	return b
}

// span is a range of the taps' distances from a position's corner, its last included.
type span struct{ first, last int }

func (s span) holds(distance int) bool { return s.first <= distance && distance <= s.last }

// taken is the rows and columns of taps that some positions take.
type taken [2]span

// within returns the distances along an axis at which taps of position i lie in the source;
// reach is that of the farthest tap.
func (p *product) within(axis, i, reach int) span {
	corner := i*p.stride[axis] - p.margin[axis]
	return span{max(0, -corner), min(reach, p.size[axis]-1-corner)}
}

// tabulate fills the tables of positions, target by target, for each kind of block.
func (b *bound) tabulate() {
	down, across, rows, cols, _ := b.p.reach()
	reach := [2]int{down, across}
	kind := func(axis int) func(first, end int) string {
		return func(first, end int) string {
			var key []byte
			for i := range b.p.targets {
				t := &b.p.targets[i]
				end := min(end, t.extent(axis))
				key = fmt.Appendf(key, "%d:", end-first)
				for at := first; at < end; at++ {
					if s := b.p.within(axis, at, reach[axis]); s != (span{0, reach[axis]}) {
						key = fmt.Appendf(key, "%d%v", at-first, s)
					}
				}
			}
			return string(key)
		}
	}
	b.blocks = [3]blocks{
		divide(b.p.samples, b.samples, func(first, end int) string { return fmt.Sprint(end - first) }),
		divide(rows, b.rows, kind(0)),
		divide(cols, b.cols, kind(1)),
	}
	for i := range b.p.targets {
		t := &b.p.targets[i]
		var tables [][]positions
		for _, n := range b.blocks[0].first {
			for _, h := range b.blocks[1].first {
				for _, w := range b.blocks[2].first {
					n, rows, cols := min(b.samples, b.p.samples-n), min(b.rows, t.rows-h), min(b.cols, t.cols-w)
					tables = append(tables, b.table(t, reach, n, [2]int{h, w}, rows, cols))
				}
			}
		}
		b.tables = append(b.tables, tables)
	}
}

// table returns the positions of samples × rows × cols from the first row and column on. Those
// that take the same taps make tiles of their own, without the taps that lie beside the source.
// What would leave a tile part empty takes all taps of its rows, or all: the panel holds zeros
// beside the source.
func (b *bound) table(t *target, reach [2]int, samples int, first [2]int, rows, cols int) []positions {
	sample, row, col := b.steps()
	all := taken{{0, reach[0]}, {0, reach[1]}}
	var order []taken
	places := map[taken][][2]int{} // where source and output begin
	put := func(to taken, p ...[2]int) {
		if _, ok := places[to]; !ok {
			order = append(order, to)
		}
		places[to] = append(places[to], p...)
	}
	for n := range samples {
		for h := range rows {
			for w := range cols {
				take := taken{b.p.within(0, first[0]+h, reach[0]), b.p.within(1, first[1]+w, reach[1])}
				put(take, [2]int{
					n*sample + h*b.p.stride[0]*row + w*b.p.stride[1]*col,
					n*b.out.st[0] + h*t.step[0]*b.out.st[2] + w*t.step[1]*b.out.st[3],
				})
			}
		}
	}
	for axis := 1; axis >= 0; axis-- {
		for _, from := range order {
			if from[axis] == all[axis] {
				continue
			}
			to, p := from, places[from]
			to[axis] = all[axis]
			if axis == 0 {
				to = all
			}
			whole := len(p) / b.parts[0].positions * b.parts[0].positions
			places[from] = p[:whole]
			put(to, p[whole:]...)
		}
	}
	var tables []positions
	for _, take := range order {
		if len(places[take]) == 0 {
			continue
		}
		p := newPositions(len(places[take]), func(i int) (at, to int) { return places[take][i][0], places[take][i][1] })
		p.runs = [2][]int{
			b.runs(t, take, b.channels),
			b.runs(t, take, b.p.channels-(ceil(b.p.channels, b.channels)-1)*b.channels),
		}
		tables = append(tables, p)
	}
	return tables
}

// runs returns a tile's runs over some taps in a pass over so many channels.
func (b *bound) runs(t *target, take taken, channels int) []int {
	_, row, col := b.steps()
	each := 1 // floats of a step
	if b.lanes {
		channels, each = b.per, b.width
	}
	var runs []int
	for i, k := range t.taps {
		if !take[0].holds(k.down) || !take[1].holds(k.across) {
			continue
		}
		at, step := k.down*row+k.across*col, i*channels
		if n := len(runs) - 3; n >= 0 && runs[n+1] == at && runs[n+2]+(at-runs[n])/each == step {
			runs[n+1] += channels * each
		} else {
			runs = append(runs, at, at+channels*each, step)
		}
	}
	return runs
}
