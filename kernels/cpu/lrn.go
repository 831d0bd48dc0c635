package cpu

import (
	"fmt"
	"math"

	"cleave/kernels"
)

// lrn is local response normalisation bound to its operands. A thread takes a few pixels
// at a time; their squares, and what else windows add up, lie in its local memory with
// zeros on both sides of each pixel's channels.
type lrn struct {
	kernels.LRNDesc
	lrnLocal
	half     int // channels of the window on either side
	x, out   *view
	ops      *rowOps
	walk     *pixels
	local    []float32 // of all threads
	k, alpha float32
}

// lrnLocal is the layout of a thread's local memory: stages of a few pixels each.
type lrnLocal struct {
	margin int // zeros before the channels
	pitch  int // floats of a pixel
	pixels int
	stages int
}

// newLRNLocal returns the layout for pixels of so many channels. A stage has the squares; for
// the gradient, others have powers and ratios.
func newLRNLocal(d kernels.Desc, channels int) lrnLocal {
	l := lrnLocal{margin: roundUp(max(0, d.LRN.N/2), 8), stages: 1}
	if d.Code == kernels.LRNGrad {
		l.stages = 3
	}
	const together = 2048 // floats of a stage, about
	l.pitch = roundUp(channels+2*l.margin, 8)
	l.pixels = max(1, together/l.pitch)
	return l
}

// floats is the memory that a thread needs.
func (l *lrnLocal) floats() int { return roundUp(l.stages*l.pixels*l.pitch, 16) }

// stage returns a stage of a thread's memory from the first pixel's channel ch on, which may
// be in the margin.
func (l *lrnLocal) stage(local []float32, i, ch int) []float32 {
	return local[i*l.pixels*l.pitch+l.margin+ch : (i+1)*l.pixels*l.pitch]
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
	return &lrn{LRNDesc: d, lrnLocal: newLRNLocal(c.d, x.n[1]), half: d.N / 2, x: x, out: &c.out, ops: &c.b.tier.rows,
		walk: newPixels(pixelGrain, vs...), local: of[float32](c.ws), k: float32(d.K), alpha: float32(d.Alpha)}, nil
}

// launch returns a launch that calls f for a few pixels at a time, whose squares are in the
// first stage.
func (l *lrn) launch(pool *pool, f func(local []float32, at [maxViews]int, pixels int)) kernels.Launch {
	w, per := l.walk, l.floats()
	body := func(thread, job int) {
		local := l.local[thread*per:][:per]
		w.job(job, func(at [maxViews]int, pixels, _ int) {
			for pixels > 0 {
				n := min(pixels, l.pixels)
				l.ops.square(l.stage(local, 0, 0), l.x.f[at[0]:], n, l.x.n[1], l.pitch, w.pitch[0])
				f(local, at, n)
				for v := range at {
					at[v] += n * w.pitch[v]
				}
				pixels -= n
			}
		})
	}
	return func() error {
		clear(l.local[:pool.threads*per])
		pool.run(w.jobs, body)
		return nil
	}
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
	pitch := &l.walk.pitch
	return l.launch(c.b.pool, func(local []float32, at [maxViews]int, pixels int) {
		forward(l.out.f[at[1]:], l.x.f[at[0]+l.Offset:], l.stage(local, 0, l.Offset-l.half), pixels, l.out.n[1], pitch[1], pitch[0], l.pitch, l.N, l.k, l.alpha)
	}), nil
}

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
	slope, pitch := float32(2*l.Alpha*l.Beta), &l.walk.pitch
	return l.launch(c.b.pool, func(local []float32, at [maxViews]int, pixels int) {
		ratioOf(l.stage(local, 1, lo), l.stage(local, 2, lo), x.f[at[0]+lo:], dy.f[at[2]+lo-gradAt:], l.stage(local, 0, lo-l.half),
			pixels, hi-lo, l.pitch, pitch[0], pitch[2], l.N, l.k, l.alpha)
		l.ops.lrnGrad(l.out.f[at[1]:], x.f[at[0]+l.Offset:], dy.f[at[2]+l.Offset-gradAt:], l.stage(local, 1, l.Offset), l.stage(local, 2, l.Offset-l.half),
			pixels, l.out.n[1], pitch[1], pitch[0], pitch[2], l.pitch, l.N, slope)
	}), nil
}

// forwardAnyBeta is lrnOps.lrnForward for any exponent.
func (l *lrn) forwardAnyBeta(y, x, near []float32, pixels, channels, yPitch, xPitch, localPitch, count int, k, alpha float32) {
	for p := range pixels {
		y, near := y[p*yPitch:][:channels], near[p*localPitch:]
		for i, v := range x[p*xPitch:][:channels] {
			y[i] = v * float32(math.Pow(float64(k+alpha*sumOf(near[i:], count)), -l.Beta))
		}
	}
}

// ratioAnyBeta is lrnOps.lrnRatio for any exponent.
func (l *lrn) ratioAnyBeta(power, ratio, x, dy, near []float32, pixels, channels, localPitch, xPitch, dyPitch, count int, k, alpha float32) {
	for p := range pixels {
		power, ratio, near, dy := power[p*localPitch:][:channels], ratio[p*localPitch:][:channels], near[p*localPitch:], dy[p*dyPitch:][:channels]
		for i, v := range x[p*xPitch:][:channels] {
			d := k + alpha*sumOf(near[i:], count)
			power[i] = float32(math.Pow(float64(d), -l.Beta))
			ratio[i] = dy[i] * v * power[i] / d
		}
	}
}
