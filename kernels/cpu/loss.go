package cpu

import (
	"fmt"
	"math"

	"cleave/kernels"
	"cleave/random"
)

// rows returns a launch that calls f for each sample, on all threads if there is enough
// to do.
func (c *call) rows(samples, classes int, f func(n int)) kernels.Launch {
	pool, per := c.b.pool, max(1, grain/8/max(1, classes)) // an exponential is worth some additions
	body := func(_, job int) {
		for n := job * per; n < min((job+1)*per, samples); n++ {
			f(n)
		}
	}
	jobs := (samples + per - 1) / per
	return func() error {
		pool.run(jobs, body)
		return nil
	}
}

// samples checks a logits operand and the vectors per sample that go with it.
func samples(x view, what string, vs ...view) error {
	if !x.points() {
		return fmt.Errorf("%s: logits %v have positions", what, x.n)
	}
	return vector(x.n[0], what, vs...)
}

// pairs checks that v holds two values per sample.
func pairs(n int, what string, v view) error {
	if v.n != [4]int{n, 2, 1, 1} {
		return fmt.Errorf("%s: %v is not two values for each of %d samples", what, v.n, n)
	}
	return nil
}

func bindRowMax(c *call) (kernels.Launch, error) {
	x, out := &c.in[0], &c.out
	if err := samples(*x, "row maximum", c.out); err != nil {
		return nil, err
	}
	return c.rows(x.n[0], x.n[1], func(n int) {
		m := x.f[x.pos(n, 0, 0, 0)]
		for k := 1; k < x.n[1]; k++ {
			m = max(m, x.f[x.pos(n, k, 0, 0)])
		}
		out.f[out.pos(n, 0, 0, 0)] = m
	}), nil
}

// label returns which of v's classes is sample n's label; outside 0 … classes-1: none.
func label(labels *view, n, offset int) int {
	l := int(labels.i[labels.pos(n, 0, 0, 0)])
	if l < 0 {
		return -1
	}
	return l - offset
}

func bindExpSum(c *call) (kernels.Launch, error) {
	x, labels, top, out := &c.in[0], &c.in[1], &c.in[2], &c.out
	if err := samples(*x, "exponential sum", *labels, *top); err != nil {
		return nil, err
	}
	if err := pairs(x.n[0], "exponential sum", c.out); err != nil {
		return nil, err
	}
	offset := c.d.Offset
	return c.rows(x.n[0], x.n[1], func(n int) {
		m := top.f[top.pos(n, 0, 0, 0)]
		var s float64
		for k := range x.n[1] {
			s += math.Exp(float64(x.f[x.pos(n, k, 0, 0)] - m))
		}
		out.f[out.pos(n, 0, 0, 0)] = float32(s)
		var own float32
		if l := label(labels, n, offset); l >= 0 && l < x.n[1] {
			own = x.f[x.pos(n, l, 0, 0)] - m
		}
		out.f[out.pos(n, 1, 0, 0)] = own
	}), nil
}

func bindCountAbove(c *call) (kernels.Launch, error) {
	x, labels, top, es, out := &c.in[0], &c.in[1], &c.in[2], &c.in[3], &c.out
	if err := samples(*x, "count above", *labels, *top, c.out); err != nil {
		return nil, err
	}
	if err := pairs(x.n[0], "count above", *es); err != nil {
		return nil, err
	}
	offset := c.d.Offset
	return c.rows(x.n[0], x.n[1], func(n int) {
		m, own, count := top.f[top.pos(n, 0, 0, 0)], es.f[es.pos(n, 1, 0, 0)], 0
		if labels.i[labels.pos(n, 0, 0, 0)] >= 0 {
			l := label(labels, n, offset)
			for k := range x.n[1] {
				if v := x.f[x.pos(n, k, 0, 0)] - m; v > own || v == own && k < l {
					count++
				}
			}
		}
		out.f[out.pos(n, 0, 0, 0)] = float32(count)
	}), nil
}

func bindLoss(c *call) (kernels.Launch, error) {
	labels, es, out := &c.in[0], &c.in[1], &c.out
	if err := vector(labels.n[0], "loss", *labels); err != nil {
		return nil, err
	}
	if err := pairs(labels.n[0], "loss", *es); err != nil {
		return nil, err
	}
	if err := vector(1, "loss", c.out); err != nil {
		return nil, err
	}
	count := c.d.Count
	if !(count > 0) {
		return nil, fmt.Errorf("count is %v", count)
	}
	return func() error {
		var s float64
		for n := range labels.n[0] {
			if labels.i[labels.pos(n, 0, 0, 0)] >= 0 {
				s += random.Log(float64(es.f[es.pos(n, 0, 0, 0)])) - float64(es.f[es.pos(n, 1, 0, 0)])
			}
		}
		out.f[out.at] = float32(s / count)
		return nil
	}, nil
}

func bindHits(c *call) (kernels.Launch, error) {
	labels, above, out := &c.in[0], &c.in[1], &c.out
	if err := vector(labels.n[0], "hits", *labels, *above); err != nil {
		return nil, err
	}
	if err := vector(2, "hits", c.out); err != nil {
		return nil, err
	}
	return func() error {
		var top1, top5 int
		for n := range labels.n[0] {
			if labels.i[labels.pos(n, 0, 0, 0)] < 0 {
				continue
			}
			if v := above.f[above.pos(n, 0, 0, 0)]; v < 5 {
				top5++
				if v < 1 {
					top1++
				}
			}
		}
		out.f[out.pos(0, 0, 0, 0)], out.f[out.pos(1, 0, 0, 0)] = float32(top1), float32(top5)
		return nil
	}, nil
}

func bindLossGrad(c *call) (kernels.Launch, error) {
	x, labels, top, es, seed, out := &c.in[0], &c.in[1], &c.in[2], &c.in[3], &c.in[4], &c.out
	if err := same(out.n, "loss gradient", *x); err != nil {
		return nil, err
	}
	if err := samples(*x, "loss gradient", *labels, *top); err != nil {
		return nil, err
	}
	if err := pairs(x.n[0], "loss gradient", *es); err != nil {
		return nil, err
	}
	if err := vector(1, "loss gradient's seed", *seed); err != nil {
		return nil, err
	}
	count, offset := c.d.Count, c.d.Offset
	if !(count > 0) {
		return nil, fmt.Errorf("count is %v", count)
	}
	return c.rows(x.n[0], x.n[1], func(n int) {
		if labels.i[labels.pos(n, 0, 0, 0)] < 0 {
			for k := range x.n[1] {
				out.f[out.pos(n, k, 0, 0)] = 0
			}
			return
		}
		scale := float64(seed.f[seed.at]) / count
		m, inv, l := top.f[top.pos(n, 0, 0, 0)], 1/float64(es.f[es.pos(n, 0, 0, 0)]), label(labels, n, offset)
		for k := range x.n[1] {
			p := math.Exp(float64(x.f[x.pos(n, k, 0, 0)]-m)) * inv
			if k == l {
				p--
			}
			out.f[out.pos(n, k, 0, 0)] = float32(p * scale)
		}
	}), nil
}
