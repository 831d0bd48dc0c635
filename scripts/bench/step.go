package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"cleave/coordinator/plan"
	"cleave/coordinator/program"
	"cleave/kernels"
	"cleave/model"
	"cleave/model/catalog"
	"cleave/random"
	"cleave/worker/engine"
)

// trainee is a net whose training step is measured.
type trainee struct {
	name      string
	batch     int
	size      int // rows and columns of an image
	classes   int
	construct func(model.Config) (*model.Net, error)
}

// steps returns the training steps that scripts/bench-cpu compares.
func steps() []trainee {
	named := func(name string) func(model.Config) (*model.Net, error) {
		return func(cfg model.Config) (*model.Net, error) { return catalog.Build(name, cfg) }
	}
	all := []trainee{
		{"alexnet", 64, 224, 1000, named("alexnet")},
		{"resnext50-32x4d", 8, 224, 1000, named("resnext50-32x4d")},
	}
	for _, name := range []string{"resnext29-8x64d", "resnext29-32x4d", "resnext29-4x16d"} {
		all = append(all, trainee{name, 32, 32, 10, named(name)})
	}
	for _, groups := range []int{1, 4, 16} {
		all = append(all, trainee{fmt.Sprintf("nin-%dg", groups), 64, 32, 10, func(cfg model.Config) (*model.Net, error) { return nin(groups, cfg) }})
	}
	return append(all, trainee{"shufflenet-3g", 16, 224, 1000, shufflenet})
}

// gpuSteps returns the training steps that scripts/bench-gpu compares.
func gpuSteps() []trainee {
	batch := map[string]int{"alexnet": 128, "resnext50-32x4d": 64, "resnext29-8x64d": 128}
	var all []trainee
	for _, t := range steps() {
		if n := batch[t.name]; n > 0 {
			t.batch = n
			all = append(all, t)
		}
	}
	return all
}

// build returns the net for images of three channels, for training with its gradients.
func (t trainee) build(train bool) (*model.Net, error) {
	n, err := t.construct(model.Config{
		Batch: t.batch, Height: t.size, Width: t.size, Channels: 3, Classes: t.classes, Train: true, Seed: 1,
		Mean: []float64{0.5, 0.5, 0.5}, Dev: []float64{0.25, 0.25, 0.25},
	})
	if err == nil && train {
		err = n.Differentiate()
	}
	return n, err
}

// The sections of a Program that are a training step.
const (
	initial    = "init"
	accumulate = "accumulate"
	update     = "update"
)

// prepared is the answer to step.
type prepared struct {
	Images int `json:"images"`
}

// step makes the training step of a net ready, as one rank of a job has it.
func (s *server) step(name string) (prepared, error) {
	if err := s.drop(); err != nil {
		return prepared{}, err
	}
	for _, t := range s.device.steps {
		if t.name == name {
			subject, err := t.open(s.device)
			if err != nil {
				return prepared{}, fmt.Errorf("%s: %w", name, err)
			}
			s.subject = subject
			return prepared{t.batch}, nil
		}
	}
	return prepared{}, fmt.Errorf("there is no step %q", name)
}

func (t trainee) open(d *device) (*subject, error) {
	n, err := t.build(true)
	if err != nil {
		return nil, err
	}
	g, err := plan.Read(n, plan.Optimizer{Momentum: 0.9, Decay: 5e-4})
	if err != nil {
		return nil, err
	}
	p, err := plan.New(g, "model", 1)
	if err != nil {
		return nil, err
	}
	bundle, err := program.Build(p, nil, program.Options{Sizers: []kernels.Sizer{d.sizer}, Seed: 1})
	if err != nil {
		return nil, err
	}
	b, err := d.open()
	if err != nil {
		return nil, err
	}
	e, err := engine.New(bundle.Programs[0].Encode(), b, nil)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	r := &trainer{engine: e, pixels: make([]byte, 3*t.size*t.size*t.batch), classes: t.classes}
	for i := range r.pixels {
		r.pixels[i] = byte(random.Bits(1, 0, uint64(i)))
	}
	s := &subject{run: clocked(r.step), close: func() error { e.Close(); return b.Close() }}
	if err := errors.Join(e.Start(context.Background()), e.Run(context.Background(), initial)); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// trainer trains on one batch over and over.
type trainer struct {
	engine  *engine.Engine
	pixels  []byte
	classes int
	steps   uint32
}

// step is one training step. A loss that is no number is an error: the time of such a step
// says nothing.
func (r *trainer) step() error {
	for _, section := range []string{accumulate, update} {
		for _, name := range r.engine.Inputs(section) {
			if err := r.fill(section, name); err != nil {
				return err
			}
		}
	}
	if err := r.engine.Run(context.Background(), accumulate, update); err != nil {
		return err
	}
	r.steps++
	loss, ok := r.engine.Output(accumulate, "loss")
	if !ok {
		return errors.New("the step has no loss")
	}
	if l := float64(loss[0]); math.IsNaN(l) || math.IsInf(l, 0) {
		return fmt.Errorf("the loss of step %d is %v", r.steps, l)
	}
	return nil
}

// rate is small: the batch and its labels are random.
const rate = 1e-4

func (r *trainer) fill(section, name string) error {
	buf, _, _ := r.engine.Input(section, name)
	switch name {
	case "image":
		copy(buf, r.pixels)
	case "labels":
		for i := range len(buf) / 4 {
			binary.NativeEndian.PutUint32(buf[4*i:], uint32(i*7%r.classes))
		}
	case "step":
		binary.NativeEndian.PutUint32(buf, r.steps)
	case "seed":
		binary.NativeEndian.PutUint32(buf, math.Float32bits(1))
	case "rate":
		binary.NativeEndian.PutUint32(buf, math.Float32bits(rate))
	default:
		return fmt.Errorf("section %q has an input %q, which is not known", section, name)
	}
	return nil
}
