package op

import (
	"fmt"

	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// Shuffle transposes the channels of x, seen as Groups rows of C/Groups (ShuffleNet):
// output channel j·Groups+g is input channel g·(C/Groups)+j. Its gradient is the Shuffle
// of C/Groups groups, marked Grad so that the two are never one node.
type Shuffle struct {
	Groups int
	Grad   bool
	local
}

func (o Shuffle) Kind() string {
	if o.Grad {
		return "shuffle-grad"
	}
	return "shuffle"
}

func (Shuffle) Like() int      { return -1 }
func (Shuffle) Wrt(i int) bool { return i == 0 }

func (o Shuffle) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 1); err != nil {
		return layout.Shape{}, err
	}
	if o.Groups < 1 || in[0][1]%o.Groups != 0 {
		return layout.Shape{}, fmt.Errorf("%s: %d channels cannot be divided into %d groups", o.Kind(), in[0][1], o.Groups)
	}
	return in[0], nil
}

// every returns the numbers j for which first+j·step falls into s.
func every(s layout.Span, first, step int) layout.Span {
	return layout.Span{Lo: ceilDiv(s.Lo-first, step), Hi: ceilDiv(s.Hi-first, step)}
}

// Need returns a range of channels of each group that is needed, adjoining ones as one.
func (o Shuffle) Need(in []layout.Shape, w layout.Work, _ int) []layout.Box {
	if w.Empty() {
		return nil
	}
	var out []layout.Box
	per := in[0][1] / o.Groups
	for g := range o.Groups {
		js := every(w.Out[1], g, o.Groups)
		if js.Len() == 0 {
			continue
		}
		s := js.Add(g * per)
		if last := len(out) - 1; last >= 0 && out[last][1].Hi == s.Lo {
			out[last][1].Hi = s.Hi
			continue
		}
		out = append(out, w.Out.With(1, s))
	}
	return out
}

func (o Shuffle) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

// Moves goes by groups, reading ranges and writing every Groups-th channel, or the other
// way round, whichever takes fewer copies: never more than Groups, nor than C/Groups.
func (o Shuffle) Moves(in []layout.Shape, w layout.Work) []Move {
	if w.Empty() {
		return nil
	}
	var ms []Move
	per := in[0][1] / o.Groups
	if o.Groups <= per {
		for g := range o.Groups {
			js := every(w.Out[1], g, o.Groups)
			if js.Len() == 0 {
				continue
			}
			dst := layout.Span{Lo: js.Lo*o.Groups + g, Hi: (js.Hi-1)*o.Groups + g + 1}
			ms = append(ms, Move{Src: w.Out.With(1, js.Add(g*per)), SrcStep: 1, Dst: w.Out.With(1, dst), DstStep: o.Groups})
		}
		return ms
	}
	for j := range per {
		dst := w.Out[1].And(layout.Span{Lo: j * o.Groups, Hi: (j + 1) * o.Groups})
		if dst.Len() == 0 {
			continue
		}
		g := dst.Add(-j * o.Groups)
		src := layout.Span{Lo: g.Lo*per + j, Hi: (g.Hi-1)*per + j + 1}
		ms = append(ms, Move{Src: w.Out.With(1, src), SrcStep: per, Dst: w.Out.With(1, dst), DstStep: 1})
	}
	return ms
}

func (o Shuffle) Diff(layer string, in G.Nodes, _, grad *G.Node, _ []bool) (G.Nodes, error) {
	return one(Apply(layer, Shuffle{Groups: in[0].Shape()[1] / o.Groups, Grad: !o.Grad}, grad))
}

func (o Shuffle) Run(in []layout.Shape, w layout.Work, y Frag, a []Frag) {
	runMoves(o.Moves(in, w), y, a)
}
