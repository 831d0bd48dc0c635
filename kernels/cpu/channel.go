package cpu

import (
	"fmt"

	"cleave/kernels"
)

func bindBias(c *call) (kernels.Launch, error) {
	x, b := &c.in[0], &c.in[1]
	if err := same(c.out.n, "bias", *x); err != nil {
		return nil, err
	}
	if err := vector(c.out.n[1], "bias", *b); err != nil {
		return nil, err
	}
	relu := c.d.Epilogue.ReLU
	if c.out.points() { // one element a plane: walk along the channels
		pool, y, rows := c.b.pool, &c.out, c.out.n[0]
		stay := func(_, n int) {
			to, from := y.f[y.pos(n, 0, 0, 0):], x.f[x.pos(n, 0, 0, 0):]
			for ch := range y.n[1] {
				v := from[ch*x.st[1]] + b.f[b.at+ch*b.st[0]]
				if relu {
					v = max(v, 0)
				}
				to[ch*y.st[1]] = v
			}
		}
		return func() error {
			pool.run(rows, stay)
			return nil
		}, nil
	}
	p, y, shift := newPlanes(&c.out, x), &c.out, c.b.tier.rows.shift
	if relu {
		shift = c.b.tier.rows.shiftReLU
	}
	return c.eachPlane(p, func(n, ch int) {
		v := b.f[b.pos(ch, 0, 0, 0)]
		for r := range p.rows {
			shift(y.f[y.pos(n, ch, r, 0):][:p.run], x.f[x.pos(n, ch, r, 0):][:p.run], v)
		}
	}), nil
}

// perChannel returns a launch that calls f for each of n channels, block by block so that
// a job is worth its while.
func (c *call) perChannel(n, elements int, f func(ch int)) kernels.Launch {
	per := max(1, grain/max(1, elements))
	body := func(_, job int) {
		for ch := job * per; ch < min((job+1)*per, n); ch++ {
			f(ch)
		}
	}
	pool, jobs := c.b.pool, (n+per-1)/per
	return func() error {
		pool.run(jobs, body)
		return nil
	}
}

func bindBiasGrad(c *call) (kernels.Launch, error) {
	dy := &c.in[0]
	if err := vector(dy.n[1], "bias gradient", c.out); err != nil {
		return nil, err
	}
	return c.channelSums(1), nil
}

func bindBNMean(c *call) (kernels.Launch, error) {
	if err := vector(c.in[0].n[1], "mean", c.out); err != nil {
		return nil, err
	}
	if !(c.d.Count > 0) {
		return nil, fmt.Errorf("count is %v", c.d.Count)
	}
	return c.channelSums(c.d.Count), nil
}

// channelSums returns a launch for out ← sum of in[0] over samples, rows and columns,
// divided by count. Sums are in double precision.
func (c *call) channelSums(count float64) kernels.Launch {
	x, out := &c.in[0], &c.out
	p, sum := newPlanes(x), c.b.tier.rows.sum
	return c.perChannel(x.n[1], x.n.Volume()/x.n[1], func(ch int) {
		var s float64
		for n := range x.n[0] {
			for r := range p.rows {
				s += sum(x.f[x.pos(n, ch, r, 0):][:p.run])
			}
		}
		out.f[out.pos(ch, 0, 0, 0)] = float32(s / count)
	})
}
