package cpu

import (
	"fmt"

	"cleave/kernels"
	"cleave/layout"
)

func bindCopy(c *call) (kernels.Launch, error) {
	c.in[0], c.out = c.in[0].stepped(c.d.Step[0]), c.out.stepped(c.d.Step[1])
	if err := same(c.out.n, "copy", c.in[0]); err != nil {
		return nil, err
	}
	return c.copy(), nil
}

// copy returns a launch for out ← in[0].
func (c *call) copy() kernels.Launch {
	if c.out.u != nil {
		return move(c, c.out.u, c.in[0].u)
	}
	return move(c, c.out.w, c.in[0].w)
}

func move[T uint32 | byte](c *call, to, from []T) kernels.Launch {
	out, in := c.out, c.in[0]
	if l := newLoop(&out, &in); l.run > 4 || out.n[1] == 1 {
		return c.each(l, func(at [maxViews]int, n int) { copy(to[at[0]:][:n], from[at[1]:][:n]) })
	}
	// The formats differ: channels are the inner axis of one only. A job is one row.
	rows := out.n[2]
	body := func(_, job int) {
		n, h := job/rows, job%rows
		for ch := range out.n[1] {
			i, o := in.pos(n, ch, h, 0), out.pos(n, ch, h, 0)
			for range out.n[3] {
				to[o] = from[i]
				i += in.st[3]
				o += out.st[3]
			}
		}
	}
	pool := c.b.pool
	return func() error {
		pool.run(out.n[0]*rows, body)
		return nil
	}
}

func bindFlatten(c *call) (kernels.Launch, error)   { return c.flatten(&c.out, &c.in[0], true) }
func bindUnflatten(c *call) (kernels.Launch, error) { return c.flatten(&c.in[0], &c.out, false) }

// flatten copies between features (N×F×1×1) and the channels, rows and columns of x,
// whose feature Offset is the first of the features.
func (c *call) flatten(features, x *view, out bool) (kernels.Launch, error) {
	count := features.n[1]
	if features.n != (layout.Shape{x.n[0], count, 1, 1}) || c.d.Offset < 0 || c.d.Offset+count > x.n[1]*x.n[2]*x.n[3] {
		return nil, fmt.Errorf("features %v from %d are not those of %v", features.n, c.d.Offset, x.n)
	}
	run := x.n[3] // features that are neighbours in x
	if x.n[2] == 1 || x.st[2] == x.n[3] {
		run *= x.n[2]
	}
	f, y, first := features.f, x.f, c.d.Offset
	body := func(_, n int) {
		for i := 0; i < count; {
			e := first + i
			k := min(run-e%run, count-i)
			ch, row, col := e/(x.n[2]*x.n[3]), e/x.n[3]%x.n[2], e%x.n[3]
			at, to := x.pos(n, ch, row, col), features.pos(n, i, 0, 0)
			switch step := features.st[1]; {
			case step == 1 && out:
				copy(f[to:][:k], y[at:][:k])
			case step == 1:
				copy(y[at:][:k], f[to:][:k])
			case out:
				for j, v := range y[at:][:k] {
					f[to+j*step] = v
				}
			default:
				for j := range k {
					y[at+j] = f[to+j*step]
				}
			}
			i += k
		}
	}
	pool, samples := c.b.pool, x.n[0]
	return func() error {
		pool.run(samples, body)
		return nil
	}, nil
}
