package cpu

import (
	"fmt"

	"cleave/kernels"
)

// pooling is the geometry of a pool from x's rows and columns to y's.
type pooling struct {
	rows, cols []stretch // in y's order
	h          int       // x's rows
	stride     int       // between windows of a row, in columns
	apart      bool      // no windows overlap
	whole      bool      // windows hold all of x
}

// stretch is windows along one axis that follow each other and hold as many indices.
type stretch struct {
	first, windows int // in y
	lo, size       int // the first window's indices in x
	part           int // indices that the divisor counts
}

// newPooling checks a window and divides y's rows and columns: rows one by one, columns
// into as few stretches as there may be.
func newPooling(w kernels.Window, x, y *view) (*pooling, error) {
	if x.n[0] != y.n[0] || x.n[1] != y.n[1] {
		return nil, fmt.Errorf("pool: %v does not match %v", x.n, y.n)
	}
	var axes [2][]stretch
	for a := range 2 {
		if w.Kernel[a] < 1 || w.Stride[a] < 1 || min(w.Pad[2*a], w.Pad[2*a+1]) < 0 || w.Pad[2*a] >= w.Kernel[a] {
			return nil, fmt.Errorf("pool: window %v, stride %v, padding %v", w.Kernel, w.Stride, w.Pad)
		}
		size, before, after := x.n[2+a], w.Pad[2*a], w.Pad[2*a+1]
		for o := range y.n[2+a] {
			begin := o*w.Stride[a] - before
			if begin >= size {
				return nil, fmt.Errorf("pool: window %d begins beyond the %d rows or columns of %v", o, size, x.n)
			}
			s := stretch{first: o, windows: 1, lo: max(begin, 0)}
			s.size = min(begin+w.Kernel[a], size) - s.lo
			s.part = s.size
			if w.CountPad {
				s.part = min(begin+w.Kernel[a], size+after) - begin
			}
			if all := axes[a]; a == 1 && o > 0 {
				if l := &all[len(all)-1]; l.size == s.size && l.part == s.part && l.lo+l.windows*w.Stride[a] == s.lo {
					l.windows++
					continue
				}
			}
			axes[a] = append(axes[a], s)
		}
	}
	p := &pooling{rows: axes[0], cols: axes[1], h: x.n[2], stride: w.Stride[1]}
	p.apart = y.n[2]*y.n[3] == 1 || w.Kernel[0] <= w.Stride[0] && w.Kernel[1] <= w.Stride[1]
	p.whole = w.Kernel[0] >= w.Stride[0] && w.Kernel[1] >= w.Stride[1]
	for a, all := range axes {
		last := &all[len(all)-1]
		p.whole = p.whole && last.lo+(last.windows-1)*w.Stride[a]+last.size == x.n[2+a]
	}
	return p, nil
}

// steps returns the steps between the pixels of v, x or its gradient, under windows.
func (p *pooling) steps(v *view) tapSteps { return tapSteps{p.stride * v.st[3], v.st[2], v.st[3]} }

// divisor returns what the sum of a window is divided by.
func (p *pooling) divisor(row, col *stretch) float32 { return float32(max(1, row.part*col.part)) }

// eachRow returns a launch that calls f for the rows of windows of all samples and their
// stretches.
func (c *call) eachRow(p *pooling, x *view, f func(n int, row, col *stretch)) kernels.Launch {
	rows := len(p.rows)
	items := x.n[0] * rows
	per := max(1, pixelGrain/ceil(x.n.Volume(), items))
	body := func(_, job int) {
		for i := job * per; i < min((job+1)*per, items); i++ {
			for s := range p.cols {
				f(i/rows, &p.rows[i%rows], &p.cols[s])
			}
		}
	}
	pool, jobs := c.b.pool, ceil(items, per)
	return func() error {
		pool.run(jobs, body)
		return nil
	}
}

func bindMaxPool(c *call) (kernels.Launch, error) {
	x, y := &c.in[0], &c.out
	p, err := newPooling(c.d.Window, x, y)
	if err != nil {
		return nil, err
	}
	steps, windowMax := p.steps(x), c.b.tier.rows.windowMax
	return c.eachRow(p, x, func(n int, row, col *stretch) {
		windowMax(y.f[y.pos(n, 0, row.first, col.first):], x.f[x.pos(n, 0, row.lo, col.lo):], col.windows, y.n[1], row.size, col.size, y.st[3], steps)
	}), nil
}

// index returns what the pixel of a stretch's windows that comes first is counted as, and how
// many pixels follow each of its rows in the window that are not in x.
func (p *pooling) index(w kernels.Window, row, col *stretch) (first, skip int32) {
	r, s := row.lo-(row.first*w.Stride[0]-w.Pad[0]), col.lo-(col.first*w.Stride[1]-w.Pad[2])
	return int32(r*w.Kernel[1] + s), int32(w.Kernel[1] - col.size)
}

func bindMaxPoolIndex(c *call) (kernels.Launch, error) {
	x, at, y := &c.in[0], &c.in[1], &c.out
	p, err := newPooling(c.d.Window, x, y)
	if err != nil {
		return nil, err
	}
	if err := indexed(c.d.Window, y, at); err != nil {
		return nil, err
	}
	steps, windowMaxIndex, w := p.steps(x), c.b.tier.rows.windowMaxIndex, c.d.Window
	return c.eachRow(p, x, func(n int, row, col *stretch) {
		first, skip := p.index(w, row, col)
		windowMaxIndex(y.f[y.pos(n, 0, row.first, col.first):], x.f[x.pos(n, 0, row.lo, col.lo):], at.u[at.pos(n, 0, row.first, col.first):],
			col.windows, y.n[1], row.size, col.size, y.st[3], at.st[3], steps, first, skip)
	}), nil
}

// indexed reports an error unless at has an index of a pixel for each of y's windows.
func indexed(w kernels.Window, y, at *view) error {
	if w.Kernel[0]*w.Kernel[1] > kernels.MaxIndexed {
		return fmt.Errorf("a window of %v has more than %d pixels", w.Kernel, kernels.MaxIndexed)
	}
	return same(y.n, "max pool's index", *at)
}

func bindMaxPoolIndexGrad(c *call) (kernels.Launch, error) {
	dy, at, dx := &c.in[0], &c.in[1], &c.out
	p, err := newPooling(c.d.Window, dx, dy)
	if err != nil {
		return nil, err
	}
	if err := indexed(c.d.Window, dy, at); err != nil {
		return nil, err
	}
	steps, windowPickIndex, w := p.steps(dx), c.b.tier.rows.windowPickIndex, c.d.Window
	return c.scatter(p, true, func(n, ch, channels int, row, col *stretch) {
		first, skip := p.index(w, row, col)
		windowPickIndex(dx.f[dx.pos(n, ch, row.lo, col.lo):], dy.f[dy.pos(n, ch, row.first, col.first):], at.u[at.pos(n, ch, row.first, col.first):],
			col.windows, channels, row.size, col.size, dy.st[3], at.st[3], steps, first, skip)
	}), nil
}

func bindAvgPool(c *call) (kernels.Launch, error) {
	x, y := &c.in[0], &c.out
	p, err := newPooling(c.d.Window, x, y)
	if err != nil {
		return nil, err
	}
	steps, windowMean := p.steps(x), c.b.tier.rows.windowMean
	return c.eachRow(p, x, func(n int, row, col *stretch) {
		windowMean(y.f[y.pos(n, 0, row.first, col.first):], x.f[x.pos(n, 0, row.lo, col.lo):], col.windows, y.n[1], row.size, col.size, y.st[3], steps, p.divisor(row, col))
	}), nil
}

func bindMaxPoolGrad(c *call) (kernels.Launch, error) {
	x, y, dy, dx := &c.in[0], &c.in[1], &c.in[2], &c.out
	p, err := newPooling(c.d.Window, x, y)
	if err != nil {
		return nil, err
	}
	if err := same(y.n, "max pool's gradient", *dy); err != nil {
		return nil, err
	}
	if err := same(dx.n, "max pool's gradient", *x); err != nil {
		return nil, err
	}
	dxs, xs, windowPick := p.steps(dx), p.steps(x), c.b.tier.rows.windowPick
	return c.scatter(p, true, func(n, ch, channels int, row, col *stretch) {
		windowPick(dx.f[dx.pos(n, ch, row.lo, col.lo):], x.f[x.pos(n, ch, row.lo, col.lo):], y.f[y.pos(n, ch, row.first, col.first):], dy.f[dy.pos(n, ch, row.first, col.first):],
			col.windows, channels, row.size, col.size, y.st[3], dy.st[3], dxs, xs)
	}), nil
}

func bindAvgPoolGrad(c *call) (kernels.Launch, error) {
	dy, dx := &c.in[0], &c.out
	p, err := newPooling(c.d.Window, dx, dy)
	if err != nil {
		return nil, err
	}
	dxs, windowSpread, scale := p.steps(dx), c.b.tier.rows.windowSpread, c.b.tier.rows.scale
	if p.apart {
		return c.scatter(p, !p.whole, func(n, ch, channels int, row, col *stretch) {
			factor := 1 / p.divisor(row, col)
			for w := range col.windows {
				for h := range row.size {
					scale(dx.f[dx.pos(n, ch, row.lo+h, col.lo+w*p.stride):], dy.f[dy.pos(n, ch, row.first, col.first+w):], col.size, channels, dxs.col, 0, factor)
				}
			}
		}), nil
	}
	return c.scatter(p, true, func(n, ch, channels int, row, col *stretch) {
		windowSpread(dx.f[dx.pos(n, ch, row.lo, col.lo):], dy.f[dy.pos(n, ch, row.first, col.first):], col.windows, channels, row.size, col.size, dy.st[3], dxs, p.divisor(row, col))
	}), nil
}

// scatter returns a launch that clears the output, if need be, and calls f, which adds to
// it, for all rows of windows and their stretches in order. Windows overlap, so a job has a
// sample; where samples are few, a part of the channels of one.
func (c *call) scatter(p *pooling, unclean bool, f func(n, ch, channels int, row, col *stretch)) kernels.Launch {
	dx := &c.out
	samples, channels := dx.n[0], dx.n[1]
	const enough, least = 8, 32 // jobs, channels of one
	parts := max(1, min(ceil(enough, samples), channels/least))
	part := roundUp(ceil(channels, parts), 8)
	parts = ceil(channels, part)
	per := max(1, pixelGrain/(dx.n[2]*dx.n[3]*channels))
	items := samples * parts
	body := func(_, job int) {
		for i := job * per; i < min((job+1)*per, items); i++ {
			n, ch := i/parts, i%parts*part
			count, cleared := min(part, channels-ch), 0
			if !unclean {
				cleared = p.h
			}
			for r := range p.rows {
				row := &p.rows[r]
				cleared = dx.clearRows(n, ch, count, cleared, row.lo+row.size)
				for s := range p.cols {
					f(n, ch, count, row, &p.cols[s])
				}
			}
			dx.clearRows(n, ch, count, cleared, p.h)
		}
	}
	pool, jobs := c.b.pool, ceil(items, per)
	return func() error {
		pool.run(jobs, body)
		return nil
	}
}

// clearRows clears some channels of rows lo … hi−1 and returns the first row beyond.
func (v *view) clearRows(n, ch, channels, lo, hi int) int {
	for h := lo; h < hi; h++ {
		if v.st[3] == channels || v.n[3] == 1 {
			clear(v.f[v.pos(n, ch, h, 0):][:v.n[3]*channels])
			continue
		}
		for w := range v.n[3] {
			clear(v.f[v.pos(n, ch, h, w):][:channels])
		}
	}
	return max(lo, hi)
}
