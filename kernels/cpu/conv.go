package cpu

import "cleave/kernels"

// A convolution and its data gradient are sums over taps and channels of packed filters
// times the source (product.go: geometry, blocking.go: how it is divided, positions.go: which
// positions take which taps, multiply.go: how it runs); a filter gradient is sums over
// positions (filtergrad.go, accumulate.go). Tiles (tile.go) hold the sums in registers; 3×3 ones
// in groups that fill vectors need no copy of the source (direct.go), those in narrow groups
// read one in an order of its own on AVX-512 (dealttile.go), as filter gradients of narrow groups
// do (narrowgrad.go), and windows in groups that fill no vectors read planes (planartile.go). A
// 1×1 convolution has all its positions in one row; with one position, as in linear layers, dot
// products and linearGrad take its place.
// Which of them runs a call is decided in choice.go, what follows a convolution's sums is in
// epilogue.go.

func bindConvForward(c *call) (kernels.Launch, error) {
	x, w, y := &c.in[0], &c.in[1], &c.out
	g, err := newGeometry(c.d, x.n, w.n, y.n)
	if err != nil {
		return nil, err
	}
	e, err := c.epilogue(y)
	if err != nil {
		return nil, err
	}
	how, fx, fy := c.choose(&g, x, y)
	if how.linear != nil {
		return c.linear(how.linear, x, w, y, e), nil
	}
	o := w.filters(g.k)
	if e.inRow(&g, y, &fy) {
		return c.launch(how.product, how.blocking, o, &fx, &fy, e), nil
	}
	z, relu := e.z, e.relu // in a pass of its own: its positions do not lie as y's
	e.z, e.relu = nil, false
	return inOrder([]kernels.Launch{c.launch(how.product, how.blocking, o, &fx, &fy, e), c.add(y, z, relu)}), nil
}

func bindConvDataGrad(c *call) (kernels.Launch, error) {
	dy, w, dx := &c.in[0], &c.in[1], &c.out
	g, err := newGeometry(c.d, dx.n, w.n, dy.n)
	if err != nil {
		return nil, err
	}
	e, err := c.gradEpilogue(dx)
	if err != nil {
		return nil, err
	}
	how, fx, fy := c.choose(&g, dx, dy)
	if how.linearGrad == nil && e.inRow(&g, dx, &fx) {
		return c.launch(how.product, how.blocking, w.filters(g.k).turned(), &fy, &fx, e), nil
	}
	var steps []kernels.Launch
	if how.linearGrad != nil {
		steps = append(steps, c.linearDataGrad(how.linearGrad, dy, w, dx))
	} else {
		steps = append(steps, c.launch(how.product, how.blocking, w.filters(g.k).turned(), &fy, &fx, epilogue{}))
	}
	if e.z != nil {
		steps = append(steps, c.add(dx, e.z, false))
	}
	if e.passed != nil {
		steps = append(steps, c.binary(dx, e.passed, dx, c.b.tier.rows.reluGrad))
	}
	return inOrder(steps), nil
}

func bindConvFilterGrad(c *call) (kernels.Launch, error) {
	x, dy, dw := &c.in[0], &c.in[1], &c.out
	g, err := newGeometry(c.d, x.n, dw.n, dy.n)
	if err != nil {
		return nil, err
	}
	how, fx, fy := c.choose(&g, x, dy)
	if how.narrowGrad != nil {
		return c.narrowGrad(how.narrowGrad, &fx, &fy, dw), nil
	}
	return c.filterGrad(how.filterGrad, &fx, &fy, dw.filters(g.k)), nil
}
