package program

import (
	"fmt"

	"cleave/coordinator/plan"
	"cleave/kernels"
	"cleave/layout"
)

// Options says for which devices and how Build makes Programs.
type Options struct {
	Sizers []kernels.Sizer // of each rank's device
	Seed   uint64          // of the parameters' first values
	Link   Link            // the network, for predictions; the zero Link: DefaultLink

	// For tests and experiments: leave out a step.
	NoFusion   bool // every op is a kernel call of its own
	NoSchedule bool // instructions stay in the order in which they were lowered
	NoReuse    bool // every buffer has memory of its own
}

// Build makes the Programs of all ranks: training from train, and evaluation, over the
// same parameters, from eval, which may be nil. It refuses plans that are not consistent:
// works that nobody has the inputs of, updates of a part that the rank does not keep.
func Build(train, eval *plan.Plan, o Options) (*Bundle, error) {
	if len(o.Sizers) != train.Ranks {
		return nil, fmt.Errorf("%d sizers for %d ranks", len(o.Sizers), train.Ranks)
	}
	if eval != nil && eval.Ranks != train.Ranks {
		return nil, fmt.Errorf("training is planned for %d ranks, evaluation for %d", train.Ranks, eval.Ranks)
	}
	if o.Link == (Link{}) {
		o.Link = DefaultLink
	}
	b := &Bundle{Model: train.Graph.Name, Policy: train.Policy, Batch: train.Graph.Batch, train: train, link: o.Link}
	for r := range train.Ranks {
		b.Programs = append(b.Programs, &Program{Rank: layout.Rank(r), Ranks: train.Ranks, Model: b.Model, sizer: o.Sizers[r]})
	}
	lw := &lowerer{bundle: b, options: o, ranks: train.Ranks, kept: map[string][]BufferID{}, sent: make([]int64, train.Ranks)}
	if err := lw.state(train, eval); err != nil {
		return nil, err
	}
	if err := lw.training(train); err != nil {
		return nil, fmt.Errorf("split the training of %s: %w", b.Model, err)
	}
	if eval != nil {
		if err := lw.evaluation(eval); err != nil {
			return nil, fmt.Errorf("split the evaluation of %s: %w", b.Model, err)
		}
	}
	for _, p := range b.Programs {
		if !o.NoFusion {
			fuse(p)
			fuseNorms(p)
			fuseResiduals(p)
			foldNorms(p)
			fuseGradients(p)
			indexPools(p)
		}
		if !o.NoSchedule {
			for i := range p.Sections {
				schedule(&p.Sections[i], p.sizer, o.Link)
			}
		}
		compact(p)
		assign(p, !o.NoReuse)
	}
	predict(b)
	return b, nil
}
