package cpu

import (
	"fmt"
	"math"

	"cleave/kernels"
)

// lrnPixels is how many neighbouring pixels are normalised together.
const lrnPixels = 64

// lrn is local response normalisation bound to its operands.
type lrn struct {
	d              kernels.LRNDesc
	half           int // channels of the window on either side
	x, out         *view
	runs           *planes // of one channel
	piece          int     // pixels of a job
	pieces         int     // of a run
	k, alpha, beta float32
}

func newLRN(c *call, x *view, others ...*view) (*lrn, error) {
	d := c.d.LRN
	if d.N < 1 || d.N%2 == 0 {
		return nil, fmt.Errorf("lrn: window of %d channels, want an odd number", d.N)
	}
	if d.Offset < 0 || d.Offset+c.out.n[1] > x.n[1] {
		return nil, fmt.Errorf("lrn: output %v at channel %d of %v", c.out.n, d.Offset, x.n)
	}
	vs := append([]*view{x, &c.out}, others...)
	for _, v := range vs {
		if v.n[0] != x.n[0] || v.n[2] != x.n[2] || v.n[3] != x.n[3] {
			return nil, fmt.Errorf("lrn: %v does not match %v", v.n, x.n)
		}
	}
	l := &lrn{d: d, half: d.N / 2, x: x, out: &c.out, runs: newPlanes(vs...)}
	l.piece = min(l.runs.run, lrnPixels)
	l.pieces = (l.runs.run + l.piece - 1) / l.piece
	l.k, l.alpha, l.beta = float32(d.K), float32(d.Alpha), float32(d.Beta)
	return l, nil
}

func (l *lrn) jobs() int { return l.x.n[0] * l.runs.rows * l.pieces }

// job returns which sample, row and columns a job has.
func (l *lrn) job(job int) (n, row, col, count int) {
	col = job % l.pieces * l.piece
	job /= l.pieces
	return job / l.runs.rows, job % l.runs.rows, col, min(l.piece, l.runs.run-col)
}

// scales computes d = K + Alpha·Σx² of channel ch for len(d) pixels.
func (l *lrn) scales(d []float32, n, ch, row, col int) {
	clear(d)
	for j := max(0, ch-l.half); j <= min(l.x.n[1]-1, ch+l.half); j++ {
		for i, v := range l.x.f[l.x.pos(n, j, row, col):][:len(d)] {
			d[i] += v * v
		}
	}
	for i, s := range d {
		d[i] = l.k + l.alpha*s
	}
}

// powers turns each d into d to the power of −Beta.
func (l *lrn) powers(d []float32) {
	if l.d.Beta == 0.75 { // 1/(√d·√√d)
		for i, s := range d {
			r := sqrt(s)
			d[i] = 1 / (r * sqrt(r))
		}
		return
	}
	for i, s := range d {
		d[i] = float32(math.Pow(float64(s), -l.d.Beta))
	}
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func bindLRN(c *call) (kernels.Launch, error) {
	l, err := newLRN(c, &c.in[0])
	if err != nil {
		return nil, err
	}
	body := func(_, job int) {
		n, row, col, count := l.job(job)
		var scratch [lrnPixels]float32
		d := scratch[:count]
		for ch := range l.out.n[1] {
			l.scales(d, n, ch+l.d.Offset, row, col)
			l.powers(d)
			to, from := l.out.f[l.out.pos(n, ch, row, col):][:count], l.x.f[l.x.pos(n, ch+l.d.Offset, row, col):][:count]
			for i, v := range from {
				to[i] = v * d[i]
			}
		}
	}
	pool := c.b.pool
	return func() error {
		pool.run(l.jobs(), body)
		return nil
	}, nil
}

// lrnScratch is the scratch memory in floats that a thread needs for a gradient of so many
// channels.
func lrnScratch(channels int) int { return 2 * lrnPixels * channels }

func bindLRNGrad(c *call) (kernels.Launch, error) {
	x, dy := &c.in[0], &c.in[1]
	l, err := newLRN(c, x, dy)
	if err != nil {
		return nil, err
	}
	gradAt := l.d.GradOffset // dy's first channel, in x
	if gradAt < 0 || gradAt+dy.n[1] > x.n[1] || gradAt > l.d.Offset || l.d.Offset+l.out.n[1] > gradAt+dy.n[1] {
		return nil, fmt.Errorf("lrn gradient: dy %v at channel %d of %v does not hold output %v at channel %d", dy.n, gradAt, x.n, l.out.n, l.d.Offset)
	}
	// Channels whose windows hold one of the output's.
	lo := max(gradAt, l.d.Offset-l.half)
	hi := min(gradAt+dy.n[1], l.d.Offset+l.out.n[1]+l.half)
	slope := float32(2 * l.d.Alpha * l.d.Beta)
	ws, per := of[float32](c.ws), lrnScratch(x.n[1])
	body := func(thread, job int) {
		n, row, col, count := l.job(job)
		power, ratio := ws[thread*per:][:per/2], ws[thread*per+per/2:][:per/2]
		for ch := lo; ch < hi; ch++ { // power = d^−β, ratio = dy·x·d^(−β−1)
			p, r := power[(ch-lo)*lrnPixels:][:count], ratio[(ch-lo)*lrnPixels:][:count]
			l.scales(r, n, ch, row, col)
			copy(p, r)
			l.powers(p)
			from, g := x.f[x.pos(n, ch, row, col):][:count], dy.f[dy.pos(n, ch-gradAt, row, col):][:count]
			for i, d := range r {
				r[i] = g[i] * from[i] * p[i] / d
			}
		}
		for ch := range l.out.n[1] {
			own := ch + l.d.Offset
			var scratch [lrnPixels]float32
			sum := scratch[:count]
			for j := max(lo, own-l.half); j <= min(hi-1, own+l.half); j++ {
				for i, v := range ratio[(j-lo)*lrnPixels:][:count] {
					sum[i] += v
				}
			}
			to, from := l.out.f[l.out.pos(n, ch, row, col):][:count], x.f[x.pos(n, own, row, col):][:count]
			g, p := dy.f[dy.pos(n, own-gradAt, row, col):][:count], power[(own-lo)*lrnPixels:][:count]
			for i, v := range from {
				to[i] = g[i]*p[i] - slope*v*sum[i]
			}
		}
	}
	pool := c.b.pool
	return func() error {
		pool.run(l.jobs(), body)
		return nil
	}, nil
}
