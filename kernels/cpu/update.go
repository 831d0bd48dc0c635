package cpu

import (
	"fmt"

	"cleave/kernels"
)

func bindRunningStat(c *call) (kernels.Launch, error) {
	if err := same(c.out.n, "running statistic", c.in...); err != nil {
		return nil, err
	}
	y, run, stat := c.out.f, c.in[0].f, c.in[1].f
	rate, unbias := c.d.Rate, c.d.Unbias
	return c.each(newLoop(&c.out, &c.in[0], &c.in[1]), func(at [maxViews]int, n int) {
		y, run, stat := y[at[0]:][:n], run[at[1]:][:n], stat[at[2]:][:n]
		for i, r := range run {
			y[i] = float32(float64(r) + rate*(unbias*float64(stat[i])-float64(r)))
		}
	}), nil
}

func bindSGD(c *call) (kernels.Launch, error) {
	w, m, g, rate := &c.in[0], &c.in[1], &c.in[2], &c.in[3]
	if err := same(c.out.n, "sgd", *w, *m, *g); err != nil {
		return nil, err
	}
	if err := vector(1, "sgd's rate", *rate); err != nil {
		return nil, err
	}
	mu, decay, sgd := float32(c.d.Mu), float32(c.d.Decay), c.b.tier.rows.sgd
	return c.each(newLoop(&c.out, w, m, g), func(at [maxViews]int, n int) {
		sgd(c.out.f[at[0]:][:n], w.f[at[1]:][:n], m.f[at[2]:][:n], g.f[at[3]:][:n], mu, decay, rate.f[rate.at])
	}), nil
}

func bindSumOfSquares(c *call) (kernels.Launch, error) {
	if err := vector(1, "sum of squares", c.out); err != nil {
		return nil, err
	}
	l := newLoop(&c.in[0])
	if len(c.ws) < 8*l.jobs {
		return nil, fmt.Errorf("the workspace is too small")
	}
	sums := doubles(c.ws)[:l.jobs] // one a job, added in order
	x, pool, out, squares := c.in[0].f, c.b.pool, &c.out, c.b.tier.rows.squares
	body := func(_, job int) {
		var s float64
		l.job(job, func(at [maxViews]int, n int) { s += squares(x[at[0]:][:n], 0) })
		sums[job] = s
	}
	return func() error {
		pool.run(l.jobs, body)
		var s float64
		for _, v := range sums {
			s += v
		}
		out.f[out.at] = float32(s)
		return nil
	}, nil
}
