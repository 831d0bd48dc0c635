package cpu

import (
	"fmt"
	"math"

	"cleave/kernels"
)

func bindBNVar(c *call) (kernels.Launch, error) {
	x, mean, out := &c.in[0], &c.in[1], &c.out
	if err := vector(x.n[1], "variance", c.out, *mean); err != nil {
		return nil, err
	}
	count := c.d.Count
	if !(count > 0) {
		return nil, fmt.Errorf("count is %v", count)
	}
	p := newPlanes(x)
	return c.perChannel(x.n[1], x.n.Volume()/x.n[1], func(ch int) {
		m := float64(mean.f[mean.pos(ch, 0, 0, 0)])
		var a, b float64
		for n := range x.n[0] {
			for r := range p.rows {
				row := x.f[x.pos(n, ch, r, 0):][:p.run]
				for ; len(row) >= 2; row = row[2:] {
					d, e := float64(row[0])-m, float64(row[1])-m
					a += d * d
					b += e * e
				}
				for _, v := range row {
					d := float64(v) - m
					a += d * d
				}
			}
		}
		out.f[out.pos(ch, 0, 0, 0)] = float32((a + b) / count)
	}), nil
}

func bindBN(c *call) (kernels.Launch, error) {
	x, y := &c.in[0], &c.out
	mean, variance, gamma, beta := &c.in[1], &c.in[2], &c.in[3], &c.in[4]
	if err := same(y.n, "batch norm", *x); err != nil {
		return nil, err
	}
	if err := vector(x.n[1], "batch norm", c.in[1:]...); err != nil {
		return nil, err
	}
	p, eps, relu := newPlanes(x, y), c.d.Eps, c.d.Epilogue.ReLU
	return c.eachPlane(p, func(n, ch int) {
		// y = x·scale + shift would cancel where the mean is large: subtract first.
		m := mean.f[mean.pos(ch, 0, 0, 0)]
		scale := float32(float64(gamma.f[gamma.pos(ch, 0, 0, 0)]) / math.Sqrt(float64(variance.f[variance.pos(ch, 0, 0, 0)])+eps))
		shift := beta.f[beta.pos(ch, 0, 0, 0)]
		for r := range p.rows {
			to, from := y.f[y.pos(n, ch, r, 0):][:p.run], x.f[x.pos(n, ch, r, 0):][:p.run]
			if relu {
				for i, v := range from {
					to[i] = max((v-m)*scale+shift, 0)
				}
			} else {
				for i, v := range from {
					to[i] = (v-m)*scale + shift
				}
			}
		}
	}), nil
}

func bindBNGammaGrad(c *call) (kernels.Launch, error) {
	x, mean, variance, dy, out := &c.in[0], &c.in[1], &c.in[2], &c.in[3], &c.out
	if err := same(x.n, "batch norm's gamma gradient", *dy); err != nil {
		return nil, err
	}
	if err := vector(x.n[1], "batch norm's gamma gradient", *mean, *variance, c.out); err != nil {
		return nil, err
	}
	p, eps := newPlanes(x, dy), c.d.Eps
	return c.perChannel(x.n[1], x.n.Volume()/x.n[1], func(ch int) {
		m := float64(mean.f[mean.pos(ch, 0, 0, 0)])
		var a, b float64
		for n := range x.n[0] {
			for r := range p.rows {
				row, g := x.f[x.pos(n, ch, r, 0):][:p.run], dy.f[dy.pos(n, ch, r, 0):][:p.run]
				for len(row) >= 2 && len(g) >= 2 {
					a += (float64(row[0]) - m) * float64(g[0])
					b += (float64(row[1]) - m) * float64(g[1])
					row, g = row[2:], g[2:]
				}
				if len(row) > 0 {
					a += (float64(row[0]) - m) * float64(g[0])
				}
			}
		}
		out.f[out.pos(ch, 0, 0, 0)] = float32((a + b) / math.Sqrt(float64(variance.f[variance.pos(ch, 0, 0, 0)])+eps))
	}), nil
}

func bindBNGrad(c *call) (kernels.Launch, error) {
	x, mean, variance, gamma, dgamma, dbeta, dy := &c.in[0], &c.in[1], &c.in[2], &c.in[3], &c.in[4], &c.in[5], &c.in[6]
	dx := &c.out
	if err := same(dx.n, "batch norm's gradient", *x, *dy); err != nil {
		return nil, err
	}
	if err := vector(x.n[1], "batch norm's gradient", c.in[1:6]...); err != nil {
		return nil, err
	}
	count := c.d.Count
	if !(count > 0) {
		return nil, fmt.Errorf("count is %v", count)
	}
	p, eps := newPlanes(dx, x, dy), c.d.Eps
	return c.eachPlane(p, func(n, ch int) {
		// dx = γ/σ · (dy − dβ/count − (x−mean)/σ · dγ/count)
		at := func(v *view) float64 { return float64(v.f[v.pos(ch, 0, 0, 0)]) }
		inv := 1 / math.Sqrt(at(variance)+eps)
		m := mean.f[mean.pos(ch, 0, 0, 0)]
		scale, shift, slope := float32(at(gamma)*inv), float32(at(dbeta)/count), float32(inv*at(dgamma)/count)
		for r := range p.rows {
			to, from, g := dx.f[dx.pos(n, ch, r, 0):][:p.run], x.f[x.pos(n, ch, r, 0):][:p.run], dy.f[dy.pos(n, ch, r, 0):][:p.run]
			for i, v := range from {
				to[i] = scale * (g[i] - shift - (v-m)*slope)
			}
		}
	}), nil
}
