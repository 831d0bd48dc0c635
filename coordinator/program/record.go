package program

import (
	"cleave/coordinator/plan"
	"cleave/model/op"
)

// record adds x to the bundle's list of exchanges: an entry for each tensor that it moves.
func (lw *lowerer) record(x *exchange) {
	type key struct {
		tensor  *plan.Tensor
		summand bool
	}
	var order []key
	by := map[key][]transfer{}
	for _, t := range x.transfers {
		k := key{t.tensor, t.summand}
		if by[k] == nil {
			order = append(order, k)
		}
		by[k] = append(by[k], t)
	}
	for _, k := range order {
		e := Exchange{
			At:       x.at.Layer,
			Kind:     lw.kind(x.at, k.tensor, by[k]),
			Pass:     pass(x.at, k.tensor, lw.plan.Graph),
			Section:  lw.section,
			Tensor:   k.tensor.Name,
			PerImage: k.tensor.Axes.Batch >= 0,
			Received: make([]int64, lw.ranks),
		}
		if ofLoss(x.at.Op) {
			e.At = "loss"
		}
		for _, t := range by[k] {
			e.Received[t.to] += int64(t.box.Volume()) * lw.at(t.to, t.dst).DType.Size()
		}
		lw.bundle.Exchanges = append(lw.bundle.Exchanges, e)
	}
}

// kind names the pattern of an exchange of one tensor.
func (lw *lowerer) kind(n *plan.Inst, t *plan.Tensor, ts []transfer) string {
	from, to := map[int]bool{}, map[int]bool{}
	for _, x := range ts {
		from[x.from], to[x.to] = true, true
	}
	if ts[0].summand {
		if len(to) == 1 {
			return "reduce"
		}
		return "reduce-scatter"
	}
	switch n.Op.(type) {
	case op.LRN, op.LRNGrad:
		return "halo"
	}
	if len(from) == 1 {
		return "broadcast"
	}
	// What every receiver ends up with, along the axis that is cut: everything?
	for r := range to {
		have := lw.have[t.ID][r]
		got := have[len(have)-1].boxes
		for _, b := range got {
			if c := t.Axes.Chan; c >= 0 && b[c].Len() < t.Shape[c] {
				return "redistribute"
			}
		}
	}
	return "all-gather"
}

// ofLoss reports whether o is a part of the loss and its counts, which are exchanged as one.
func ofLoss(o op.Op) bool {
	switch o.(type) {
	case op.RowMax, op.ExpSum, op.CountAbove, op.Loss, op.Hits, op.LossGrad:
		return true
	}
	return false
}

// pass says in which part of a step n reads t: "input" is the image on its way to the
// first layer.
func pass(n *plan.Inst, t *plan.Tensor, g *plan.Graph) string {
	if n.Phase == plan.Forward && t.Role == plan.Computed {
		for _, m := range g.Insts {
			if m.Out == t {
				if _, ok := m.Op.(op.Normalize); ok {
					return "input"
				}
				break
			}
		}
	}
	return n.Phase.String()
}
