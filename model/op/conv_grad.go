package op

import "cleave/layout"

// ConvDataGrad is a convolution's gradient with respect to its input: dx of x, w, dy. Of
// x it needs only the shape; dx's home follows x's.
type ConvDataGrad struct {
	Geometry
	local
}

func (ConvDataGrad) Kind() string { return "conv-data-grad" }

func (o ConvDataGrad) Out(in []layout.Shape) (layout.Shape, error) {
	return convGradShape(o, o.Geometry, in, 0)
}

// convGradShape checks the inputs x, w and dy and returns the shape of input i.
func convGradShape(o Op, g Geometry, in []layout.Shape, i int) (layout.Shape, error) {
	if err := arity(o, in, 3); err != nil {
		return layout.Shape{}, err
	}
	y, err := g.check(o, in[0], in[1])
	if err != nil {
		return layout.Shape{}, err
	}
	return in[i], equal(o, in, y, 2)
}

func (o ConvDataGrad) Reduction(in []layout.Shape) Reduction {
	return Reduction{In: 2, Axis: 1, Per: in[1][0] / o.Groups}
}

func (o ConvDataGrad) per(in []layout.Shape) (c, k int) { return in[1][1], in[1][0] / o.Groups }

func (o ConvDataGrad) Reach(in []layout.Shape, w layout.Work) layout.Box {
	c, k := o.per(in)
	return w.Out.With(1, w.Out[1].And(across(w.Red, k, c)))
}

func (o ConvDataGrad) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	c, k := o.per(in)
	sum := w.Red.And(across(w.Out[1], c, k))
	switch i {
	case 1:
		cols := layout.Span{Lo: 0, Hi: c}
		if g, ok := within(w.Out[1], c); ok {
			cols = w.Out[1].Add(-g * c)
		}
		return boxes(w, planes(in[1], sum, cols))
	case 2:
		return boxes(w, planes(in[2], w.Out[0], sum))
	}
	return nil
}

func (o ConvDataGrad) Cost(in []layout.Shape, w layout.Work) Cost {
	cost := moved(o, in, w)
	if !w.Empty() {
		c, k := o.per(in)
		cost.MACs = pairs(w.Out[1], w.Red, c, k) * int64(w.Out[0].Len()*in[2][2]*in[2][3]*in[1][2]*in[1][3])
	}
	return cost
}

func (o ConvDataGrad) Run(in []layout.Shape, w layout.Work, dx Frag, a []Frag) {
	f, dy := a[1], a[2]
	pc, pk := o.per(in)
	rowsOut, colsOut := layout.Span{Lo: 0, Hi: in[2][2]}, layout.Span{Lo: 0, Hi: in[2][3]}
	sh, sw := o.Stride[0], o.Stride[1]
	dx.fill(w.Out, 0)
	for n := w.Out[0].Lo; n < w.Out[0].Hi; n++ {
		for c := w.Out[1].Lo; c < w.Out[1].Hi; c++ {
			g := c / pc
			ks := w.Red.And(layout.Span{Lo: g * pk, Hi: (g + 1) * pk})
			for k := ks.Lo; k < ks.Hi; k++ {
				for r := range in[1][2] {
					offH := r*o.Dilation[0] - o.Pad[0]
					ps := taps(rowsOut, sh, offH, w.Out[2])
					for s := range in[1][3] {
						offW := s*o.Dilation[1] - o.Pad[2]
						qs := taps(colsOut, sw, offW, w.Out[3])
						if qs.Len() == 0 {
							continue
						}
						v := f.Data[f.At(k, c-g*pc, r, s)]
						for p := ps.Lo; p < ps.Hi; p++ {
							src := dy.row(n, k, p, qs)
							dst := dx.Data[dx.At(n, c, p*sh+offH, qs.Lo*sw+offW):]
							for i, d := range src {
								dst[i*sw] += v * d
							}
						}
					}
				}
			}
		}
	}
}

// ConvFilterGrad is a convolution's gradient with respect to its filters: dw of x, w, dy.
// Of w it needs only the shape; dw's home follows w's. It sums over the batch.
type ConvFilterGrad struct {
	Geometry
	batchSum
}

func (ConvFilterGrad) Kind() string      { return "conv-filter-grad" }
func (ConvFilterGrad) Like() int         { return 1 }
func (ConvFilterGrad) Dims(in []int) int { return in[1] }

func (o ConvFilterGrad) Out(in []layout.Shape) (layout.Shape, error) {
	return convGradShape(o, o.Geometry, in, 1)
}

func (ConvFilterGrad) Reduction(in []layout.Shape) Reduction {
	return Reduction{In: 2, Axis: 0, Per: in[2][0]}
}

func (o ConvFilterGrad) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	c, k := in[1][1], in[1][0]/o.Groups
	switch i {
	case 0:
		cs := across(w.Out[0], k, c)
		if g, ok := within(w.Out[0], k); ok {
			cs = w.Out[1].Add(g * c)
		}
		return boxes(w, planes(in[0], w.Red, cs))
	case 2:
		return boxes(w, planes(in[2], w.Red, w.Out[0]))
	}
	return nil
}

func (o ConvFilterGrad) Cost(in []layout.Shape, w layout.Work) Cost {
	cost := moved(o, in, w)
	cost.MACs = int64(w.Out.Volume()) * int64(w.Red.Len()*in[2][2]*in[2][3])
	return cost
}

func (o ConvFilterGrad) Run(in []layout.Shape, w layout.Work, dw Frag, a []Frag) {
	x, dy := a[0], a[2]
	pc, pk := in[1][1], in[1][0]/o.Groups
	rowsIn, colsIn := layout.Span{Lo: 0, Hi: in[0][2]}, layout.Span{Lo: 0, Hi: in[0][3]}
	rowsOut, colsOut := layout.Span{Lo: 0, Hi: in[2][2]}, layout.Span{Lo: 0, Hi: in[2][3]}
	sh, sw := o.Stride[0], o.Stride[1]
	rows(w.Out, func(k, c, r int) {
		from := k/pk*pc + c
		offH := r*o.Dilation[0] - o.Pad[0]
		ps := taps(rowsOut, sh, offH, rowsIn)
		for s := w.Out[3].Lo; s < w.Out[3].Hi; s++ {
			offW := s*o.Dilation[1] - o.Pad[2]
			qs := taps(colsOut, sw, offW, colsIn)
			sum := 0.0
			if qs.Len() > 0 {
				for n := w.Red.Lo; n < w.Red.Hi; n++ {
					for p := ps.Lo; p < ps.Hi; p++ {
						src := x.Data[x.At(n, from, p*sh+offH, qs.Lo*sw+offW):]
						for i, d := range dy.row(n, k, p, qs) {
							sum += src[i*sw] * d
						}
					}
				}
			}
			dw.Data[dw.At(k, c, r, s)] = sum
		}
	})
}
