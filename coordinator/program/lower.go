package program

import (
	"fmt"

	"cleave/coordinator/plan"
	"cleave/kernels"
	"cleave/layout"
	"cleave/model/op"
)

// piece is a part of a tensor, as final values, in a buffer of a rank.
type piece struct {
	buffer  BufferID
	boxes   []layout.Box // disjoint; what of the buffer is filled
	pending bool         // arrives in the exchange that is being put together
	spent   bool         // a larger piece takes its place after that exchange
}

// need is what an op reads of a tensor on one rank.
type need struct {
	inst int
	box  layout.Box // the hull
}

// lowerer walks planned graphs and writes every rank's instructions.
type lowerer struct {
	bundle  *Bundle
	options Options
	ranks   int
	kept    map[string][]BufferID // persistent tensors by name: each rank's buffer, -1 for none

	tag      uint32
	exchange int32   // how many there were
	sent     []int64 // bytes that each rank has sent

	// of the section that is being written
	section string
	code    [][]Instr   // by rank
	unsent  [][]Message // by rank: sends whose sent is not written yet

	// of the plan that is being walked
	plan *plan.Plan
	have [][][]piece // by tensor and rank
	need [][][]need  // by tensor and rank, in the order of the ops
}

// training lowers the accumulate and the update section.
func (lw *lowerer) training(p *plan.Plan) error {
	if err := lw.start(p, func(ph plan.Phase) string {
		if ph == plan.Update {
			return Update
		}
		return Accumulate
	}); err != nil {
		return err
	}
	lw.begin(Accumulate)
	for _, n := range p.Graph.Insts {
		if n.Phase == plan.Update && lw.section == Accumulate {
			lw.end()
			lw.begin(Update)
			if err := lw.gradientSquares(); err != nil {
				return err
			}
		}
		if n.Phase != plan.Update && lw.section == Update {
			return fmt.Errorf("%s: %s runs after an update", n.Layer, n.Op.Kind())
		}
		if err := lw.inst(n); err != nil {
			return fmt.Errorf("%s: %s: %w", n.Layer, n.Op.Kind(), err)
		}
	}
	lw.end()
	return nil
}

// evaluation lowers the eval section.
func (lw *lowerer) evaluation(p *plan.Plan) error {
	if err := lw.start(p, func(plan.Phase) string { return Eval }); err != nil {
		return err
	}
	lw.begin(Eval)
	for _, n := range p.Graph.Insts {
		if n.Phase != plan.Forward || n.Dest != nil {
			return fmt.Errorf("%s: %s has no place in an evaluation", n.Layer, n.Op.Kind())
		}
		if err := lw.inst(n); err != nil {
			return fmt.Errorf("%s: %s: %w", n.Layer, n.Op.Kind(), err)
		}
	}
	lw.end()
	return nil
}

func (lw *lowerer) begin(section string) {
	lw.section = section
	lw.code = make([][]Instr, lw.ranks)
	lw.unsent = make([][]Message, lw.ranks)
}

// end closes the section; nothing is under way between sections.
func (lw *lowerer) end() {
	for r, p := range lw.bundle.Programs {
		lw.flushSent(r)
		p.Sections = append(p.Sections, Section{Name: lw.section, Instrs: lw.code[r]})
	}
	lw.code = nil
}

// buffer makes a buffer for the box of t on rank r.
func (lw *lowerer) buffer(r int, t *plan.Tensor, use kernels.Use, box layout.Box) BufferID {
	d := kernels.F32
	switch {
	case t.Role == plan.Image:
		d = kernels.U8
	case t.Role == plan.Labels, t.Role == plan.Scalar && t.Name == "step":
		d = kernels.I32
	}
	f := kernels.NCHW // what the host fills or reads is planar
	if use != kernels.Input && use != kernels.Report {
		f = lw.options.Sizers[r].Format(use, d, box.Shape())
	}
	return lw.add(r, Buffer{Name: t.Name, Use: use, DType: d, Format: f, Box: box})
}

func (lw *lowerer) add(r int, b Buffer) BufferID {
	p := lw.bundle.Programs[r]
	b.Bytes = lw.options.Sizers[r].Bytes(b.Format, b.DType, b.Shape())
	p.Buffers = append(p.Buffers, b)
	return BufferID(len(p.Buffers) - 1)
}

func (lw *lowerer) at(r int, id BufferID) *Buffer { return &lw.bundle.Programs[r].Buffers[id] }

// use says what a computed or gathered part of t is.
func use(t *plan.Tensor) kernels.Use {
	switch {
	case t.Role == plan.Param || t.Role == plan.Stat:
		return kernels.Weights
	case t.Role == plan.Momentum:
		return kernels.Momentum
	case t.Grad:
		return kernels.Gradient
	}
	return kernels.Activation
}

func (lw *lowerer) run(r int, d kernels.Desc, out View, in ...View) {
	lw.code[r] = append(lw.code[r], Instr{Kind: Run, Call: &Call{Desc: d, Out: out, In: in}, exchange: lw.exchange})
}

// inst lowers one op: what it needs, its kernel calls, the merge of its summands.
func (lw *lowerer) inst(n *plan.Inst) error {
	works := lw.plan.Works[n.ID]
	shapes := n.Shapes()
	x := &exchange{at: n}
	cs := make([][]call, lw.ranks)
	ins := make([][][]BufferID, lw.ranks) // by rank and call: the buffers of its arguments
	for r, w := range works {
		if !w.Empty() {
			w.Out = n.Op.Reach(shapes, w)
		}
		if w.Empty() {
			continue
		}
		var err error
		if cs[r], err = calls(n, shapes, w); err != nil {
			return err
		}
		if ins[r], err = lw.inputs(x, n, shapes, w, r, cs[r]); err != nil {
			return err
		}
	}
	lw.emit(x)
	outs := make([]BufferID, lw.ranks)
	boxes := make([]layout.Box, lw.ranks)
	for r, w := range works {
		outs[r] = -1
		if cs[r] == nil {
			continue
		}
		boxes[r] = n.Op.Reach(shapes, w)
		if n.Dest != nil {
			if err := lw.destination(n, r, boxes[r], &outs[r]); err != nil {
				return err
			}
		} else {
			outs[r] = lw.buffer(r, n.Out, use(n.Out), boxes[r])
		}
		for i, c := range cs[r] {
			in := make([]View, len(c.args))
			for k, a := range c.args {
				in[k] = View{ins[r][i][k], a.box}
			}
			lw.run(r, c.desc, View{outs[r], c.out}, in...)
		}
	}
	if lw.plan.Summands[n.ID] {
		if n.Dest != nil {
			return fmt.Errorf("summands cannot be merged in place")
		}
		if err := lw.merge(n, boxes, outs); err != nil {
			return err
		}
	} else {
		for r, id := range outs {
			if id >= 0 {
				lw.have[n.Out.ID][r] = append(lw.have[n.Out.ID][r], piece{buffer: id, boxes: []layout.Box{boxes[r]}})
			}
		}
	}
	switch n.Out {
	case lw.plan.Graph.Loss:
		return lw.output("loss", n.Out)
	case lw.plan.Graph.Hits:
		return lw.output("hits", n.Out)
	}
	return nil
}

// inputs finds or asks for the buffers of the calls' arguments. Ops that only move data
// find each part by itself; for the others one buffer holds all that is needed of an input.
func (lw *lowerer) inputs(x *exchange, n *plan.Inst, shapes []layout.Shape, w layout.Work, r int, cs []call) ([][]BufferID, error) {
	_, mover := n.Op.(op.Mover)
	whole := make([]BufferID, len(n.In))
	for i, t := range n.In {
		whole[i] = -1
		if mover {
			continue
		}
		var err error
		if whole[i], err = lw.ensure(x, t, r, n.Op.Need(shapes, w, i)); err != nil {
			return nil, err
		}
	}
	ids := make([][]BufferID, len(cs))
	for i, c := range cs {
		for _, a := range c.args {
			id := whole[a.in]
			if mover {
				var err error
				if id, err = lw.ensure(x, n.In[a.in], r, every(a.box, c.desc.Step[0])); err != nil {
					return nil, err
				}
			}
			if id < 0 {
				return nil, fmt.Errorf("a kernel reads input %d, which the op does not need", a.in)
			}
			ids[i] = append(ids[i], id)
		}
	}
	return ids, nil
}

// every returns the boxes of each step-th channel of b, from its first.
func every(b layout.Box, step int) []layout.Box {
	if step <= 1 {
		return []layout.Box{b}
	}
	var out []layout.Box
	for c := b[1].Lo; c < b[1].Hi; c += step {
		out = append(out, b.With(1, layout.Span{Lo: c, Hi: c + 1}))
	}
	return out
}

// destination returns the persistent buffer that n updates on rank r.
func (lw *lowerer) destination(n *plan.Inst, r int, out layout.Box, id *BufferID) error {
	*id = lw.kept[n.Dest.Name][r]
	if *id < 0 || lw.at(r, *id).Box != out {
		return fmt.Errorf("rank %d updates %v of %s, which is not what it keeps", r, out, n.Dest.Name)
	}
	// Whoever reads the new value asks for n.Out; copies of the old one are stale.
	lw.have[n.Dest.ID] = make([][]piece, lw.ranks)
	for k := range lw.unsent[r] {
		if lw.unsent[r][k].View.Buffer == *id {
			lw.flushSent(r)
			break
		}
	}
	return nil
}

// output makes the final pieces of t known as an output, on every rank that has one.
func (lw *lowerer) output(name string, t *plan.Tensor) error {
	found := false
	for r, p := range lw.bundle.Programs {
		for _, h := range lw.have[t.ID][r] {
			b := &p.Buffers[h.buffer]
			if h.boxes[0] != t.Shape.Box() || b.Box != t.Shape.Box() {
				continue
			}
			b.Use, b.Kept, b.Format = kernels.Report, true, kernels.NCHW
			b.Bytes = p.sizer.Bytes(b.Format, b.DType, b.Shape())
			p.Outputs = append(p.Outputs, Output{Name: name, Buffer: h.buffer, Section: lw.section})
			found = true
			break
		}
	}
	if !found {
		return fmt.Errorf("no rank has the whole %s", name)
	}
	return nil
}
