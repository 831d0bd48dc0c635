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

// eachPlane returns a launch that calls f for all planes, on all threads.
func (c *call) eachPlane(p *planes, f func(n, c int)) kernels.Launch {
	pool := c.b.pool
	body := func(_, job int) { p.job(job, f) }
	return func() error {
		pool.run(p.jobs, body)
		return nil
	}
}

func bindReLU(c *call) (kernels.Launch, error) {
	if err := same(c.out.n, "relu", c.in[0]); err != nil {
		return nil, err
	}
	y, x, relu := c.out.f, c.in[0].f, c.b.tier.rows.relu
	return c.each(newLoop(&c.out, &c.in[0]), func(at [maxViews]int, n int) {
		relu(y[at[0]:][:n], x[at[1]:][:n])
	}), nil
}

func bindReLUGrad(c *call) (kernels.Launch, error) {
	if err := same(c.out.n, "relu gradient", c.in...); err != nil {
		return nil, err
	}
	dx, y, dy, reluGrad := c.out.f, c.in[0].f, c.in[1].f, c.b.tier.rows.reluGrad
	return c.each(newLoop(&c.out, &c.in[0], &c.in[1]), func(at [maxViews]int, n int) {
		reluGrad(dx[at[0]:][:n], y[at[1]:][:n], dy[at[2]:][:n])
	}), nil
}

func bindAdd(c *call) (kernels.Launch, error) {
	if err := same(c.out.n, "add", c.in...); err != nil {
		return nil, err
	}
	return c.add(&c.in[0], &c.in[1], c.d.Epilogue.ReLU), nil
}

// add returns a launch for out ← a + b.
func (c *call) add(a, b *view, relu bool) kernels.Launch {
	y, p, q, add := c.out.f, a.f, b.f, c.b.tier.rows.add
	if relu {
		add = c.b.tier.rows.addReLU
	}
	return c.each(newLoop(&c.out, a, b), func(at [maxViews]int, n int) {
		add(y[at[0]:][:n], p[at[1]:][:n], q[at[2]:][:n])
	})
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
	y, maximum := c.out.f, c.b.tier.rows.maximum
	for _, v := range c.in[1:] {
		steps = append(steps, c.each(newLoop(&c.out, &v), func(at [maxViews]int, n int) {
			maximum(y[at[0]:][:n], y[at[0]:][:n], v.f[at[1]:][:n])
		}))
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
