package choose

func chooseReLU(c *call) error {
	if err := c.same(0); err != nil {
		return err
	}
	c.each("relu_fwd", c.elements(&c.in[0]))
	return nil
}

func chooseReLUGrad(c *call) error {
	if err := c.same(0, 1); err != nil {
		return err
	}
	c.each("relu_bwd", c.elements(&c.in[0], &c.in[1]))
	return nil
}

func chooseAdd(c *call) error {
	if err := c.same(0, 1); err != nil {
		return err
	}
	c.each("add_fwd", c.elements(&c.in[0], &c.in[1]), yes(c.d.Epilogue.ReLU))
	return nil
}

func chooseSum(c *call) error { return c.several("sum") }
func chooseMax(c *call) error { return c.several("max") }

// elements returns a walk over the output and inputs of its shape.
func (c *call) elements(in ...*view) *walk {
	return merged(c.out.inward(), append([]*view{&c.out}, in...)...)
}

// several takes any number of inputs, four at once: later launches take what there is of the
// output first.
func (c *call) several(kernel string) error {
	const most = 4
	var rest []*view
	for i := range c.in {
		if err := c.same(i); err != nil {
			return err
		}
		rest = append(rest, &c.in[i])
	}
	for len(rest) > 0 {
		n := min(len(rest), most)
		w := c.elements(rest[:n]...)
		name, args := w.run(kernel), []any{w.box(), w.view(0), num(n)}
		for i := range most {
			args = append(args, w.view(1+min(i, n-1)))
		}
		c.launch(name, line(w.total(), threads), [3]int{threads, 1, 1}, 0, args...)
		if rest = rest[n:]; len(rest) > 0 {
			rest = append([]*view{&c.out}, rest...)
		}
	}
	return nil
}

func chooseFillConst(c *call) error {
	c.each("fill_const", c.elements(), float(c.d.Value))
	return nil
}

func chooseRunningStat(c *call) error {
	if err := c.same(0, 1); err != nil {
		return err
	}
	c.each("running_stat", c.elements(&c.in[0], &c.in[1]), double(c.d.Rate), double(c.d.Unbias))
	return nil
}
