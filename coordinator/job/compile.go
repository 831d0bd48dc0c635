package job

import (
	"fmt"

	"cleave/coordinator/plan"
	"cleave/coordinator/program"
	"cleave/kernels"
	"cleave/model"
	"cleave/model/catalog"
	"cleave/proto/programpb"

	"github.com/dustin/go-humanize"
)

// Design says which net is trained, and how it is split.
type Design struct {
	Model     string
	Net       model.Config // Batch, image, Classes, Groups, Mean and Dev; Train is set here
	Optimizer plan.Optimizer
	Policy    string
	Workers   int
	Evaluate  bool // the Programs can evaluate too, in batches of the same size
}

// Blueprint is a net planned for a number of workers, before their devices are known.
type Blueprint struct {
	design Design
	train  *plan.Plan
	eval   *plan.Plan // nil: no evaluation
}

// Draw plans a design: the net as a graph, its gradients, the homes of its tensors. The
// error is one line that says what does not fit.
func Draw(d Design) (*Blueprint, error) {
	b := &Blueprint{design: d}
	var err error
	if b.train, err = d.plan(true); err != nil {
		return nil, err
	}
	if d.Evaluate {
		if b.eval, err = d.plan(false); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (d Design) plan(train bool) (*plan.Plan, error) {
	cfg := d.Net
	cfg.Train = train
	net, err := catalog.Build(d.Model, cfg)
	if err != nil {
		return nil, err
	}
	if train {
		if err := net.Differentiate(); err != nil {
			return nil, fmt.Errorf("differentiate %s: %w", d.Model, err)
		}
	}
	g, err := plan.Read(net, d.Optimizer)
	if err != nil {
		return nil, fmt.Errorf("read the graph of %s: %w", d.Model, err)
	}
	return plan.New(g, d.Policy, d.Workers)
}

// Build makes the Programs for devices of these kinds, one a rank.
func (b *Blueprint) Build(sizers []kernels.Sizer) (*program.Bundle, error) {
	bundle, err := program.Build(b.train, b.eval, program.Options{Sizers: sizers, Seed: b.design.Net.Seed})
	if err != nil {
		return nil, err
	}
	if err := bundle.Validate(); err != nil {
		return nil, fmt.Errorf("the programs of %s for %d workers are not sound: %w", b.design.Model, b.design.Workers, err)
	}
	return bundle, nil
}

// Compile makes the Programs for the workers of a job, in rank order, and refuses those
// that a worker has no memory for. sizer gives the sizer of a kind of device.
func (b *Blueprint) Compile(workers []Worker, sizer func(device string, threads int) (kernels.Sizer, error)) (*Programs, error) {
	sizers := make([]kernels.Sizer, len(workers))
	for i, w := range workers {
		s, err := sizer(w.Device, w.Threads)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		sizers[i] = s
	}
	bundle, err := b.Build(sizers)
	if err != nil {
		return nil, err
	}
	needs := make([]int64, len(workers))
	for i, p := range bundle.Programs {
		needs[i] = p.ArenaBytes
	}
	if err := checkMemory(b.design.Net.Batch, workers, needs); err != nil {
		return nil, err
	}
	programs := &Programs{ByRank: make([]*programpb.Program, len(workers))}
	for i, p := range bundle.Programs {
		programs.ByRank[i] = p.Encode()
	}
	return programs, nil
}

// checkMemory refuses Programs that need more than a worker's limit. The line is about the
// worker that lacks most.
func checkMemory(batch int, workers []Worker, needs []int64) error {
	worst, missing, others := 0, int64(0), -1
	for i, w := range workers {
		lacks := needs[i] - w.MemoryLimit
		if w.MemoryLimit == 0 || lacks <= 0 {
			continue
		}
		others++
		if lacks > missing {
			worst, missing = i, lacks
		}
	}
	if missing == 0 {
		return nil
	}
	too := ""
	if others > 0 {
		too = fmt.Sprintf(" (others lack memory too: %d)", others)
	}
	w := workers[worst]
	return fmt.Errorf("%s: batch %d needs %s, its limit is %s: %s missing%s; use more workers, a smaller --batch or a larger --memory-limit",
		w.Name, batch, humanize.IBytes(uint64(needs[worst])), humanize.IBytes(uint64(w.MemoryLimit)), humanize.IBytes(uint64(missing)), too)
}
