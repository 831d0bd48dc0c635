package op

import (
	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// Conv is a grouped convolution: y (N×K×P×Q) of x (N×C×H×W) and w (K×(C/G)×R×S), without
// a bias. A linear layer is a Conv of N×F inputs with K×F weights, see Linear.
type Conv struct {
	Geometry
	local
}

// Linear returns the Conv that is a linear layer: x is N×F, w is K×F, y is N×K.
func Linear() Conv {
	return Conv{Geometry: Geometry{Groups: 1, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}}}
}

func (Conv) Kind() string   { return "conv" }
func (Conv) Like() int      { return -1 }
func (Conv) Wrt(i int) bool { return i < 2 }

func (o Conv) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 2); err != nil {
		return layout.Shape{}, err
	}
	return o.check(o, in[0], in[1])
}

func (o Conv) Reduction(in []layout.Shape) Reduction {
	return Reduction{In: 0, Axis: 1, Per: in[1][1]}
}

// per returns the channels that a group has in x and in y.
func (o Conv) per(in []layout.Shape) (c, k int) { return in[1][1], in[1][0] / o.Groups }

func (o Conv) Reach(in []layout.Shape, w layout.Work) layout.Box {
	c, k := o.per(in)
	return w.Out.With(1, w.Out[1].And(across(w.Red, c, k)))
}

func (o Conv) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	c, k := o.per(in)
	sum := w.Red.And(across(w.Out[1], k, c))
	if i == 0 {
		return boxes(w, planes(in[0], w.Out[0], sum))
	}
	cols := layout.Span{Lo: 0, Hi: c}
	if g, ok := within(w.Out[1], k); ok {
		cols = sum.Add(-g * c)
	}
	return boxes(w, planes(in[1], w.Out[1], cols))
}

func (o Conv) Cost(in []layout.Shape, w layout.Work) Cost {
	cost := moved(o, in, w)
	if !w.Empty() {
		c, k := o.per(in)
		cost.MACs = pairs(w.Out[1], w.Red, k, c) * int64(w.Out[0].Len()*w.Out[2].Len()*w.Out[3].Len()*in[1][2]*in[1][3])
	}
	return cost
}

func (o Conv) Diff(layer string, in G.Nodes, _, grad *G.Node, need []bool) (G.Nodes, error) {
	out := make(G.Nodes, 2)
	var err error
	if need[0] {
		if out[0], err = Apply(layer, ConvDataGrad{Geometry: o.Geometry}, in[0], in[1], grad); err != nil {
			return nil, err
		}
	}
	if need[1] {
		if out[1], err = Apply(layer, ConvFilterGrad{Geometry: o.Geometry}, in[0], in[1], grad); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o Conv) Run(in []layout.Shape, w layout.Work, y Frag, a []Frag) {
	x, f := a[0], a[1]
	pc, pk := o.per(in)
	rowsIn, colsIn := layout.Span{Lo: 0, Hi: in[0][2]}, layout.Span{Lo: 0, Hi: in[0][3]}
	sh, sw := o.Stride[0], o.Stride[1]
	y.fill(w.Out, 0)
	for n := w.Out[0].Lo; n < w.Out[0].Hi; n++ {
		for k := w.Out[1].Lo; k < w.Out[1].Hi; k++ {
			g := k / pk
			cs := w.Red.And(layout.Span{Lo: g * pc, Hi: (g + 1) * pc})
			for c := cs.Lo; c < cs.Hi; c++ {
				for r := range in[1][2] {
					offH := r*o.Dilation[0] - o.Pad[0]
					ps := taps(w.Out[2], sh, offH, rowsIn)
					for s := range in[1][3] {
						offW := s*o.Dilation[1] - o.Pad[2]
						qs := taps(w.Out[3], sw, offW, colsIn)
						if qs.Len() == 0 {
							continue
						}
						v := f.Data[f.At(k, c-g*pc, r, s)]
						for p := ps.Lo; p < ps.Hi; p++ {
							dst := y.row(n, k, p, qs)
							src := x.Data[x.At(n, c, p*sh+offH, qs.Lo*sw+offW):]
							for i := range dst {
								dst[i] += v * src[i*sw]
							}
						}
					}
				}
			}
		}
	}
}
