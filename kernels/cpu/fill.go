package cpu

import (
	"fmt"
	"math"

	"cleave/kernels"
	"cleave/layout"
	"cleave/random"
)

// numbers checks where an output lies in its whole tensor and returns the index of the
// first element of one of its rows there.
func numbers(r kernels.Random, n layout.Shape) (func(n, c, h int) uint64, error) {
	for a, o := range r.Origin {
		if o < 0 || o+n[a] > r.Global[a] {
			return nil, fmt.Errorf("%v at %v does not lie in a tensor of %v", n, r.Origin, r.Global)
		}
	}
	o, g := r.Origin, r.Global
	return func(n, c, h int) uint64 {
		return uint64((((n+o[0])*g[1]+c+o[1])*g[2]+h+o[2])*g[3] + o[3])
	}, nil
}

func bindDropout(c *call) (kernels.Launch, error) {
	x, step, y := &c.in[0], &c.in[1], &c.out
	if err := same(y.n, "dropout", *x); err != nil {
		return nil, err
	}
	if err := vector(1, "dropout's step", *step); err != nil {
		return nil, err
	}
	if !(c.d.P >= 0 && c.d.P < 1) {
		return nil, fmt.Errorf("probability %v is not in [0, 1)", c.d.P)
	}
	index, err := numbers(c.d.Random, y.n)
	if err != nil {
		return nil, err
	}
	key, scale := c.d.Random.Key, float32(1/(1-c.d.P))
	// A uniform number is bits/2³², so those below P are those of the bits below this.
	zeros := int64(math.Ceil(c.d.P * (1 << 32)))
	drop := func(v float32, bits uint32) float32 {
		keep := uint32((zeros - 1 - int64(bits)) >> 63) // all bits or none: a branch would often be mispredicted
		return math.Float32frombits(math.Float32bits(v*scale) & keep)
	}
	run := func(first uint64, stream uint64, to, from []float32) {
		to = to[:len(from)]
		for i := 0; i < len(from); {
			e := first + uint64(i)
			bits := random.Block(key, stream, e/4)
			if e%4 == 0 && len(from)-i >= 4 {
				x, y := from[i:][:4], to[i:][:4]
				y[0], y[1], y[2], y[3] = drop(x[0], bits[0]), drop(x[1], bits[1]), drop(x[2], bits[2]), drop(x[3], bits[3])
				i += 4
				continue
			}
			for w := e % 4; w < 4 && i < len(from); w++ {
				to[i] = drop(from[i], bits[w])
				i++
			}
		}
	}
	pool := c.b.pool
	if y.points() && c.d.Random.Global[2]*c.d.Random.Global[3] == 1 && x.st[1] == 1 && y.st[1] == 1 { // features: a row is a sample
		body := func(_, n int) {
			run(index(n, 0, 0), uint64(step.i[step.at]), y.f[y.pos(n, 0, 0, 0):][:y.n[1]], x.f[x.pos(n, 0, 0, 0):][:y.n[1]])
		}
		return func() error {
			pool.run(y.n[0], body)
			return nil
		}, nil
	}
	planes := newPlanes(y, x)
	return c.eachPlane(planes, func(n, ch int) {
		for h := range y.n[2] {
			run(index(n, ch, h), uint64(step.i[step.at]), y.f[y.pos(n, ch, h, 0):][:y.n[3]], x.f[x.pos(n, ch, h, 0):][:y.n[3]])
		}
	}), nil
}

func bindFillNormal(c *call) (kernels.Launch, error) {
	y := &c.out
	index, err := numbers(c.d.Random, y.n)
	if err != nil {
		return nil, err
	}
	key, std := c.d.Random.Key, c.d.Std
	return c.eachPlane(newPlanes(y), func(n, ch int) {
		for h := range y.n[2] {
			first, row := index(n, ch, h), y.f[y.pos(n, ch, h, 0):][:y.n[3]]
			for i := range row {
				row[i] = float32(std * random.Normal(key, 0, first+uint64(i)))
			}
		}
	}), nil
}

func bindNormalize(c *call) (kernels.Launch, error) {
	x, y := &c.in[0], &c.out
	if err := same(y.n, "normalize", *x); err != nil {
		return nil, err
	}
	for _, d := range c.d.Dev[:min(y.n[1], 4)] {
		if d == 0 {
			return nil, fmt.Errorf("a channel's deviation is 0")
		}
	}
	mean, dev := c.d.Mean, c.d.Dev
	return c.eachPlane(newPlanes(y, x), func(n, ch int) {
		m, inv := mean[min(ch, 3)], 1/dev[min(ch, 3)]
		for h := range y.n[2] {
			to, from := y.f[y.pos(n, ch, h, 0):][:y.n[3]], x.u[x.pos(n, ch, h, 0):][:y.n[3]]
			for i, v := range from {
				to[i] = float32((float64(v)/255 - m) * inv)
			}
		}
	}), nil
}
