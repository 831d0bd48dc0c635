package choose

import (
	"fmt"

	"cleave/kernels"
	"cleave/layout"
)

// pool checks a window from x's rows and columns to y's and returns the arguments
// POOL_PARAMS of pool.h.
func (c *call) pool(x, y layout.Shape) ([]Arg, error) {
	w := c.d.Window
	if x[0] != y[0] || x[1] != y[1] {
		return nil, fmt.Errorf("%v does not match %v", x, y)
	}
	for a := range 2 {
		if w.Kernel[a] < 1 || w.Stride[a] < 1 || min(w.Pad[2*a], w.Pad[2*a+1]) < 0 || w.Pad[2*a] >= w.Kernel[a] {
			return nil, fmt.Errorf("window %v, stride %v, padding %v", w.Kernel, w.Stride, w.Pad)
		}
		if last := y[2+a] - 1; last*w.Stride[a]-w.Pad[2*a] >= x[2+a] {
			return nil, fmt.Errorf("window %d begins beyond the %d rows or columns of %v", last, x[2+a], x)
		}
	}
	return nums(w.Kernel[0], w.Kernel[1], w.Stride[0], w.Stride[1], w.Pad[0], w.Pad[2], x[2], x[3], y[2], y[3]), nil
}

// perWindow launches a kernel of a pool: a thread for each run of the walk's first view.
func (c *call) perWindow(kernel string, w *walk, args ...any) {
	c.launch(kernel, line(w.total(), threads), [3]int{threads, 1, 1}, 0, append([]any{w.box()}, args...)...)
}

// sized returns the name of the kernel for the window's size, if there is one for it.
func (c *call) sized(kernel string, vs ...*view) (string, *walk) {
	w := pixelwise(vs...)
	if !aligned(vs...) || !w.widen(4) {
		return kernel + "_run1_f32", w
	}
	switch c.d.Window.Kernel {
	case [2]int{3, 3}:
		kernel += "_3x3"
	case [2]int{2, 2}:
		kernel += "_2x2"
	}
	return kernel + "_run4_f32", w
}

// aligned reports whether every pixel's channels are whole aligned quads in all views.
func aligned(vs ...*view) bool {
	for _, v := range vs {
		if !v.quads() {
			return false
		}
	}
	return true
}

func chooseMaxPool(c *call) error {
	window, err := c.pool(c.in[0].n, c.out.n)
	if err != nil {
		return err
	}
	name, w := c.sized("maxpool_fwd", &c.out, &c.in[0])
	c.perWindow(name, w, window, w.view(0), w.view(1))
	return nil
}

// chooseMaxPoolGrad finds out to which pixel each window's dy goes, in two bytes a window,
// then gathers them.
func chooseMaxPoolGrad(c *call) error {
	x, y, dy, dx := &c.in[0], &c.in[1], &c.in[2], &c.out
	window, err := c.pool(x.n, y.n)
	if err != nil {
		return err
	}
	if err := c.same(0); err != nil {
		return err
	}
	if err := equal(y, dy, "dy"); err != nil {
		return err
	}
	if taps := c.d.Window.Kernel[0] * c.d.Window.Kernel[1]; taps >= 1<<16-1 {
		return fmt.Errorf("a window of %d pixels, at most %d have a gradient", taps, 1<<16-2)
	}
	taps := at(c.scratch(2 * int64(y.n.Volume())))
	name, w := c.sized("maxpool_find", y, x)
	c.perWindow(name, w, window, taps, w.view(1), w.view(0))
	n := y.n
	c.gather("maxpool_gather", window, pixelwise(dx, dy), func(run int) []Arg {
		return append([]Arg{taps}, nums(run, n[1], n[3]*n[1], n[2]*n[3]*n[1])...)
	})
	return nil
}

// gather launches a kernel that adds up to a walk's first view, dx, what of its second, dy,
// belongs there. taps returns the arguments VIEW_PARAMS of the taps, for runs of so many elements.
func (c *call) gather(kernel string, window []Arg, w *walk, taps func(run int) []Arg) {
	if kernel += "_run"; aligned(w.views...) && w.widen(4) {
		kernel += "4_f32"
	} else {
		kernel += "1_f32"
	}
	c.perWindow(kernel, w, window, w.view(0), taps(w.width), w.view(1))
}

func chooseMaxPoolIndex(c *call) error {
	window, err := c.indexed(c.in[0].n, &c.out)
	if err != nil {
		return err
	}
	name, w := c.sized("maxpool_index", &c.out, &c.in[0], &c.in[1])
	c.perWindow(name, w, window, w.view(0), w.view(2), w.view(1))
	return nil
}

func chooseMaxPoolIndexGrad(c *call) error {
	window, err := c.indexed(c.out.n, &c.in[0])
	if err != nil {
		return err
	}
	w := pixelwise(&c.out, &c.in[0], &c.in[1])
	c.gather("maxpool_index_bwd", window, w, func(int) []Arg { return w.view(2) })
	return nil
}

// indexed is pool for windows that the second input has an index of a pixel for.
func (c *call) indexed(x layout.Shape, y *view) ([]Arg, error) {
	if taps := c.d.Window.Kernel[0] * c.d.Window.Kernel[1]; taps > kernels.MaxIndexed {
		return nil, fmt.Errorf("a window of %d pixels, at most %d have an index", taps, kernels.MaxIndexed)
	}
	if err := equal(y, &c.in[1], "the index"); err != nil {
		return nil, err
	}
	return c.pool(x, y.n)
}

func chooseAvgPool(c *call) error { return c.avgPool("avgpool_fwd", c.in[0].n, c.out.n) }

func chooseAvgPoolGrad(c *call) error { return c.avgPool("avgpool_bwd", c.out.n, c.in[0].n) }

// avgPool launches an average pool from x to y, or its gradient.
func (c *call) avgPool(kernel string, x, y layout.Shape) error {
	window, err := c.pool(x, y)
	if err != nil {
		return err
	}
	w := pixelwise(&c.out, &c.in[0])
	name := kernel + "_run1_f32"
	if aligned(&c.out, &c.in[0]) && w.widen(4) {
		name = kernel + "_run4_f32"
	}
	pad := c.d.Window.Pad
	c.perWindow(name, w, window, yes(c.d.Window.CountPad), nums(x[2]+pad[1], x[3]+pad[3]), w.view(0), w.view(1))
	return nil
}
