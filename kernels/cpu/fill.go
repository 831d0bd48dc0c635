package cpu

import (
	"fmt"

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

func bindFillNormal(c *call) (kernels.Launch, error) {
	y := &c.out
	index, err := numbers(c.d.Random, y.n)
	if err != nil {
		return nil, err
	}
	key, std := c.d.Random.Key, c.d.Std
	step := uint64(c.d.Random.Global[2]) * uint64(c.d.Random.Global[3]) // from channel to channel
	per := max(1, grain/16/(y.n[1]*y.n[2]*y.n[3]))                      // a number takes a while
	body := func(_, job int) {
		for n := job * per; n < min((job+1)*per, y.n[0]); n++ {
			for h := range y.n[2] {
				for w := range y.n[3] {
					e, at := index(n, 0, h)+uint64(w), y.pos(n, 0, h, w)
					for i := range y.n[1] {
						y.f[at+i*y.st[1]] = float32(std * random.Normal(key, 0, e+uint64(i)*step))
					}
				}
			}
		}
	}
	pool, jobs := c.b.pool, ceil(y.n[0], per)
	return func() error {
		pool.run(jobs, body)
		return nil
	}, nil
}

// bindNormalize looks values up: a channel has 256 of them.
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
	var values [4][256]float32
	for ch := range values[:min(y.n[1], 4)] {
		m, inv := c.d.Mean[ch], 1/c.d.Dev[ch]
		for v := range values[ch] {
			values[ch][v] = float32((float64(v)/255 - m) * inv)
		}
	}
	per := max(1, grain/(y.n[1]*y.n[3])) // rows of a job
	pool, rows := c.b.pool, y.n[0]*y.n[2]
	body := func(_, job int) {
		for row := job * per; row < min((job+1)*per, rows); row++ {
			n, h := row/y.n[2], row%y.n[2]
			if y.n[1] == 3 && x.st[3] == 1 {
				colours(y.f[y.pos(n, 0, h, 0):], x.u[x.pos(n, 0, h, 0):], x.st[1], y.st[3], y.n[3], &values)
				continue
			}
			for ch := range y.n[1] {
				from, to, table := x.u[x.pos(n, ch, h, 0):], y.f[y.pos(n, ch, h, 0):], &values[min(ch, 3)]
				i, o := 0, 0
				for range y.n[3] {
					to[o] = table[from[i]]
					i += x.st[3]
					o += y.st[3]
				}
			}
		}
	}
	return func() error {
		pool.run(ceil(rows, per), body)
		return nil
	}, nil
}

// colours looks up n pixels of three planes, which begin plane bytes apart.
func colours(to []float32, from []byte, plane, step, n int, values *[4][256]float32) {
	r, g, b := from[:n], from[plane:][:n], from[2*plane:][:n]
	for i, v := range r {
		to := to[i*step:][:3]
		to[0], to[1], to[2] = values[0][v], values[1][g[i]], values[2][b[i]]
	}
}
