package program

import (
	"fmt"
	"slices"

	"cleave/coordinator/plan"
	"cleave/kernels"
	"cleave/layout"
)

// exchange is what one op makes the ranks send each other, before it is written down.
type exchange struct {
	at        *plan.Inst
	transfers []transfer
	copies    []localCopy
}

// transfer moves a box of a tensor from a buffer of one rank to a buffer of another.
type transfer struct {
	tensor   *plan.Tensor
	from, to int
	src, dst BufferID
	box      layout.Box
	summand  bool
}

type localCopy struct {
	rank     int
	src, dst BufferID
	box      layout.Box
}

// ensure returns the buffer of rank r that holds the boxes of t, -1 for no boxes. A piece
// that holds them all serves as it is; else a new buffer of their hull is filled by copies
// and transfers, which are added to x. Only what was there before x is a source. What is
// gathered stays, so a later op finds it.
func (lw *lowerer) ensure(x *exchange, t *plan.Tensor, r int, boxes []layout.Box) (BufferID, error) {
	need := layout.Missing(boxes, nil)
	if len(need) == 0 {
		return -1, nil
	}
	have := lw.have[t.ID][r]
	for i := range have {
		if len(layout.Missing(need, have[i].boxes)) == 0 {
			return have[i].buffer, nil
		}
	}
	dst := lw.buffer(r, t, use(t), layout.Hull(need))
	left := need
	for _, p := range have {
		if p.pending {
			continue
		}
		for _, b := range p.boxes {
			for _, l := range left {
				if o := l.And(b); !o.Empty() {
					x.copies = append(x.copies, localCopy{r, p.buffer, dst, o})
				}
			}
			left = layout.MinusAll(left, b)
		}
	}
	for len(left) > 0 {
		l := left[0]
		from, src, box := lw.source(t, r, l)
		if from < 0 {
			return -1, fmt.Errorf("no rank has %v of %s", l, t.Name)
		}
		lw.sent[from] += int64(box.Volume())
		x.transfers = append(x.transfers, transfer{tensor: t, from: from, to: r, src: src, dst: dst, box: box})
		left = append(l.Minus(box), left[1:]...)
	}
	lw.spend(x.at, t, r, need)
	lw.have[t.ID][r] = append(lw.have[t.ID][r], piece{buffer: dst, boxes: need, pending: true})
	return dst, nil
}

// spend marks the pieces that a new, larger one replaces from the op at on: where that
// takes less memory over time than to keep both. A part that was gathered for a filter
// gradient lives until then; what was gathered into it need not live beside it.
func (lw *lowerer) spend(at *plan.Inst, t *plan.Tensor, r int, boxes []layout.Box) {
	have := lw.have[t.ID][r]
	for i := range have {
		p := &have[i]
		if p.pending || lw.at(r, p.buffer).Kept || len(layout.Missing(p.boxes, boxes)) > 0 {
			continue
		}
		small, large := at.ID, at.ID // the last op that reads what the piece has, and only the new one has
		for _, n := range lw.need[t.ID][r] {
			switch {
			case n.inst < at.ID:
			case len(layout.MinusEach(n.box, p.boxes)) == 0:
				small = max(small, n.inst)
			case len(layout.MinusEach(n.box, boxes)) == 0:
				large = max(large, n.inst)
			}
		}
		saved := (small - at.ID) * lw.at(r, p.buffer).Box.Volume()
		added := max(0, small-large) * layout.Hull(boxes).Volume()
		p.spent = saved > added
	}
}

// source picks the rank, other than r, that has most of box, then the one that has sent
// least; it returns -1 if none has any of it.
func (lw *lowerer) source(t *plan.Tensor, r int, box layout.Box) (from int, src BufferID, part layout.Box) {
	from, most := -1, 0
	for s := range lw.ranks {
		if s == r {
			continue
		}
		for _, p := range lw.have[t.ID][s] {
			if p.pending {
				continue
			}
			for _, b := range p.boxes {
				o := box.And(b)
				v := o.Volume()
				if v > most || v > 0 && v == most && from != s && lw.sent[s] < lw.sent[from] {
					from, src, part, most = s, p.buffer, o, v
				}
			}
		}
	}
	return from, src, part
}

// settle makes the pieces that arrived in an exchange usable as sources, and forgets those
// that they replace.
func (lw *lowerer) settle(ts []*plan.Tensor) {
	for _, t := range ts {
		for r, ps := range lw.have[t.ID] {
			for i := range ps {
				ps[i].pending = false
			}
			lw.have[t.ID][r] = slices.DeleteFunc(ps, func(p piece) bool { return p.spent })
		}
	}
}

// merge reduces the summands that the works of n left: each element on the one rank that
// owns it, in rank order. Who else wants the result asks for it by need.
func (lw *lowerer) merge(n *plan.Inst, outs []layout.Box, buffers []BufferID) error {
	t := n.Out
	owners := lw.plan.Homes[t.ID].Owners(plan.Small, t.ID)
	x := &exchange{at: n}
	got := make([][]View, lw.ranks) // by owner and contributor: its summands there
	for o, box := range owners {
		got[o] = make([]View, lw.ranks)
		for s := range lw.ranks {
			part := outs[s].And(box)
			if part.Empty() || buffers[s] < 0 {
				continue
			}
			id := buffers[s]
			if s != o {
				id = lw.buffer(o, t, use(t), part)
				lw.sent[s] += int64(part.Volume())
				x.transfers = append(x.transfers, transfer{tensor: t, from: s, to: o, src: buffers[s], dst: id, box: part, summand: true})
			}
			got[o][s] = View{id, part}
		}
	}
	lw.emit(x)
	d := kernels.Desc{Code: kernels.Sum}
	if n.Op.Combine() != 0 {
		d.Code = kernels.Max
	}
	left := []layout.Box{t.Shape.Box()}
	for o, box := range owners {
		if box.Empty() {
			continue
		}
		left = layout.MinusAll(left, box)
		cells := contributors(box, got[o])
		if len(cells) == 1 && len(cells[0].views) == 1 && cells[0].views[0].Buffer == buffers[o] {
			lw.have[t.ID][o] = append(lw.have[t.ID][o], piece{buffer: buffers[o], boxes: []layout.Box{box}})
			continue
		}
		dst := lw.buffer(o, t, use(t), box)
		for _, c := range cells {
			switch len(c.views) {
			case 0:
				return fmt.Errorf("nobody computes %v of %s", c.box, t.Name)
			case 1:
				lw.run(o, kernels.Desc{Code: kernels.Copy}, View{dst, c.box}, c.views[0])
			default:
				lw.run(o, d, View{dst, c.box}, c.views...)
			}
		}
		lw.have[t.ID][o] = append(lw.have[t.ID][o], piece{buffer: dst, boxes: []layout.Box{box}})
	}
	if len(left) > 0 {
		return fmt.Errorf("no rank owns %v of %s", left[0], t.Name)
	}
	return nil
}

// cell is a region with the same summands everywhere.
type cell struct {
	box   layout.Box
	views []View // in rank order
}

// contributors cuts box into cells by who has summands of it.
func contributors(box layout.Box, got []View) []cell {
	cells := []cell{{box: box}}
	for _, v := range got {
		if v.Box.Empty() {
			continue
		}
		var next []cell
		for _, c := range cells {
			in := c.box.And(v.Box)
			if in.Empty() {
				next = append(next, c)
				continue
			}
			for _, rest := range c.box.Minus(in) {
				next = append(next, cell{rest, within(c.views, rest)})
			}
			next = append(next, cell{in, append(within(c.views, in), View{v.Buffer, in})})
		}
		cells = next
	}
	return cells
}

// within returns the views narrowed to box.
func within(vs []View, box layout.Box) []View {
	out := make([]View, len(vs), len(vs)+1)
	for i, v := range vs {
		out[i] = View{v.Buffer, box}
	}
	return out
}

// gradientSquares writes, at the beginning of the update, each parameter's sum of squares
// of the gradient's elements that the rank owns: over the ranks every element counts once.
func (lw *lowerer) gradientSquares() error {
	g := lw.plan.Graph
	if len(g.Grads) == 0 {
		return nil
	}
	var labels []string
	for _, t := range g.Params {
		labels = append(labels, t.Name)
	}
	box := layout.Shape{len(labels), 1, 1, 1}.Box()
	out := make([]BufferID, lw.ranks)
	for r, p := range lw.bundle.Programs {
		out[r] = lw.add(r, Buffer{Name: "gradient_squares", Use: kernels.Report, Format: kernels.NCHW, Box: box, Kept: true})
		p.Outputs = append(p.Outputs, Output{Name: "gradient_squares", Buffer: out[r], Section: Update, Labels: labels})
		init := p.Section(Init)
		init.Instrs = append(init.Instrs, Instr{Kind: Run, Call: &Call{Desc: kernels.Desc{Code: kernels.FillConst}, Out: View{out[r], box}}})
	}
	d := kernels.Desc{Code: kernels.SumOfSquares}
	for i, t := range g.Grads {
		var counted []layout.Box
		for k := range lw.ranks {
			r := (k + i) % lw.ranks // replicas: in turn
			var own []View
			for _, p := range lw.have[t.ID][r] {
				for _, b := range p.boxes {
					for _, m := range layout.MinusEach(b, counted) {
						own = append(own, View{p.buffer, m})
						counted = append(counted, m)
					}
				}
			}
			at := View{out[r], box.With(0, layout.Span{Lo: i, Hi: i + 1})}
			if len(own) == 1 {
				lw.run(r, d, at, own[0])
				continue
			}
			var parts []View
			for _, v := range own {
				id := lw.buffer(r, t, kernels.Gradient, at.Box)
				parts = append(parts, View{id, at.Box})
				lw.run(r, d, parts[len(parts)-1], v)
			}
			if len(parts) > 0 {
				lw.run(r, kernels.Desc{Code: kernels.Sum}, at, parts...)
			}
		}
		if m := layout.Missing([]layout.Box{t.Shape.Box()}, counted); len(m) > 0 {
			return fmt.Errorf("no rank has %v of the gradient %s", m[0], t.Name)
		}
	}
	return nil
}
