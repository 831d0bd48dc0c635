package op

import (
	"fmt"

	"cleave/layout"

	G "gorgonia.org/gorgonia"
)

// Mover is an op that only moves channels: its output can be put together from copies,
// without a kernel.
type Mover interface {
	// Moves returns the copies that make w. Together their destinations are w.Out, and
	// each of its elements is in one of them.
	Moves(in []layout.Shape, w layout.Work) []Move
}

// Move copies a region of input In to a region of the output. Channels are taken with a
// step: SrcStep 3 with channels 4:11 of Src means 4, 7 and 10. Src and Dst have equally
// many; boxes end right behind their last channel.
type Move struct {
	In      int
	Src     layout.Box
	SrcStep int
	Dst     layout.Box
	DstStep int
}

// run does the copy.
func (m Move) run(out, x Frag) {
	count := ceilDiv(m.Src[1].Len(), m.SrcStep)
	for n := m.Dst[0].Lo; n < m.Dst[0].Hi; n++ {
		for i := range count {
			for h := m.Dst[2].Lo; h < m.Dst[2].Hi; h++ {
				copy(out.row(n, m.Dst[1].Lo+i*m.DstStep, h, m.Dst[3]), x.row(n, m.Src[1].Lo+i*m.SrcStep, h, m.Src[3]))
			}
		}
	}
}

func runMoves(ms []Move, out Frag, x []Frag) {
	for _, m := range ms {
		m.run(out, x[m.In])
	}
}

// Concat puts its inputs behind one another along the channels: all N×Ci×H×W.
type Concat struct{ local }

func (Concat) Kind() string { return "concat" }
func (Concat) Like() int    { return -1 }
func (Concat) Wrt(int) bool { return true }

func (o Concat) Out(in []layout.Shape) (layout.Shape, error) {
	if len(in) == 0 {
		return layout.Shape{}, fmt.Errorf("%s: no inputs", o.Kind())
	}
	if err := positive(o, in); err != nil {
		return layout.Shape{}, err
	}
	y := in[0]
	y[1] = 0
	for i, s := range in {
		y[1] += s[1]
		s[1] = in[0][1]
		if s != in[0] {
			return layout.Shape{}, fmt.Errorf("%s: input %d is %v, which differs from input 0, %v, in more than channels", o.Kind(), i, in[i], in[0])
		}
	}
	return y, nil
}

// first returns the output channel at which input i begins.
func (Concat) first(in []layout.Shape, i int) int {
	c := 0
	for _, s := range in[:i] {
		c += s[1]
	}
	return c
}

func (o Concat) Need(in []layout.Shape, w layout.Work, i int) []layout.Box {
	c := o.first(in, i)
	s := w.Out[1].And(layout.Span{Lo: c, Hi: c + in[i][1]})
	return boxes(w, w.Out.With(1, s.Add(-c)))
}

func (o Concat) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

// Moves takes from each input what w has of it.
func (o Concat) Moves(in []layout.Shape, w layout.Work) []Move {
	var ms []Move
	for i := range in {
		for _, b := range o.Need(in, w, i) {
			ms = append(ms, Move{In: i, Src: b, SrcStep: 1, Dst: b.With(1, b[1].Add(o.first(in, i))), DstStep: 1})
		}
	}
	return ms
}

func (Concat) Diff(layer string, in G.Nodes, _, grad *G.Node, need []bool) (G.Nodes, error) {
	out, c := make(G.Nodes, len(in)), 0
	for i, n := range in {
		lo := c
		c += n.Shape()[1]
		if !need[i] {
			continue
		}
		var err error
		if out[i], err = Apply(layer, Slice{Lo: lo, Hi: c}, n, grad); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o Concat) Run(in []layout.Shape, w layout.Work, y Frag, a []Frag) {
	runMoves(o.Moves(in, w), y, a)
}

// Slice is Concat's gradient: channels Lo to Hi of dy in the shape of x, of x and dy. Of
// x it needs only the shape; the output's home follows x's.
type Slice struct {
	Lo, Hi int
	local
}

func (Slice) Kind() string { return "slice" }

func (o Slice) Out(in []layout.Shape) (layout.Shape, error) {
	if err := arity(o, in, 2); err != nil {
		return layout.Shape{}, err
	}
	if o.Lo < 0 || o.Lo >= o.Hi || o.Hi > in[1][1] {
		return layout.Shape{}, fmt.Errorf("%s: channels %d to %d of %d", o.Kind(), o.Lo, o.Hi, in[1][1])
	}
	y := in[1]
	y[1] = o.Hi - o.Lo
	return y, equal(o, in, y, 0)
}

func (o Slice) Need(_ []layout.Shape, w layout.Work, i int) []layout.Box {
	if i == 0 {
		return nil
	}
	return boxes(w, w.Out.With(1, w.Out[1].Add(o.Lo)))
}

func (o Slice) Cost(in []layout.Shape, w layout.Work) Cost { return moved(o, in, w) }

// Moves is one copy.
func (o Slice) Moves(in []layout.Shape, w layout.Work) []Move {
	if w.Empty() {
		return nil
	}
	return []Move{{In: 1, Src: o.Need(in, w, 1)[0], SrcStep: 1, Dst: w.Out, DstStep: 1}}
}

func (o Slice) Run(in []layout.Shape, w layout.Work, y Frag, a []Frag) {
	runMoves(o.Moves(in, w), y, a)
}
