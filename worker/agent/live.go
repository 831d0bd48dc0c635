package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"cleave/proto/jobpb"
)

// live does what the coordinator asks for until it says that training is done.
func (r *rank) live(ctx context.Context) error {
	log, timing := r.config.Log, r.config.timing
	remind := time.NewTicker(timing.remind)
	defer remind.Stop()
	for {
		m := r.next
		r.next = nil
		if m == nil {
			select {
			case m = <-r.session.inbox:
			case <-remind.C:
				if r.engine == nil {
					log.Info("waiting for the other workers and the program")
				}
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		switch k := m.Kind.(type) {
		case *jobpb.ToWorker_Load:
			if err := r.load(ctx, k.Load); err != nil {
				return err
			}
			r.session.send(&jobpb.FromWorker{Kind: &jobpb.FromWorker_Loaded{Loaded: &jobpb.Loaded{}}})
		case *jobpb.ToWorker_Step:
			done, err := r.train(ctx, k.Step)
			if err != nil {
				return err
			}
			r.session.send(&jobpb.FromWorker{Kind: &jobpb.FromWorker_StepDone{StepDone: done}})
		case *jobpb.ToWorker_Evaluate:
			done, err := r.evaluate(ctx, k.Evaluate)
			if err != nil {
				return err
			}
			r.session.send(&jobpb.FromWorker{Kind: &jobpb.FromWorker_EvalDone{EvalDone: done}})
		case *jobpb.ToWorker_Stop:
			log.Info("training is done", "steps", r.step)
			return nil
		default:
			return fmt.Errorf("the coordinator at %s sent %T, which is not for now", r.config.Coordinator, m.Kind)
		}
	}
}

var errNotLoaded = errors.New("the coordinator asked for work before it sent a Load")

// train runs one training step.
func (r *rank) train(ctx context.Context, m *jobpb.Step) (*jobpb.StepDone, error) {
	if r.engine == nil {
		return nil, errNotLoaded
	}
	r.step = m.Number
	begin, received, waited := time.Now(), r.engine.Received(), r.engine.Waited()
	if r.ready != m {
		if err := r.prepare(ctx, m); err != nil {
			return nil, err
		}
	}
	r.fill(update, &batch{step: m.Number, rate: m.Rate})
	ahead := func() error { return r.prepareNext(ctx) }
	if err := r.engine.RunAhead(ctx, ahead, accumulate, update); err != nil {
		return nil, fmt.Errorf("step %d: %w", m.Number, err)
	}
	v := &jobpb.Measures{
		Nanoseconds:     uint64(time.Since(begin)),
		ReceivedBytes:   uint64(r.engine.Received() - received),
		WaitNanoseconds: uint64(r.engine.Waited() - waited),
	}
	for _, section := range []string{accumulate, update} {
		if loss, ok := r.engine.Output(section, "loss"); ok {
			v.Loss = proto.Float32(loss[0])
		}
		if hits, ok := r.engine.Output(section, "hits"); ok && len(hits) == 2 {
			v.Top1, v.Top5 = proto.Float32(hits[0]), proto.Float32(hits[1])
		}
		if squares, ok := r.engine.Output(section, "gradient_squares"); ok {
			v.GradientSquares = append(v.GradientSquares, squares...)
		}
	}
	r.config.Log.Debug("step", "step", m.Number, "took", time.Since(begin))
	return &jobpb.StepDone{Number: m.Number, Measures: v}, nil
}

// prepare fills the inputs of a training step.
func (r *rank) prepare(ctx context.Context, m *jobpb.Step) error {
	b := batch{step: m.Number, rate: m.Rate}
	var err error
	if b.pixels, b.labels, err = r.loader.Train(ctx, m.Epoch, m.Batch); err != nil {
		return fmt.Errorf("step %d: %w", m.Number, err)
	}
	r.fill(accumulate, &b)
	r.ready = m
	return nil
}

// prepareNext prepares the next step, if that is what the coordinator wants next, while the
// device works on this one.
func (r *rank) prepareNext(ctx context.Context) error {
	select {
	case r.next = <-r.session.inbox:
	default:
		return nil
	}
	k, ok := r.next.Kind.(*jobpb.ToWorker_Step)
	if !ok {
		return nil
	}
	if err := r.prepare(ctx, k.Step); err != nil {
		return err
	}
	return r.engine.Upload(accumulate)
}

// evaluate runs over the whole test set.
func (r *rank) evaluate(ctx context.Context, m *jobpb.Evaluate) (*jobpb.EvalDone, error) {
	if r.engine == nil {
		return nil, errNotLoaded
	}
	done := &jobpb.EvalDone{Step: m.Step}
	received := r.engine.Received()
	for i := range r.loader.TestBatches() {
		b := batch{step: m.Step}
		var err error
		var images int
		if b.pixels, b.labels, images, err = r.loader.Test(ctx, i); err != nil {
			return nil, fmt.Errorf("evaluation after step %d: %w", m.Step, err)
		}
		r.fill(eval, &b)
		if err := r.engine.Run(ctx, eval); err != nil {
			return nil, fmt.Errorf("evaluation after step %d, batch %d: %w", m.Step, i, err)
		}
		done.Images += uint64(images)
		if loss, ok := r.engine.Output(eval, "loss"); ok {
			// The program divides by the whole batch, also where its last samples have no label.
			done.HasLoss = true
			done.Loss += float64(loss[0]) * float64(r.evalBatch)
		}
		if hits, ok := r.engine.Output(eval, "hits"); ok && len(hits) == 2 {
			done.HasHits = true
			done.Top1 += float64(hits[0])
			done.Top5 += float64(hits[1])
		}
	}
	done.ReceivedBytes = uint64(r.engine.Received() - received)
	return done, nil
}

// batch is what a section is fed with.
type batch struct {
	pixels []byte
	labels []int32
	step   uint64
	rate   float32
}

// fill fills a section's inputs.
func (r *rank) fill(section string, b *batch) {
	for _, name := range r.inputs[section] {
		buf, _, _ := r.engine.Input(section, name)
		switch name { // checkInput knows the same names
		case image:
			copy(buf, b.pixels)
		case labels:
			for i, v := range b.labels {
				binary.NativeEndian.PutUint32(buf[4*i:], uint32(v))
			}
		case number:
			binary.NativeEndian.PutUint32(buf, uint32(b.step))
		case seed:
			binary.NativeEndian.PutUint32(buf, math.Float32bits(1))
		case rate:
			binary.NativeEndian.PutUint32(buf, math.Float32bits(b.rate))
		}
	}
}
