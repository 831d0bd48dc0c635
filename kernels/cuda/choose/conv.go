package choose

import (
	"fmt"
	"slices"

	"cleave/kernels"
)

// conv is the geometry of a convolution, the same in all three passes.
type conv struct {
	d       kernels.Desc
	x, w, y *view
	bias, z *view // or nil
	relu    bool
	passed  *view // or nil: where it is not positive a data gradient is zero
	groups  int
	c, k    int // channels and filters of a group
}

// conv checks a call's operands and names them.
func (c *call) conv() (*conv, error) {
	g := &conv{d: c.d, groups: max(1, c.d.Groups)}
	if _, err := c.types(); err != nil {
		return nil, err
	}
	switch c.d.Code {
	case kernels.ConvForward:
		g.x, g.w, g.y, g.relu = &c.in[0], &c.in[1], &c.out, c.d.Epilogue.ReLU
		bias, mean, z := c.d.Epilogue.ConvInputs()
		if bias > 0 {
			g.bias = &c.in[bias]
		}
		if mean > 0 {
			if err := c.vectors(g.y.n[1], mean, mean+1, mean+2, mean+3); err != nil {
				return nil, err
			}
		}
		if z > 0 {
			g.z = &c.in[z]
			if err := c.same(z); err != nil {
				return nil, err
			}
		}
	case kernels.ConvDataGrad:
		g.x, g.w, g.y = &c.out, &c.in[1], &c.in[0]
		z, passed := c.d.Epilogue.GradInputs()
		if z > 0 {
			g.z = &c.in[z]
			if err := c.same(z); err != nil {
				return nil, err
			}
		}
		if passed > 0 {
			g.passed = &c.in[passed]
			if err := c.same(passed); err != nil {
				return nil, err
			}
		}
	default:
		g.x, g.w, g.y = &c.in[0], &c.out, &c.in[1]
	}
	g.c, g.k = g.x.n[1]/g.groups, g.y.n[1]/g.groups
	return g, g.check()
}

// check reports an error unless the shapes fit together and the window is one.
func (g *conv) check() error {
	for _, v := range []*view{g.x, g.w, g.y, g.bias, g.z, g.passed} {
		if v != nil && v.dtype != kernels.F32 {
			return fmt.Errorf("element type %d, takes single precision", v.dtype)
		}
	}
	win := g.d.Window
	for a := range 2 {
		if win.Kernel[a] < 1 || win.Stride[a] < 1 || win.Dilation[a] < 1 || win.Pad[2*a] < 0 || win.Pad[2*a+1] < 0 {
			return fmt.Errorf("a window of %+v", win)
		}
	}
	if g.groups*g.c != g.x.n[1] || g.groups*g.k != g.y.n[1] {
		return fmt.Errorf("%d groups do not divide %d channels and %d filters", g.groups, g.x.n[1], g.y.n[1])
	}
	if w := g.w.n; w[0] != g.y.n[1] || w[1] != g.c || w[2] != win.Kernel[0] || w[3] != win.Kernel[1] {
		return fmt.Errorf("filters of %v in %d groups for %v and %v", w, g.groups, g.x.n, g.y.n)
	}
	if g.x.n[0] != g.y.n[0] {
		return fmt.Errorf("%d samples and %d", g.x.n[0], g.y.n[0])
	}
	for a := range 2 {
		reach := (g.y.n[2+a]-1)*win.Stride[a] + win.Dilation[a]*(win.Kernel[a]-1) + 1
		if reach > g.x.n[2+a]+win.Pad[2*a]+win.Pad[2*a+1] {
			return fmt.Errorf("%v has more rows or columns than windows of %+v fit into %v", g.y.n, win, g.x.n)
		}
	}
	if g.bias != nil && g.bias.n[0] != g.y.n[1] {
		return fmt.Errorf("a bias of %v for %v", g.bias.n, g.y.n)
	}
	return nil
}

// operand is a view's address and strides.
func (v *view) operand() []Arg { return append([]Arg{v.ptr()}, v.steps()...) }

// geometry is what all of the kernels take: N, G, C, K, H, W, P, Q, R, S and the window.
func (g *conv) geometry() []Arg {
	win := g.d.Window
	return nums(g.x.n[0], g.groups, g.c, g.k, g.x.n[2], g.x.n[3], g.y.n[2], g.y.n[3], win.Kernel[0], win.Kernel[1],
		win.Stride[0], win.Stride[1], win.Dilation[0], win.Dilation[1], win.Pad[0], win.Pad[2])
}

// way is one way to compute a call. Whether it is there and its workspace are functions of
// the descriptor and the boxes' extents.
type way struct {
	name   string
	lies   bool    // whether the operands lie as it needs them
	adds   bool    // whether its kernels add z
	bytes  int64   // of the workspace
	work   float64 // instructions, as far as families are compared by them
	launch func(c *call, scratch int64)
}

// ways lists those of a convolution, best first. The last runs any. Where narrow groups have a
// ring there is nothing better; else they are packed where that takes fewer
// instructions than a product of matrices does, whose tiles they do not fill.
func (g *conv) ways() []way {
	if all := ringWays(g); len(all) > 0 {
		return slices.Concat(all, gemmWays(g), anyWays(g))
	}
	packed, gemm := packWays(g), gemmWays(g)
	if len(packed) > 0 && len(gemm) > 0 && packed[0].work > packGain*gemm[0].work {
		packed, gemm = gemm, packed
	}
	return slices.Concat(packed, gemm, anyWays(g))
}

// packGain is the share of gemm's instructions below which pack is taken.
const packGain = 0.9

// chooseConv launches the best way. A call takes the workspace of the hungriest, so that
// how operands lie does not matter to the plan.
func chooseConv(c *call) error {
	return c.chooseWay(func(w *way) bool { return w.lies })
}

// chooseWay launches the first way that is wanted.
func (c *call) chooseWay(want func(w *way) bool) error {
	g, err := c.conv()
	if err != nil {
		return err
	}
	g.fold(c)
	ways := g.ways()
	var bytes int64
	for _, w := range ways {
		bytes = max(bytes, w.bytes)
	}
	scratch := c.scratch(bytes)
	for i := range ways {
		if want(&ways[i]) {
			g.run(c, &ways[i], scratch)
			return nil
		}
	}
	return errUnknown
}
