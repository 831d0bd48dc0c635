package cpu

import "cleave/kernels"

// A convolution and its data gradient are products of packed filters with a padded copy of
// x or dy (product.go); the filter gradient is dot products of dy's rows with a padded
// copy of x (filtergrad.go). With one position, as in linear layers, they are matrix
// products over the batch.

func bindConvForward(c *call) (kernels.Launch, error) {
	x, w, y := &c.in[0], &c.in[1], &c.out
	g, err := newGeometry(c.d, x.n, w.n, y.n)
	if err != nil {
		return nil, err
	}
	var bias *view
	if c.d.Epilogue.Bias {
		bias = &c.in[2]
		if err := vector(y.n[1], "convolution's bias", *bias); err != nil {
			return nil, err
		}
	}
	if g.linear() {
		return c.linear(newLinear(&g, c.b.tier, c.b.Threads), x, w, y, bias), nil
	}
	p := g.forward()
	if x.flat() && y.flat() {
		p.flatten()
	}
	p.block(c.b.tier, c.b.Threads)
	rows := packedRows{w.f, w.at, g.k * w.st[0], w.st[0], w.st[1], w.st[2], w.st[3]}
	return c.launch(p, rows, grouped{x, g.c * x.st[1]}, grouped{y, g.k * y.st[1]}, bias), nil
}

func bindConvDataGrad(c *call) (kernels.Launch, error) {
	dy, w, dx := &c.in[0], &c.in[1], &c.out
	g, err := newGeometry(c.d, dx.n, w.n, dy.n)
	if err != nil {
		return nil, err
	}
	if g.linear() {
		// dx (N×C) = dy (N×K) · w (K×C): the source's channels are w's rows.
		p := g.linearDataGrad()
		p.block(c.b.tier, c.b.Threads)
		rows := packedRows{dy.f, dy.at, g.k * dy.st[1], dy.st[0], dy.st[1], 0, 0}
		src := &view{f: w.f, at: w.at, st: [4]int{0, w.st[0], 0, w.st[1]}}
		out := &view{f: dx.f, at: dx.at, st: [4]int{0, dx.st[0], 0, dx.st[1]}}
		return c.launch(p, rows, grouped{src, g.k * w.st[0]}, grouped{out, g.c * dx.st[1]}, nil), nil
	}
	p := g.dataGrad()
	if dx.flat() && dy.flat() {
		p.flatten()
	}
	p.block(c.b.tier, c.b.Threads)
	rows := packedRows{w.f, w.at, g.k * w.st[0], w.st[1], w.st[0], w.st[2], w.st[3]}
	return c.launch(p, rows, grouped{dy, g.k * dy.st[1]}, grouped{dx, g.c * dx.st[1]}, nil), nil
}

func bindConvFilterGrad(c *call) (kernels.Launch, error) {
	x, dy, dw := &c.in[0], &c.in[1], &c.out
	g, err := newGeometry(c.d, x.n, dw.n, dy.n)
	if err != nil {
		return nil, err
	}
	if g.linear() {
		// dw (K×C) = dyᵀ (K×N) · x (N×C): the source's channels are x's samples.
		p := g.linearFilterGrad()
		p.block(c.b.tier, c.b.Threads)
		rows := packedRows{dy.f, dy.at, g.k * dy.st[1], dy.st[1], dy.st[0], 0, 0}
		src := &view{f: x.f, at: x.at, st: [4]int{0, x.st[0], 0, x.st[1]}}
		out := &view{f: dw.f, at: dw.at, st: [4]int{0, dw.st[0], 0, dw.st[1]}}
		return c.launch(p, rows, grouped{src, g.c * x.st[1]}, grouped{out, g.k * dw.st[0]}, nil), nil
	}
	f := newFilterGrad(&g, c.b.tier, c.b.Threads)
	return c.filterGrad(f, x, dy, dw), nil
}

// linearDataGrad returns the product that is a linear layer's data gradient.
func (g *geometry) linearDataGrad() *product { return matrix(g.groups, g.samples, g.k, g.c) }

// linearFilterGrad returns the product that is a linear layer's filter gradient.
func (g *geometry) linearFilterGrad() *product { return matrix(g.groups, g.k, g.samples, g.c) }
