package cpu

import (
	"fmt"

	"cleave/kernels"
)

// of returns a vector's value for a channel.
func (v *view) of(ch int) float32 { return v.f[v.at+ch*v.st[0]] }

// set sets a vector's value for a channel.
func (v *view) set(ch int, value float32) { v.f[v.at+ch*v.st[0]] = value }

func bindBias(c *call) (kernels.Launch, error) {
	x, b, y := &c.in[0], &c.in[1], &c.out
	if err := same(y.n, "bias", *x); err != nil {
		return nil, err
	}
	if err := vector(y.n[1], "bias", *b); err != nil {
		return nil, err
	}
	p, shift := newPixels(pixelGrain, y, x).widen(pixelGrain), c.channelOps(y, x).shift
	if c.d.Epilogue.ReLU {
		shift = c.channelOps(y, x).shiftReLU
	}
	v := p.values()
	return c.eachPixel(p, func() { p.fill(v, b.of) }, func(at [maxViews]int, rows, width int) {
		shift(y.f[at[0]:], x.f[at[1]:], v, rows, width, p.pitch[0], p.pitch[1])
	}), nil
}

func bindBiasGrad(c *call) (kernels.Launch, error) {
	if err := vector(c.in[0].n[1], "bias gradient", c.out); err != nil {
		return nil, err
	}
	return c.sumOf(&c.in[0], 1)
}

func bindBNMean(c *call) (kernels.Launch, error) {
	if err := vector(c.in[0].n[1], "mean", c.out); err != nil {
		return nil, err
	}
	if !(c.d.Count > 0) {
		return nil, fmt.Errorf("count is %v", c.d.Count)
	}
	return c.sumOf(&c.in[0], c.d.Count)
}

// sumOf returns a launch for out ← sum of x over samples, rows and columns, divided by
// count.
func (c *call) sumOf(x *view, count float64) (kernels.Launch, error) {
	p, addSums, out := newSums(x), c.b.tier.rows.addSums, &c.out
	return c.channelSums(p, func() {}, func(to []float64, at [maxViews]int, rows, width int) {
		addSums(to, x.f[at[0]:], rows, width, p.pitch[0])
	}, func(ch int, sum float64) { out.set(ch, float32(sum/count)) })
}
