package cpu

import (
	"fmt"
	"math"

	"cleave/kernels"
	"cleave/random"
)

// dropout is a bound Dropout. Element e of the whole tensor takes number e of a stream,
// which comes in blocks of four, and e counts columns first: the numbers of neighbours in
// memory belong to blocks that lie a plane apart. So eight lanes draw stretches of numbers
// at a time, for eight channels or, of features, for eight stretches of them.
type dropout struct {
	x, y  *view
	step  *view
	index func(n, c, h int) uint64
	key   uint64
	below uint32 // whose number is at most this becomes zero
	scale float32
	ops   *rowOps
	rows  int // of positions whose numbers follow each other, in a sample
	cols  int // positions of a row
}

// draws is a thread's scratch memory.
type draws struct {
	blocks [8]uint64
	bits   [(dropTile + 4) * 8]uint32 // numbers in the order of the lanes: eight first ones, eight second ones, …
	inLine [256]uint32                // those of one lane behind those of another
	_      [64]byte
}

const (
	dropTile = 64   // positions that are done together
	dropSpan = 2048 // features of a job
)

func bindDropout(c *call) (kernels.Launch, error) {
	x, step, y, r := &c.in[0], &c.in[1], &c.out, &c.d.Random
	if err := same(y.n, "dropout", *x); err != nil {
		return nil, err
	}
	if err := vector(1, "dropout's step", *step); err != nil {
		return nil, err
	}
	if !(c.d.P >= 0 && c.d.P < 1) {
		return nil, fmt.Errorf("probability %v is not in [0, 1)", c.d.P)
	}
	index, err := numbers(*r, y.n)
	if err != nil {
		return nil, err
	}
	// A uniform number is bits/2³², so those below P are those of the bits below this.
	zeros := uint64(math.Ceil(c.d.P * (1 << 32)))
	if zeros == 0 {
		return c.copy(), nil
	}
	d := &dropout{x: x, y: y, step: step, index: index, key: r.Key, below: uint32(zeros - 1), scale: float32(1 / (1 - c.d.P)),
		ops: &c.b.tier.rows, rows: y.n[2], cols: y.n[3]}
	pool, scratch := c.b.pool, make([]draws, c.b.pool.threads)
	if r.Global[2]*r.Global[3] == 1 {
		spans := ceil(y.n[1], dropSpan)
		body := func(thread, job int) {
			first := job % spans * dropSpan
			d.features(&scratch[thread], job/spans, first, min(dropSpan, y.n[1]-first))
		}
		return func() error {
			pool.run(y.n[0]*spans, body)
			return nil
		}, nil
	}
	if d.cols == r.Global[3] && x.st[2] == d.cols*x.st[3] && y.st[2] == d.cols*y.st[3] {
		d.rows, d.cols = 1, d.rows*d.cols
	}
	tiles := ceil(d.cols, dropTile)
	body := func(thread, job int) {
		first, row := job%tiles*dropTile, job/tiles
		d.positions(&scratch[thread], row/d.rows, row%d.rows, first, min(dropTile, d.cols-first))
	}
	return func() error {
		pool.run(y.n[0]*d.rows*tiles, body)
		return nil
	}, nil
}

// draw sets the lanes' bits: of at least count numbers each.
func (d *dropout) draw(s *draws, count int) {
	d.ops.philox(s.bits[:roundUp(count, 4)*8], s.blocks[:], d.key, uint64(d.step.i[d.step.at]))
}

// positions does so many positions of a row from the first on, in all channels.
func (d *dropout) positions(s *draws, n, row, first, count int) {
	to, from := d.y.at+n*d.y.st[0]+row*d.y.st[2]+first*d.y.st[3], d.x.at+n*d.x.st[0]+row*d.x.st[2]+first*d.x.st[3]
	for c := 0; c < d.y.n[1]; c += 8 {
		lanes := min(8, d.y.n[1]-c)
		var skip [8]int // numbers of the lane's first block that come before its first
		aligned := true
		for l := range lanes {
			e := d.index(n, c+l, row) + uint64(first)
			s.blocks[l], skip[l] = e/4, int(e%4)
			aligned = aligned && skip[l] == skip[0]
		}
		d.draw(s, count+3)
		first := 0 // where all lanes begin
		if aligned {
			first = skip[0]
		} else {
			advance(s.bits[:], &skip, count)
		}
		x, y, bits := d.x.f[from+c*d.x.st[1]:], d.y.f[to+c*d.y.st[1]:], s.bits[8*first:]
		if lanes == 8 {
			d.ops.drop(y, x, bits, count, d.y.st[3], d.x.st[3], d.below, d.scale)
			continue
		}
		for p := range count {
			y, x, bits := y[p*d.y.st[3]:][:lanes], x[p*d.x.st[3]:][:lanes], bits[8*p:][:lanes]
			for l, v := range x {
				y[l] = dropped(v, bits[l], d.below, d.scale)
			}
		}
	}
}

// advance drops the first numbers of each lane, so many as skip says; count are left.
func advance(bits []uint32, skip *[8]int, count int) {
	for l, k := range skip {
		if k > 0 {
			for p := range count {
				bits[8*p+l] = bits[8*(p+k)+l]
			}
		}
	}
}

// features does so many features of a sample from the first on.
func (d *dropout) features(s *draws, n, first, count int) {
	for count > 0 {
		e := d.index(n, first, 0)
		const each = len(s.inLine) / 8
		for l := range s.blocks {
			s.blocks[l] = e/4 + uint64(l*each/4)
		}
		d.draw(s, each)
		d.ops.transpose(s.inLine[:], s.bits[:], each, 8, each, 8)
		bits := s.inLine[e%4:]
		x, y := d.x.f[d.x.pos(n, first, 0, 0):], d.y.f[d.y.pos(n, first, 0, 0):]
		k := min(len(bits), count)
		whole := k &^ 7
		d.ops.drop(y, x, bits, whole/8, 8, 8, d.below, d.scale)
		for i := whole; i < k; i++ {
			y[i] = dropped(x[i], bits[i], d.below, d.scale)
		}
		first += k
		count -= k
	}
}

// dropped returns v·scale, or 0 where bits are at most below.
func dropped(v float32, bits, below uint32, scale float32) float32 {
	keep := uint32((int64(below) - int64(bits)) >> 63) // all bits or none: a branch would often be mispredicted
	return math.Float32frombits(math.Float32bits(v*scale) & keep)
}

func dropGo(y, x []float32, bits []uint32, rows, yStep, xStep int, below uint32, scale float32) {
	for i := range rows {
		to, from, bits := y[i*yStep:][:8], x[i*xStep:][:8], bits[i*8:][:8]
		for l, v := range from {
			to[l] = dropped(v, bits[l], below, scale)
		}
	}
}

func philoxGo(bits []uint32, blocks []uint64, key, stream uint64) {
	for i := range len(bits) / 32 {
		for l, b := range blocks[:8] {
			for w, v := range random.Block(key, stream, b+uint64(i)) {
				bits[(4*i+w)*8+l] = v
			}
		}
	}
}
