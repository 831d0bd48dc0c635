package cpu

import "cleave/kernels"

// epilogue is what follows a convolution's sums (kernels.Epilogue). None of it takes a pass
// over memory: sums begin with the bias; batch norm scales the filters where they lie packed and
// changes what sums begin with, or, where outputs are fewer than filter elements or z is added
// to them anyway, is applied to a block of outputs when the job that has computed it ends, for
// caches hold it still. So is what a data gradient's z and ReLU do.
type epilogue struct {
	bias   *view // nil: none
	norm   *norm // likewise
	z      *view // likewise
	relu   bool
	passed *view // likewise: where it is not positive a data gradient is zero
}

// norm is batch norm from given statistics.
type norm struct {
	mean, variance, gamma, beta *view
	eps                         float64
}

// epilogue returns that of a convolution to y.
func (c *call) epilogue(y *view) (e epilogue, err error) {
	e.relu = c.d.Epilogue.ReLU
	bias, mean, z := c.d.Epilogue.ConvInputs()
	if bias > 0 {
		e.bias = &c.in[bias]
		err = vector(y.n[1], "convolution's bias", *e.bias)
	}
	if mean > 0 && err == nil {
		in := c.in[mean:][:4]
		e.norm = &norm{&in[0], &in[1], &in[2], &in[3], c.d.Eps}
		err = vector(y.n[1], "convolution's batch norm", in...)
	}
	if z > 0 && err == nil {
		e.z = &c.in[z]
		err = same(y.n, "what a convolution adds", *e.z)
	}
	return e, err
}

// gradEpilogue returns that of a data gradient.
func (c *call) gradEpilogue(dx *view) (e epilogue, err error) {
	z, y := c.d.Epilogue.GradInputs()
	if z > 0 {
		e.z = &c.in[z]
		err = same(dx.n, "what a data gradient adds", *e.z)
	}
	if y > 0 && err == nil {
		e.passed = &c.in[y]
		err = same(dx.n, "a data gradient's ReLU", *e.passed)
	}
	return e, err
}

// inRow returns the epilogue for outputs whose positions may have come into one row, with its
// operands like them; false if theirs cannot.
func (e epilogue) inRow(g *geometry, y, row *view) (epilogue, bool) {
	if row.n == y.n {
		return e, true
	}
	for _, v := range []**view{&e.z, &e.passed} {
		if *v == nil {
			continue
		}
		_, inRow, _, ok := g.flattened(**v, *y)
		if !ok {
			return e, false
		}
		*v = &inRow
	}
	return e, true
}

// split takes what reads operands like the outputs off an epilogue, and the ReLU behind it.
func (e *epilogue) split() epilogue {
	rest := epilogue{z: e.z, relu: e.relu, passed: e.passed}
	e.z, e.relu, e.passed = nil, false, nil
	return rest
}

// passes returns a launch that runs one and then what was split off its epilogue, in passes of
// their own.
func (c *call) passes(l kernels.Launch, rest epilogue) kernels.Launch {
	steps := []kernels.Launch{l}
	if rest.z != nil {
		steps = append(steps, c.add(&c.out, rest.z, rest.relu))
	}
	if rest.passed != nil {
		steps = append(steps, c.binary(&c.out, rest.passed, &c.out, c.b.tier.rows.reluGrad))
	}
	return inOrder(steps)
}

// first returns what a channel's sum begins with where no batch norm follows.
func (e *epilogue) first(ch int) float64 {
	if e.bias == nil {
		return 0
	}
	return float64(e.bias.of(ch))
}

// channel returns what a channel's products are multiplied with and what their sum begins with.
func (e *epilogue) channel(ch int) (scale, start float32) {
	first := e.first(ch)
	if e.norm == nil {
		return 1, float32(first)
	}
	s := e.norm.scale(ch)
	return float32(s), float32(float64(e.norm.beta.of(ch)) + (first-float64(e.norm.mean.of(ch)))*s)
}

// scale returns a channel's γ/σ.
func (n *norm) scale(ch int) float64 {
	return float64(n.gamma.of(ch)) * inverseDeviation(n.variance, ch, n.eps)
}

// finish is what remains to be done with outputs once a job has stored them:
// [(y − mean)·scale + shift] [+ z], then ReLU or its gradient if asked for.
type finish struct {
	epilogue
	y                  *view
	mean, scale, shift []float32 // of each channel, with a norm
	ops                *rowOps
}

// finish splits what is for finish off an epilogue; nil if nothing is. elements are those of
// the filters.
func (e *epilogue) finish(y *view, elements int, ops *rowOps) *finish {
	if e.z == nil && e.passed == nil && (e.norm == nil || y.n.Volume() >= elements) {
		return nil
	}
	f := &finish{epilogue: e.split(), y: y, ops: ops}
	if f.norm, e.norm = e.norm, nil; f.norm != nil {
		f.mean, f.scale, f.shift = make([]float32, y.n[1]), make([]float32, y.n[1]), make([]float32, y.n[1])
	}
	return f
}

// fill reads the channels' values.
func (f *finish) fill() {
	for ch := range f.scale {
		f.mean[ch], f.scale[ch], f.shift[ch] = f.norm.mean.of(ch), float32(f.norm.scale(ch)), f.norm.beta.of(ch)
	}
}

// block finishes samples, rows and columns from a corner on, of the channels from first to end.
func (f *finish) block(corner, size [3]int, first, end int) {
	for s := range size[0] {
		for h := range size[1] {
			at := [4]int{corner[0] + s, first, corner[1] + h, corner[2]}
			if f.norm != nil {
				f.normed(at, size[2], end-first)
			} else {
				f.summed(at, size[2], end-first)
			}
		}
	}
}

// from returns a view's elements from one on.
func (v *view) from(at [4]int) []float32 { return v.f[v.pos(at[0], at[1], at[2], at[3]):] }

// normed finishes n channels of some pixels with batch norm.
func (f *finish) normed(at [4]int, pixels, n int) {
	y, first := f.y.from(at), at[1]
	mean, scale, shift := f.mean[first:][:n], f.scale[first:][:n], f.shift[first:][:n]
	if f.z == nil {
		norm := f.ops.norm
		if f.relu {
			norm = f.ops.normReLU
		}
		norm(y, y, mean, scale, shift, pixels, n, f.y.st[3], f.y.st[3])
		return
	}
	norm := f.ops.normAdd
	if f.relu {
		norm = f.ops.normAddReLU
	}
	norm(y, y, f.z.from(at), mean, scale, shift, pixels, n, f.y.st[3], f.y.st[3], f.z.st[3])
}

// summed finishes n channels of some pixels without: in one go where nothing lies between them.
func (f *finish) summed(at [4]int, pixels, n int) {
	whole := f.y.st[3] == n && (f.z == nil || f.z.st[3] == n) && (f.passed == nil || f.passed.st[3] == n)
	if whole {
		pixels, n = 1, pixels*n
	}
	add := f.ops.add
	if f.relu {
		add = f.ops.addReLU
	}
	for range pixels {
		y := f.y.from(at)[:n]
		if f.z != nil {
			add(y, y, f.z.from(at))
		}
		if f.passed != nil {
			f.ops.reluGrad(y, f.passed.from(at), y)
		}
		at[3]++
	}
}

// scaled multiplies packed filters, rows as wide as the lanes from one on, with what batch
// norm multiplies their channels with.
func (b *bound) scaled(packs []float32, lane, width int) {
	if b.norm != nil {
		b.ops.norm(packs, packs, b.zeros, b.scales[lane:], b.zeros, len(packs)/width, width, width, width)
	}
}
