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
	p, squares := newPlanes(x), c.b.tier.rows.squares
	return c.perChannel(x.n[1], x.n.Volume()/x.n[1], func(ch int) {
		m := float64(mean.f[mean.pos(ch, 0, 0, 0)])
		var s float64
		for n := range x.n[0] {
			for r := range p.rows {
				s += squares(x.f[x.pos(n, ch, r, 0):][:p.run], m)
			}
		}
		out.f[out.pos(ch, 0, 0, 0)] = float32(s / count)
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
	p, eps, norm := newPlanes(x, y), c.d.Eps, c.b.tier.rows.norm
	if c.d.Epilogue.ReLU {
		norm = c.b.tier.rows.normReLU
	}
	return c.eachPlane(p, func(n, ch int) {
		// y = x·scale + shift would cancel where the mean is large: subtract first.
		m := mean.f[mean.pos(ch, 0, 0, 0)]
		scale := float32(float64(gamma.f[gamma.pos(ch, 0, 0, 0)]) / math.Sqrt(float64(variance.f[variance.pos(ch, 0, 0, 0)])+eps))
		shift := beta.f[beta.pos(ch, 0, 0, 0)]
		for r := range p.rows {
			norm(y.f[y.pos(n, ch, r, 0):][:p.run], x.f[x.pos(n, ch, r, 0):][:p.run], m, scale, shift)
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
	p, eps, products := newPlanes(x, dy), c.d.Eps, c.b.tier.rows.products
	return c.perChannel(x.n[1], x.n.Volume()/x.n[1], func(ch int) {
		m := float64(mean.f[mean.pos(ch, 0, 0, 0)])
		var s float64
		for n := range x.n[0] {
			for r := range p.rows {
				s += products(x.f[x.pos(n, ch, r, 0):][:p.run], dy.f[dy.pos(n, ch, r, 0):][:p.run], m)
			}
		}
		out.f[out.pos(ch, 0, 0, 0)] = float32(s / math.Sqrt(float64(variance.f[variance.pos(ch, 0, 0, 0)])+eps))
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
	p, eps, normGrad := newPlanes(dx, x, dy), c.d.Eps, c.b.tier.rows.normGrad
	return c.eachPlane(p, func(n, ch int) {
		// dx = γ/σ · (dy − dβ/count − (x−mean)/σ · dγ/count)
		at := func(v *view) float64 { return float64(v.f[v.pos(ch, 0, 0, 0)]) }
		inv := 1 / math.Sqrt(at(variance)+eps)
		m := mean.f[mean.pos(ch, 0, 0, 0)]
		scale, shift, slope := float32(at(gamma)*inv), float32(at(dbeta)/count), float32(inv*at(dgamma)/count)
		for r := range p.rows {
			normGrad(dx.f[dx.pos(n, ch, r, 0):][:p.run], x.f[x.pos(n, ch, r, 0):][:p.run], dy.f[dy.pos(n, ch, r, 0):][:p.run], m, scale, shift, slope)
		}
	}), nil
}
