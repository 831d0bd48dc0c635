package plan

import (
	"cleave/layout"
	"cleave/model/op"
)

// assign gives every op its work.
func (p *Plan) assign() {
	for _, n := range p.Graph.Insts {
		works, summands := p.spans(n)
		if works == nil {
			works = p.atHome(n)
		}
		p.Works = append(p.Works, works)
		p.Summands = append(p.Summands, summands)
	}
}

// atHome lets every rank compute what it keeps, from the whole reduction.
func (p *Plan) atHome(n *Inst) []layout.Work {
	red := whole(n).Red
	works := make([]layout.Work, p.Ranks)
	for r, b := range p.Homes[n.Out.ID] {
		if !b.Empty() {
			works[r] = layout.Work{Out: b, Red: red}
		}
	}
	return works
}

func whole(n *Inst) layout.Work {
	w := layout.Work{Out: n.Out.Shape.Box(), Red: layout.Span{Lo: 0, Hi: 1}}
	if r := n.Op.Reduction(n.Shapes()); r.In >= 0 {
		w.Red.Hi = n.In[r.In].Shape[r.Axis]
	}
	return w
}

// spans cuts the op along its reduction, as the input that is summed over is cut: of the
// rank's home or, if the parts do not tile the op's iteration space, of all channels. It
// returns nil where the op is computed at home: convolutions and linear layers forward
// (their inputs move, their filters never do), ops whose reduction is not cut, and
// updates.
func (p *Plan) spans(n *Inst) (works []layout.Work, summands bool) {
	in := n.Shapes()
	red := n.Op.Reduction(in)
	if _, conv := n.Op.(op.Conv); conv || red.In < 0 || n.Phase == Update || p.Ranks == 1 {
		return nil, false
	}
	all := whole(n)
	source := p.Homes[n.In[red.In].ID]
	if !cut(source, red.Axis, all.Red) {
		return nil, false
	}
	for _, wide := range []bool{false, true} {
		works = make([]layout.Work, p.Ranks)
		for r, b := range p.Homes[n.Out.ID] {
			if wide {
				b = allChannels(n.Out, source[r], n.In[red.In].Axes)
			}
			works[r] = layout.Work{Out: b, Red: source[r][red.Axis]}
		}
		if tiles(works, all) {
			return p.reach(n, in, works)
		}
	}
	return nil, false
}

// allChannels returns the box of t with all its channels and the samples of a source box.
func allChannels(t *Tensor, source layout.Box, axes layout.Axes) layout.Box {
	b := t.Shape.Box()
	if t.Axes.Batch >= 0 && axes.Batch >= 0 {
		b = b.With(t.Axes.Batch, source[axes.Batch])
	}
	return b
}

// cut reports whether some rank lacks a part of the span along axis.
func cut(h layout.Home, axis int, all layout.Span) bool {
	for _, b := range h {
		if !b[axis].Holds(all) {
			return true
		}
	}
	return false
}

// tiles reports whether the works cover every point of output × reduction exactly once.
func tiles(works []layout.Work, all layout.Work) bool {
	volume := 0
	for i, w := range works {
		for _, v := range works[:i] {
			if !w.Out.And(v.Out).Empty() && w.Red.And(v.Red).Len() > 0 {
				return false
			}
		}
		volume += w.Out.Volume() * w.Red.Len()
	}
	return volume == all.Out.Volume()*all.Red.Len()
}

// reach narrows every work to what its span contributes to. Where each output element is
// left with one contributor the values are final.
func (p *Plan) reach(n *Inst, in []layout.Shape, works []layout.Work) ([]layout.Work, bool) {
	shared := false
	for r, w := range works {
		if w.Empty() {
			works[r] = layout.Work{}
			continue
		}
		if w.Out = n.Op.Reach(in, w); w.Out.Empty() {
			w = layout.Work{}
		}
		for _, v := range works[:r] {
			shared = shared || !w.Out.And(v.Out).Empty()
		}
		works[r] = w
	}
	return works, shared
}
