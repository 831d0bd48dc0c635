package cpu

import (
	"fmt"
	"math"

	"cleave/kernels"
)

// lrnPixels is how many neighbouring pixels are normalised together.
const lrnPixels = 128

// lrn is local response normalisation bound to its operands.
type lrn struct {
	kernels.LRNDesc
	half     int // channels of the window on either side
	x, out   *view
	ops      *rowOps
	runs     *planes // of one channel
	piece    int     // pixels of a job
	pieces   int     // of a run
	k, alpha float32
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
	l := &lrn{LRNDesc: d, half: d.N / 2, x: x, out: &c.out, ops: &c.b.tier.rows, runs: newPlanes(vs...), k: float32(d.K), alpha: float32(d.Alpha)}
	l.piece = min(l.runs.run, lrnPixels)
	l.pieces = ceil(l.runs.run, l.piece)
	return l, nil
}

func (l *lrn) jobs() int { return l.x.n[0] * l.runs.rows * l.pieces }

// job returns which sample, row and columns a job has.
func (l *lrn) job(job int) (n, row, col, count int) {
	col = job % l.pieces * l.piece
	job /= l.pieces
	return job / l.runs.rows, job % l.runs.rows, col, min(l.piece, l.runs.run-col)
}

// pixels returns count pixels of channel ch of v.
func pixels(v *view, n, ch, row, col, count int) []float32 {
	return v.f[v.pos(n, ch, row, col):][:count]
}

// window returns x's channels around channel ch and their number.
func (l *lrn) window(n, ch, row, col int) (x []float32, count int) {
	lo := max(0, ch-l.half)
	return l.x.f[l.x.pos(n, lo, row, col):], min(l.x.n[1], ch+l.half+1) - lo
}

func bindLRN(c *call) (kernels.Launch, error) {
	l, err := newLRN(c, &c.in[0])
	if err != nil {
		return nil, err
	}
	forward := l.ops.lrnForward
	if l.Beta != 0.75 {
		forward = l.forwardAnyBeta
	}
	body := func(_, job int) {
		n, row, col, count := l.job(job)
		for ch := range l.out.n[1] {
			own := ch + l.Offset
			x, channels := l.window(n, own, row, col)
			forward(pixels(l.out, n, ch, row, col, count), pixels(l.x, n, own, row, col, count), x, l.x.st[1], channels, l.k, l.alpha)
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
	gradAt := l.GradOffset // dy's first channel, in x
	if gradAt < 0 || gradAt+dy.n[1] > x.n[1] || gradAt > l.Offset || l.Offset+l.out.n[1] > gradAt+dy.n[1] {
		return nil, fmt.Errorf("lrn gradient: dy %v at channel %d of %v does not hold output %v at channel %d", dy.n, gradAt, x.n, l.out.n, l.Offset)
	}
	ratioOf := l.ops.lrnRatio
	if l.Beta != 0.75 {
		ratioOf = l.ratioAnyBeta
	}
	// Channels whose windows hold one of the output's.
	lo := max(gradAt, l.Offset-l.half)
	hi := min(gradAt+dy.n[1], l.Offset+l.out.n[1]+l.half)
	slope := float32(2 * l.Alpha * l.Beta)
	ws, per := of[float32](c.ws), lrnScratch(x.n[1])
	body := func(thread, job int) {
		n, row, col, count := l.job(job)
		power, ratio := ws[thread*per:][:per/2], ws[thread*per+per/2:][:per/2]
		for ch := lo; ch < hi; ch++ {
			at := (ch - lo) * lrnPixels
			near, channels := l.window(n, ch, row, col)
			ratioOf(power[at:][:count], ratio[at:][:count], pixels(x, n, ch, row, col, count), pixels(dy, n, ch-gradAt, row, col, count), near, x.st[1], channels, l.k, l.alpha)
		}
		for ch := range l.out.n[1] {
			own := ch + l.Offset
			first, end := max(lo, own-l.half), min(hi, own+l.half+1)
			l.ops.lrnGrad(pixels(l.out, n, ch, row, col, count), pixels(x, n, own, row, col, count), pixels(dy, n, own-gradAt, row, col, count),
				power[(own-lo)*lrnPixels:][:count], ratio[(first-lo)*lrnPixels:], lrnPixels, end-first, slope)
		}
	}
	pool := c.b.pool
	return func() error {
		pool.run(l.jobs(), body)
		return nil
	}, nil
}

// forwardAnyBeta is rowOps.lrnForward for any exponent.
func (l *lrn) forwardAnyBeta(y, own, x []float32, stride, count int, k, alpha float32) {
	for i, v := range own {
		y[i] = v * float32(math.Pow(float64(lrnScale(x[i:], stride, count, k, alpha)), -l.Beta))
	}
}

// ratioAnyBeta is rowOps.lrnRatio for any exponent.
func (l *lrn) ratioAnyBeta(p, ratio, own, g, x []float32, stride, count int, k, alpha float32) {
	for i, v := range own {
		d := lrnScale(x[i:], stride, count, k, alpha)
		p[i] = float32(math.Pow(float64(d), -l.Beta))
		ratio[i] = g[i] * v * p[i] / d
	}
}
