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
	p, addSquares := newSums(x), c.b.tier.rows.addSquares
	m := p.values()
	return c.channelSums(p, func() { p.fill(m, mean.of) }, func(to []float64, at [maxViews]int, rows, width int) {
		addSquares(to, x.f[at[0]:], m, rows, width, p.pitch[0])
	}, func(ch int, sum float64) { out.set(ch, float32(sum/count)) })
}

func bindBNStats(c *call) (kernels.Launch, error) {
	x, mean, out := &c.in[0], &c.in[1], &c.out
	if err := vector(x.n[1], "batch norm's statistics", c.out, *mean); err != nil {
		return nil, err
	}
	count := c.d.Count
	if !(count > 0) {
		return nil, fmt.Errorf("count is %v", count)
	}
	// Σ(x−m)² = Σx² − 2m·Σx + n·m². In double precision that loses nothing which a float's
	// own rounding has not lost, unless deviations are 10⁴ times smaller than the mean.
	p, n, addMoments := newSums(x), float64(x.n[0]*x.n[2]*x.n[3]), c.b.tier.rows.addMoments
	return c.pairSums(p, 2, func() {}, func(to, squares []float64, at [maxViews]int, rows, width int) {
		addMoments(to, squares, x.f[at[0]:], rows, width, p.pitch[0])
	}, func(ch int, sum, squares float64) {
		m := sum / count
		mean.set(ch, float32(m))
		out.set(ch, float32(max(0, squares-m*(2*sum-n*m))/count))
	})
}

func bindBN(c *call) (kernels.Launch, error) {
	x, y := &c.in[0], &c.out
	mean, variance, gamma, beta := &c.in[1], &c.in[2], &c.in[3], &c.in[4]
	if err := same(y.n, "batch norm", *x); err != nil {
		return nil, err
	}
	if err := vector(x.n[1], "batch norm", c.in[1:5]...); err != nil {
		return nil, err
	}
	views := []*view{y, x}
	if c.d.Epilogue.Add {
		if err := same(y.n, "what batch norm adds", c.in[5]); err != nil {
			return nil, err
		}
		views = append(views, &c.in[5])
	}
	p, eps, ops := newPixels(pixelGrain, views...).widen(pixelGrain), c.d.Eps, c.channelOps(y, views[1:]...)
	// y = x·scale + shift would cancel where the mean is large: subtract first.
	m, scale, shift := p.values(), p.values(), p.values()
	before := func() {
		p.fill(m, mean.of)
		p.fill(scale, func(ch int) float32 { return float32(float64(gamma.of(ch)) * inverseDeviation(variance, ch, eps)) })
		p.fill(shift, beta.of)
	}
	norm, normAdd := ops.norm, ops.normAdd
	if c.d.Epilogue.ReLU {
		norm, normAdd = ops.normReLU, ops.normAddReLU
	}
	if c.d.Epilogue.Add {
		z := &c.in[5]
		return c.eachPixel(p, before, func(at [maxViews]int, rows, width int) {
			normAdd(y.f[at[0]:], x.f[at[1]:], z.f[at[2]:], m, scale, shift, rows, width, p.pitch[0], p.pitch[1], p.pitch[2])
		}), nil
	}
	return c.eachPixel(p, before, func(at [maxViews]int, rows, width int) {
		norm(y.f[at[0]:], x.f[at[1]:], m, scale, shift, rows, width, p.pitch[0], p.pitch[1])
	}), nil
}

// inverseDeviation returns 1/σ of a channel.
func inverseDeviation(variance *view, ch int, eps float64) float64 {
	return 1 / math.Sqrt(float64(variance.of(ch))+eps)
}

func bindBNGammaGrad(c *call) (kernels.Launch, error) {
	x, mean, variance, dy, out := &c.in[0], &c.in[1], &c.in[2], &c.in[3], &c.out
	if err := same(x.n, "batch norm's gamma gradient", *dy); err != nil {
		return nil, err
	}
	if err := vector(x.n[1], "batch norm's gamma gradient", *mean, *variance, c.out); err != nil {
		return nil, err
	}
	p, eps, addProducts := newSums(x, dy), c.d.Eps, c.b.tier.rows.addProducts
	m := p.values()
	return c.channelSums(p, func() { p.fill(m, mean.of) }, func(to []float64, at [maxViews]int, rows, width int) {
		addProducts(to, x.f[at[0]:], dy.f[at[1]:], m, rows, width, p.pitch[0], p.pitch[1])
	}, func(ch int, sum float64) { out.set(ch, float32(sum*inverseDeviation(variance, ch, eps))) })
}

func bindBNSums(c *call) (kernels.Launch, error) {
	x, mean, variance, gamma, beta, dy, dbeta, out := &c.in[0], &c.in[1], &c.in[2], &c.in[3], &c.in[4], &c.in[5], &c.in[6], &c.out
	if err := same(x.n, "batch norm's gradients", *dy); err != nil {
		return nil, err
	}
	if err := vector(x.n[1], "batch norm's gradients", *mean, *variance, *gamma, *beta, *dbeta, c.out); err != nil {
		return nil, err
	}
	p, eps, ops := newSums(x, dy), c.d.Eps, &c.b.tier.rows
	m, scale, shift := p.values(), p.values(), p.values()
	before := func() {
		p.fill(m, mean.of)
		p.fill(scale, func(ch int) float32 { return float32(float64(gamma.of(ch)) * inverseDeviation(variance, ch, eps)) })
		p.fill(shift, beta.of)
	}
	add := func(to, products []float64, at [maxViews]int, rows, width int) {
		ops.addGrads(to, products, x.f[at[0]:], dy.f[at[1]:], m, rows, width, p.pitch[0], p.pitch[1])
	}
	if c.d.Epilogue.ReLU {
		add = func(to, products []float64, at [maxViews]int, rows, width int) {
			ops.addGradsReLU(to, products, x.f[at[0]:], dy.f[at[1]:], m, scale, shift, rows, width, p.pitch[0], p.pitch[1])
		}
	}
	return c.pairSums(p, 2, before, add, func(ch int, sum, products float64) {
		dbeta.set(ch, float32(sum))
		out.set(ch, float32(products*inverseDeviation(variance, ch, eps)))
	})
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
	if c.d.Epilogue.ReLU {
		if err := vector(x.n[1], "batch norm's gradient", c.in[7]); err != nil {
			return nil, err
		}
	}
	count := c.d.Count
	if !(count > 0) {
		return nil, fmt.Errorf("count is %v", count)
	}
	p, eps, ops := newPixels(pixelGrain, dx, x, dy).widen(pixelGrain), c.d.Eps, c.channelOps(dx, x, dy)
	// dx = γ/σ · (dy − dβ/count − (x−mean)/σ · dγ/count)
	m, scale, shift, slope := p.values(), p.values(), p.values(), p.values()
	before := func() {
		p.fill(m, mean.of)
		p.fill(scale, func(ch int) float32 { return float32(float64(gamma.of(ch)) * inverseDeviation(variance, ch, eps)) })
		p.fill(shift, func(ch int) float32 { return float32(float64(dbeta.of(ch)) / count) })
		p.fill(slope, func(ch int) float32 {
			return float32(inverseDeviation(variance, ch, eps) * float64(dgamma.of(ch)) / count)
		})
	}
	if c.d.Epilogue.ReLU {
		beta, bias := &c.in[7], p.values()
		all := func() {
			before()
			p.fill(bias, beta.of)
		}
		return c.eachPixel(p, all, func(at [maxViews]int, rows, width int) {
			ops.normReLUGrad(dx.f[at[0]:], x.f[at[1]:], dy.f[at[2]:], m, scale, bias, shift, slope, rows, width, p.pitch[0], p.pitch[1], p.pitch[2])
		}), nil
	}
	return c.eachPixel(p, before, func(at [maxViews]int, rows, width int) {
		ops.normGrad(dx.f[at[0]:], x.f[at[1]:], dy.f[at[2]:], m, scale, shift, slope, rows, width, p.pitch[0], p.pitch[1], p.pitch[2])
	}), nil
}
