package choose

// perPixel launches a kernel with values per channel on a channelwise walk, in blocks of
// channels × pixels, each thread for four pixels or more.
func (c *call) perPixel(kernel string, w *walk, args ...any) {
	block, across := w.across()
	along := min(ceil(w.n[1]*w.n[2]*w.n[3], 4*block[1]), max(1, maxBlocks/across))
	c.launch(kernel, [3]int{across, along, 1}, block, 0, append([]any{w.pixels()}, args...)...)
}

// vec returns the arguments VECTOR_PARAMS of channels.h.
func (v *view) vec() []Arg { return []Arg{v.ptr(), num(v.st[0])} }

func chooseBias(c *call) error {
	if err := c.same(0); err != nil {
		return err
	}
	if err := c.vectors(c.out.n[1], 1); err != nil {
		return err
	}
	w := channelwise(&c.out, &c.in[0])
	name := w.run("bias_fwd")
	c.perPixel(name, w, w.view(0), w.view(1), c.in[1].vec(), yes(c.d.Epilogue.ReLU))
	return nil
}

func chooseBN(c *call) error {
	if err := c.same(0); err != nil {
		return err
	}
	if err := c.vectors(c.out.n[1], 1, 2, 3, 4); err != nil {
		return err
	}
	kernel, views := "bn_fwd", []*view{&c.out, &c.in[0]}
	if c.d.Epilogue.Add {
		if err := c.same(5); err != nil {
			return err
		}
		kernel, views = "bn_add_fwd", append(views, &c.in[5])
	}
	w := channelwise(views...)
	name := w.run(kernel)
	args := []any{w.view(0), w.view(1), c.in[1].vec(), c.in[2].vec(), c.in[3].vec(), c.in[4].vec(), float(c.d.Eps), yes(c.d.Epilogue.ReLU)}
	if c.d.Epilogue.Add {
		args = append(args, w.view(2))
	}
	c.perPixel(name, w, args...)
	return nil
}

func chooseBNGrad(c *call) error {
	if err := c.same(0, 6); err != nil {
		return err
	}
	if err := c.vectors(c.out.n[1], 1, 2, 3, 4, 5); err != nil {
		return err
	}
	if err := c.counted(); err != nil {
		return err
	}
	beta := []Arg{null(), num(0)}
	if c.d.Epilogue.ReLU {
		if err := c.vectors(c.out.n[1], 7); err != nil {
			return err
		}
		beta = c.in[7].vec()
	}
	w := channelwise(&c.out, &c.in[0], &c.in[6])
	name := w.run("bn_bwd")
	c.perPixel(name, w, w.view(0), w.view(1), c.in[1].vec(), c.in[2].vec(), c.in[3].vec(), c.in[4].vec(), c.in[5].vec(), beta, w.view(2), float(c.d.Eps), float(c.d.Count))
	return nil
}
