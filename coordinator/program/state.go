package program

import (
	"fmt"
	"slices"

	"cleave/coordinator/plan"
	"cleave/kernels"
	"cleave/layout"
	"cleave/random"
)

// state makes the buffers of parameters, momenta and statistics, which all sections share
// by name, and the init section that fills them. A rank keeps its home in the training
// plan; a tensor that only evaluation knows, its home there.
func (lw *lowerer) state(plans ...*plan.Plan) error {
	lw.begin(Init)
	shapes := map[string]layout.Shape{}
	for _, p := range plans {
		if p == nil {
			continue
		}
		for _, t := range p.Graph.Tensors {
			if !t.Persistent() {
				continue
			}
			if _, ok := lw.kept[t.Name]; ok {
				if shapes[t.Name] != t.Shape {
					return fmt.Errorf("%s is %v in training and %v in evaluation", t.Name, shapes[t.Name], t.Shape)
				}
				continue
			}
			shapes[t.Name] = t.Shape
			ids := make([]BufferID, lw.ranks)
			for r, box := range p.Homes[t.ID] {
				ids[r] = -1
				if box.Empty() {
					continue
				}
				ids[r] = lw.buffer(r, t, use(t), box)
				lw.at(r, ids[r]).Kept = true
				d := kernels.Desc{Code: kernels.FillConst, Value: t.Init.Const}
				if t.Init.Std > 0 {
					d = kernels.Desc{Code: kernels.FillNormal, Std: t.Init.Std, Random: key(random.Key(lw.options.Seed, t.Name), box, t.Shape)}
				}
				lw.run(r, d, View{ids[r], box})
			}
			lw.kept[t.Name] = ids
		}
	}
	lw.end()
	return nil
}

// start takes up a plan: every rank has what it keeps of the persistent tensors, and of
// images, labels and scalars exactly what its works read. section names the section that
// each phase belongs to.
func (lw *lowerer) start(p *plan.Plan, section func(plan.Phase) string) error {
	g := p.Graph
	lw.plan = p
	lw.have = make([][][]piece, len(g.Tensors))
	for _, t := range g.Tensors {
		lw.have[t.ID] = make([][]piece, lw.ranks)
		if !t.Persistent() {
			continue
		}
		for r, id := range lw.kept[t.Name] {
			if id >= 0 {
				lw.have[t.ID][r] = []piece{{buffer: id, boxes: []layout.Box{lw.at(r, id).Box}}}
			}
		}
	}
	type fed struct {
		boxes    []layout.Box
		sections []string
	}
	inputs := map[*plan.Tensor][]fed{}
	lw.need = make([][][]need, len(g.Tensors))
	for _, n := range g.Insts {
		shapes := n.Shapes()
		for i, t := range n.In {
			if !isFed(t) {
				lw.foresee(n, shapes, i)
				continue
			}
			if inputs[t] == nil {
				inputs[t] = make([]fed, lw.ranks)
			}
			for r, w := range p.Works[n.ID] {
				need := n.Op.Need(shapes, w, i)
				if len(need) == 0 {
					continue
				}
				f := &inputs[t][r]
				f.boxes = append(f.boxes, need...)
				if s := section(n.Phase); len(f.sections) == 0 || f.sections[len(f.sections)-1] != s {
					f.sections = append(f.sections, s)
				}
			}
		}
	}
	for _, t := range g.Tensors {
		for r, f := range inputs[t] {
			hull := layout.Hull(f.boxes)
			if hull.Empty() {
				continue
			}
			id := lw.buffer(r, t, kernels.Input, hull)
			// Scalars are a few bytes, filled before whichever section.
			lw.at(r, id).Kept = t.Role == plan.Scalar || lw.options.Sizers[r].Overlaps() && slices.Contains(f.sections, Accumulate)
			lw.have[t.ID][r] = []piece{{buffer: id, boxes: []layout.Box{hull}}}
			prog := lw.bundle.Programs[r]
			for _, s := range f.sections {
				prog.Inputs = append(prog.Inputs, Input{Name: t.Name, Buffer: id, Section: s})
			}
		}
	}
	return nil
}

// foresee notes what every rank's work of n will need of input i.
func (lw *lowerer) foresee(n *plan.Inst, shapes []layout.Shape, i int) {
	t := n.In[i]
	if lw.need[t.ID] == nil {
		lw.need[t.ID] = make([][]need, lw.ranks)
	}
	for r, w := range lw.plan.Works[n.ID] {
		if box := layout.Hull(n.Op.Need(shapes, w, i)); !box.Empty() {
			lw.need[t.ID][r] = append(lw.need[t.ID][r], need{n.ID, box})
		}
	}
}

// isFed reports whether the worker fills t before a section runs.
func isFed(t *plan.Tensor) bool {
	return t.Role == plan.Image || t.Role == plan.Labels || t.Role == plan.Scalar
}
