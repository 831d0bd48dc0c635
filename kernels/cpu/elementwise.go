package cpu

import "cleave/kernels"

// each returns a launch that calls f for all pieces of the loop, on all threads.
func (c *call) each(l *loop, f func(at [maxViews]int, n int)) kernels.Launch {
	pool := c.b.pool
	body := func(_, job int) { l.job(job, f) }
	return func() error {
		pool.run(l.jobs, body)
		return nil
	}
}

// runs returns a launch that calls f for several runs at a time (loop.runs), on all
// threads.
func (c *call) runs(l *loop, f func(at [maxViews]int, rows, n int)) kernels.Launch {
	pool := c.b.pool
	body := func(_, job int) { l.runs(job, f) }
	return func() error {
		pool.run(l.jobs, body)
		return nil
	}
}

// binary returns a launch that runs op on y, a and b, which have one shape.
func (c *call) binary(y, a, b *view, op func(y, a, b []float32)) kernels.Launch {
	l := newLoop(y, a, b)
	return c.runs(l, func(at [maxViews]int, rows, n int) {
		to, p, q := y.f[at[0]:], a.f[at[1]:], b.f[at[2]:]
		for i := range rows {
			op(to[i*l.pitch[0]:][:n], p[i*l.pitch[1]:][:n], q[i*l.pitch[2]:][:n])
		}
	})
}

func bindReLU(c *call) (kernels.Launch, error) {
	if err := same(c.out.n, "relu", c.in[0]); err != nil {
		return nil, err
	}
	y, x, relu, l := c.out.f, c.in[0].f, c.b.tier.rows.relu, newLoop(&c.out, &c.in[0])
	return c.runs(l, func(at [maxViews]int, rows, n int) {
		to, from := y[at[0]:], x[at[1]:]
		for i := range rows {
			relu(to[i*l.pitch[0]:][:n], from[i*l.pitch[1]:][:n])
		}
	}), nil
}

func bindReLUGrad(c *call) (kernels.Launch, error) {
	if err := same(c.out.n, "relu gradient", c.in...); err != nil {
		return nil, err
	}
	return c.binary(&c.out, &c.in[0], &c.in[1], c.b.tier.rows.reluGrad), nil
}

func bindAdd(c *call) (kernels.Launch, error) {
	if err := same(c.out.n, "add", c.in...); err != nil {
		return nil, err
	}
	return c.add(&c.in[0], &c.in[1], c.d.Epilogue.ReLU), nil
}

// add returns a launch for out ← a + b.
func (c *call) add(a, b *view, relu bool) kernels.Launch {
	if relu {
		return c.binary(&c.out, a, b, c.b.tier.rows.addReLU)
	}
	return c.binary(&c.out, a, b, c.b.tier.rows.add)
}

func bindSum(c *call) (kernels.Launch, error) {
	if err := same(c.out.n, "sum", c.in...); err != nil {
		return nil, err
	}
	if len(c.in) == 1 {
		return c.copy(), nil
	}
	steps := []kernels.Launch{c.add(&c.in[0], &c.in[1], false)}
	for i := range c.in[2:] {
		steps = append(steps, c.add(&c.out, &c.in[2+i], false))
	}
	return inOrder(steps), nil
}

func bindMax(c *call) (kernels.Launch, error) {
	if err := same(c.out.n, "max", c.in...); err != nil {
		return nil, err
	}
	steps := []kernels.Launch{c.copy()}
	for i := range c.in[1:] {
		steps = append(steps, c.binary(&c.out, &c.out, &c.in[1+i], c.b.tier.rows.maximum))
	}
	return inOrder(steps), nil
}

// inOrder returns a launch that runs all of steps.
func inOrder(steps []kernels.Launch) kernels.Launch {
	if len(steps) == 1 {
		return steps[0]
	}
	return func() error {
		for _, s := range steps {
			if err := s(); err != nil {
				return err
			}
		}
		return nil
	}
}

func bindFillConst(c *call) (kernels.Launch, error) {
	y, v := c.out.f, float32(c.d.Value)
	return c.each(newLoop(&c.out), func(at [maxViews]int, n int) {
		y := y[at[0]:][:n]
		for i := range y {
			y[i] = v
		}
	}), nil
}
