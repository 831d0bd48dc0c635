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
	if l := newLoop(&c.out, &c.in[0]); l.run > 1 {
		return c.runs(l, func(at [maxViews]int, rows, n int) {
			strideGo(to[at[0]:], from[at[1]:], rows, n, l.pitch[0], 1, l.pitch[1], 1)
		})
	}
	return moveGrid(c, newGrid(&c.out, &c.in[0]), to, from)
}

func bindFlatten(c *call) (kernels.Launch, error)   { return c.flatten(&c.out, &c.in[0], true) }
func bindUnflatten(c *call) (kernels.Launch, error) { return c.flatten(&c.in[0], &c.out, false) }

// flatten copies between features (N×F×1×1) and the channels, rows and columns of x,
// whose feature Offset is the first of the features. In features the positions of a
// channel are neighbours, in x the channels of a position.
func (c *call) flatten(features, x *view, out bool) (kernels.Launch, error) {
	count, first, positions := features.n[1], c.d.Offset, x.n[2]*x.n[3]
	if features.n != (layout.Shape{x.n[0], count, 1, 1}) || first < 0 || first+count > x.n[1]*positions {
		return nil, fmt.Errorf("features %v from %d are not those of %v", features.n, first, x.n)
	}
	rows, cols := x.n[2], x.n[3]
	if x.st[2] == cols*x.st[3] {
		rows, cols = 1, rows*cols
	}
	transpose, y, f := c.b.tier.rows.transpose, x.w, features.w
	// move copies so many columns of a row of x, in channels lo to hi.
	move := func(n, row, col, cols, lo, hi int) {
		at := x.pos(n, lo, 0, 0) + row*x.st[2] + col*x.st[3]
		to := features.pos(n, lo*positions+row*x.n[3]+col-first, 0, 0)
		if out {
			transpose(f[to:], y[at:], cols, hi-lo, positions, x.st[3])
		} else {
			transpose(y[at:], f[to:], hi-lo, cols, x.st[3], positions)
		}
	}
	// part copies positions lo to hi of one channel.
	part := func(n, ch, lo, hi int) {
		for lo < hi {
			row, col := lo/cols, lo%cols
			k := min(cols-col, hi-lo)
			move(n, row, col, k, ch, ch+1)
			lo += k
		}
	}
	last := first + count
	lo, hi := ceil(first, positions), last/positions // channels of which all positions are copied
	body := func(_, n int) {
		if lo > hi { // a part of one channel
			part(n, hi, first-hi*positions, last-hi*positions)
			return
		}
		part(n, lo-1, first-(lo-1)*positions, positions)
		if lo < hi {
			for row := range rows {
				move(n, row, 0, cols, lo, hi)
			}
		}
		part(n, hi, 0, last-hi*positions)
	}
	pool, samples := c.b.pool, x.n[0]
	return func() error {
		pool.run(samples, body)
		return nil
	}, nil
}
