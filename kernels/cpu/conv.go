package cpu

import "cleave/kernels"

// A convolution and its data gradient are sums over taps and channels of packed filters
// times the source (product.go: geometry, blocking.go: how it is divided, positions.go: which
// positions take which taps, multiply.go: how it runs); a filter gradient is sums over
// positions (filtergrad.go, outerjob.go, accumulate.go). Tiles (tile.go) hold the sums in
// registers; 3×3 ones in groups that fill vectors need no copy of the source (direct.go; depthwise
// ones several rows at a time, squaretile.go), those in narrow groups read one in an order of its
// own on AVX-512 (dealttile.go), as filter gradients of narrow groups do (narrowgrad.go); their
// tiles make the next copy while they multiply (dealing.go), as those of other filter gradients do
// (copying.go). Windows in groups that fill no vectors read planes (planartile.go). A 1×1
// convolution has all its positions in one row; with one position, as in linear layers, dot
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
	return c.product(&how, &g, w.filters(g.k), &fx, &fy, e), nil
}

// product returns a launch for a choice that is one. src and out are as choose returned them.
func (c *call) product(how *choice, g *geometry, o filters, src, out *view, e epilogue) kernels.Launch {
	if e, ok := e.inRow(g, &c.out, out); ok {
		return c.launch(how.product, how.blocking, o, src, out, e)
	}
	rest := e.split()
	return c.passes(c.launch(how.product, how.blocking, o, src, out, e), rest)
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
	if how.linearGrad != nil {
		return c.passes(c.linearDataGrad(how.linearGrad, dy, w, dx), e), nil
	}
	return c.product(&how, &g, w.filters(g.k).turned(), &fy, &fx, e), nil
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
