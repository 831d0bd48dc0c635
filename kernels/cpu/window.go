package cpu

import (
	"fmt"
	"math"

	"cleave/kernels"
)

// pooling is the geometry of a pool from x's planes to y's.
type pooling struct {
	h, wd      int      // x's rows and columns
	rows, cols []span   // of x, under each row and column of y
	parts      [2][]int // how many rows and columns the divisor counts
}

type span struct{ lo, hi int }

func newPooling(w kernels.Window, x, y *view) (*pooling, error) {
	p := &pooling{h: x.n[2], wd: x.n[3]}
	if x.n[0] != y.n[0] || x.n[1] != y.n[1] {
		return nil, fmt.Errorf("pool: %v does not match %v", x.n, y.n)
	}
	for a := range 2 {
		if w.Kernel[a] < 1 || w.Stride[a] < 1 || min(w.Pad[2*a], w.Pad[2*a+1]) < 0 || w.Pad[2*a] >= w.Kernel[a] {
			return nil, fmt.Errorf("pool: window %v, stride %v, padding %v", w.Kernel, w.Stride, w.Pad)
		}
		size, before, after := x.n[2+a], w.Pad[0], w.Pad[1]
		if a == 1 {
			before, after = w.Pad[2], w.Pad[3]
		}
		for o := range y.n[2+a] {
			first := o*w.Stride[a] - before
			if first >= size {
				return nil, fmt.Errorf("pool: window %d begins beyond the %d rows or columns of %v", o, size, x.n)
			}
			end := min(first+w.Kernel[a], size+after)
			s := span{max(first, 0), min(first+w.Kernel[a], size)}
			part := end - first
			if !w.CountPad {
				part = max(0, s.hi-s.lo)
			}
			p.parts[a] = append(p.parts[a], part)
			if a == 0 {
				p.rows = append(p.rows, s)
			} else {
				p.cols = append(p.cols, s)
			}
		}
	}
	return p, nil
}

func bindMaxPool(c *call) (kernels.Launch, error) {
	x, y := &c.in[0], &c.out
	p, err := newPooling(c.d.Window, x, y)
	if err != nil {
		return nil, err
	}
	planes, maximum, pool := newPlanes(x), c.b.tier.rows.maximum, c.b.pool
	// A line is the maximum of a window's rows, with the padding that windows reach; of it
	// and its neighbours to the right the maximum is taken in turn.
	kernel, stride, left := c.d.Window.Kernel[1], c.d.Window.Stride[1], c.d.Window.Pad[2]
	length := poolLine(c.d.Window, len(p.cols))
	inside := min(p.wd, length-left)
	lines, size := of[float32](c.ws), poolScratch(c.d.Window, len(p.cols))
	body := func(thread, job int) {
		line := lines[thread*size:][:length]
		best := lines[thread*size+size/2:][:length-kernel+1]
		lowest := float32(math.Inf(-1))
		planes.job(job, func(n, ch int) {
			for oh, rs := range p.rows {
				for i := range line {
					line[i] = lowest
				}
				for h := rs.lo; h < rs.hi; h++ {
					part := line[left:][:inside]
					maximum(part, part, x.f[x.pos(n, ch, h, 0):][:inside])
				}
				copy(best, line)
				for s := 1; s < kernel; s++ {
					maximum(best, best, line[s:][:len(best)])
				}
				to := y.f[y.pos(n, ch, oh, 0):][:len(p.cols)]
				for ow := range to {
					to[ow] = best[ow*stride]
				}
			}
		})
	}
	return func() error {
		pool.run(planes.jobs, body)
		return nil
	}, nil
}

// poolLine is how many columns, padding included, so many windows reach.
func poolLine(w kernels.Window, windows int) int { return (windows-1)*w.Stride[1] + w.Kernel[1] }

// poolScratch is the scratch memory in floats that a thread needs for such lines.
func poolScratch(w kernels.Window, windows int) int { return 2 * roundUp(poolLine(w, windows), 16) }

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
	planes, pool := newPlanes(x), c.b.pool
	l := newPoolLines(c.d.Window, p.h, p.wd, len(p.cols))
	ws, size, ops := of[float32](c.ws), l.floats(), &c.b.tier.rows
	body := func(thread, job int) {
		local := ws[thread*size:][:size]
		planes.job(job, func(n, ch int) {
			l.split(ops, local, x, n, ch)
			for oh, rs := range p.rows {
				l.row(ops, local, y.f[y.pos(n, ch, oh, 0):][:len(p.cols)], dy.f[dy.pos(n, ch, oh, 0):][:len(p.cols)], rs)
			}
			l.join(ops, local, dx, n, ch)
		})
	}
	return func() error {
		pool.run(planes.jobs, body)
		return nil
	}, nil
}

func bindAvgPool(c *call) (kernels.Launch, error) {
	x, y := &c.in[0], &c.out
	p, err := newPooling(c.d.Window, x, y)
	if err != nil {
		return nil, err
	}
	return c.eachPlane(newPlanes(x), func(n, ch int) {
		for oh, rs := range p.rows {
			to := y.f[y.pos(n, ch, oh, 0):][:len(p.cols)]
			for ow, s := range p.cols {
				var sum float32
				for h := rs.lo; h < rs.hi; h++ {
					row := x.f[x.pos(n, ch, h, 0):][:p.wd]
					for w := s.lo; w < s.hi; w++ {
						sum += row[w]
					}
				}
				to[ow] = sum / float32(max(1, p.parts[0][oh]*p.parts[1][ow]))
			}
		}
	}), nil
}

func bindAvgPoolGrad(c *call) (kernels.Launch, error) {
	dy, dx := &c.in[0], &c.out
	p, err := newPooling(c.d.Window, dx, dy)
	if err != nil {
		return nil, err
	}
	return c.eachPlane(newPlanes(dx), func(n, ch int) {
		for h := range p.h {
			clear(dx.f[dx.pos(n, ch, h, 0):][:p.wd])
		}
		for oh, rs := range p.rows {
			g := dy.f[dy.pos(n, ch, oh, 0):][:len(p.cols)]
			for ow, s := range p.cols {
				v := g[ow] / float32(max(1, p.parts[0][oh]*p.parts[1][ow]))
				for h := rs.lo; h < rs.hi; h++ {
					row := dx.f[dx.pos(n, ch, h, 0):][:p.wd]
					for w := s.lo; w < s.hi; w++ {
						row[w] += v
					}
				}
			}
		}
	}), nil
}
