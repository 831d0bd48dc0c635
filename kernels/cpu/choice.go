package cpu

import "cleave/kernels"

// choice is the kernel that a convolution's call runs and how it is divided: one of five.
// Bind runs it, Sizer.Workspace measures it and Sizer.Kernel describes it.
type choice struct {
	linear     *linear
	linearGrad *linearDataGrad
	filterGrad *filterGrad
	narrowGrad *narrowGrad
	product    *product // with blocking
	blocking   blocking
}

// choose returns the choice for a convolution or gradient of that geometry. It is a
// function of its arguments alone.
func (g *geometry) choose(code kernels.Code, t *tier, threads int) (c choice) {
	switch {
	case code == kernels.ConvFilterGrad:
		if c.narrowGrad = g.narrowGrad(t, threads); c.narrowGrad == nil {
			c.filterGrad = g.filterGrad(t, threads)
		}
	case code == kernels.ConvForward && g.linear():
		c.linear = newLinear(g, t, threads)
	case code == kernels.ConvForward:
		c.product = g.forward()
	case g.linear():
		c.linearGrad = newLinearDataGrad(g, t, threads)
	default:
		c.product = g.dataGrad()
	}
	if c.product != nil {
		c.blocking = c.product.choose(t, threads)
	}
	return c
}

// inRow returns the geometry that a choice is made for, and views of x and y like it: with
// all positions in one row where they can be (flattened), but for the kernels of linear
// layers.
func (g geometry) inRow(code kernels.Code, x, y view) (geometry, view, view) {
	if code == kernels.ConvFilterGrad || !g.linear() {
		g, x, y, _ = g.flattened(x, y)
	}
	return g, x, y
}

// whole returns the geometry that a choice is made for if x and y are whole buffers.
func (g geometry) whole(code kernels.Code) geometry {
	buffer := func(channels int, size [2]int) view {
		v := view{n: [4]int{g.samples, channels, size[0], size[1]}}
		v.st, _ = strides(kernels.NHWC, v.n)
		return v
	}
	g, _, _ = g.inRow(code, buffer(g.groups*g.c, g.in), buffer(g.groups*g.k, g.out))
	return g
}

// workspace is the scratch memory in bytes.
func (c *choice) workspace(threads int) int64 {
	switch {
	case c.linear != nil:
		return c.linear.workspace(threads)
	case c.linearGrad != nil:
		return c.linearGrad.workspace(threads)
	case c.filterGrad != nil:
		return c.filterGrad.workspace(threads)
	case c.narrowGrad != nil:
		return c.narrowGrad.workspace(threads)
	}
	return c.product.workspace(&c.blocking, threads)
}

// choose returns what a bound call runs, and views of x and y for it.
func (c *call) choose(g *geometry, x, y *view) (choice, view, view) {
	row, fx, fy := g.inRow(c.d.Code, *x, *y)
	return row.choose(c.d.Code, c.b.tier, c.b.Threads), fx, fy
}
