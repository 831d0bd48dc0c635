package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"cleave/coordinator/plan"
	"cleave/coordinator/program"
	"cleave/kernels"
	"cleave/kernels/cpu"
	"cleave/layout"
	"cleave/model/goldens"
	"cleave/worker/engine"
	"cleave/worker/exchange"

	"golang.org/x/sync/errgroup"
)

// split is a net trained by several ranks within the test's process: real Programs,
// engines and kernels over the in-memory transport.
type split struct {
	bundle   *program.Bundle
	train    *plan.Plan
	eval     *plan.Plan
	engines  []*engine.Engine
	backends []*cpu.Backend
}

// newSplit plans a golden's net, builds and validates its Programs and starts them with
// the golden's weights.
func newSplit(t *testing.T, g *goldens.Golden, policy string, ranks int, decay float64, o program.Options) *split {
	t.Helper()
	s := &split{}
	for _, training := range []bool{true, false} {
		net, err := g.Build(training)
		if err != nil {
			t.Fatal(err)
		}
		if training {
			if err := net.Differentiate(); err != nil {
				t.Fatal(err)
			}
		}
		graph, err := plan.Read(net, plan.Optimizer{Momentum: g.Momentum, Decay: decay})
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.New(graph, policy, ranks)
		if err != nil {
			t.Fatal(err)
		}
		if training {
			s.train = p
		} else {
			s.eval = p
		}
	}
	for range ranks {
		o.Sizers = append(o.Sizers, cpu.Sizer{Threads: 1})
	}
	var err error
	if s.bundle, err = program.Build(s.train, s.eval, o); err != nil {
		t.Fatal(err)
	}
	if err := s.bundle.Validate(); err != nil {
		t.Fatal(err)
	}
	s.start(t, ranks)
	for name, w := range g.Weights {
		s.write(t, name, w)
	}
	return s
}

func (s *split) start(t *testing.T, ranks int) {
	t.Helper()
	transports := exchange.NewMemory(ranks)
	for r, p := range s.bundle.Programs {
		b := cpu.New(1)
		e, err := engine.New(p.Encode(), b, transports[r])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { transports[r].Close(); e.Close(); b.Close() })
		s.engines, s.backends = append(s.engines, e), append(s.backends, b)
	}
	s.all(t, func(ctx context.Context, e *engine.Engine) error {
		if err := e.Start(ctx); err != nil {
			return err
		}
		return e.Run(ctx, program.Init)
	})
}

func (s *split) all(t *testing.T, do func(ctx context.Context, e *engine.Engine) error) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	for _, e := range s.engines {
		group.Go(func() error { return do(ctx, e) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// run fills the inputs of a section from the golden and runs it on all ranks.
func (s *split) run(t *testing.T, g *goldens.Golden, section string) {
	t.Helper()
	s.all(t, func(ctx context.Context, e *engine.Engine) error {
		for _, name := range e.Inputs(section) {
			buf, box, _ := e.Input(section, name)
			feed(g, name, buf, box)
		}
		return e.Run(ctx, section)
	})
}

func feed(g *goldens.Golden, name string, buf []byte, box layout.Box) {
	switch name {
	case "image":
		size := g.Channels * g.Height * g.Width
		copy(buf, g.Images[box[0].Lo*size:box[0].Hi*size])
	case "labels":
		for i := range box[0].Len() {
			binary.LittleEndian.PutUint32(buf[4*i:], uint32(int32(g.Labels[box[0].Lo+i])))
		}
	case "step":
		binary.LittleEndian.PutUint32(buf, 1)
	case "seed":
		binary.LittleEndian.PutUint32(buf, math.Float32bits(1))
	case "rate":
		binary.LittleEndian.PutUint32(buf, math.Float32bits(float32(g.Rate)))
	default:
		panic("unknown input")
	}
}

// output returns an output of a section from the ranks that have it, which must agree.
func (s *split) output(t *testing.T, section, name string) []float64 {
	t.Helper()
	var out []float32
	for r, e := range s.engines {
		v, ok := e.Output(section, name)
		if !ok {
			continue
		}
		if out != nil && !slices.Equal(out, v) {
			t.Errorf("rank %d has %s %v, another %v", r, name, v, out)
		}
		out = slices.Clone(v)
	}
	return widen(out)
}

func widen(v []float32) []float64 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = float64(x)
	}
	return w
}

// write puts a whole tensor into every rank's part of it.
func (s *split) write(t *testing.T, name string, whole []float32) {
	t.Helper()
	shape := s.shape(t, name)
	s.buffers(name, func(r int, id program.BufferID, b *program.Buffer) {
		in, err := s.backends[r].Import(b.Region())
		if err != nil {
			t.Fatal(err)
		}
		err = kernels.Write(in, func(bytes []byte) {
			eachElement(b, shape, func(part, all int) {
				binary.LittleEndian.PutUint32(bytes[4*part:], math.Float32bits(whole[all]))
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// read puts a tensor together from all ranks' buffers of that name; replicas must be
// equal bit for bit.
func (s *split) read(t *testing.T, name string, shape layout.Shape, use func(r int, id program.BufferID) bool) []float64 {
	t.Helper()
	whole := make([]float64, shape.Volume())
	for i := range whole {
		whole[i] = math.NaN()
	}
	differ := 0
	s.buffers(name, func(r int, id program.BufferID, b *program.Buffer) {
		if use != nil && !use(r, id) {
			return
		}
		out, err := s.backends[r].Export(b.Region())
		if err != nil {
			t.Fatal(err)
		}
		bytes, err := kernels.Read(out)
		if err != nil {
			t.Fatal(err)
		}
		eachElement(b, shape, func(part, all int) {
			v := float64(math.Float32frombits(binary.LittleEndian.Uint32(bytes[4*part:])))
			if !math.IsNaN(whole[all]) && whole[all] != v {
				differ++
			}
			whole[all] = v
		})
	})
	if differ > 0 {
		t.Errorf("%s: %d elements differ between ranks", name, differ)
	}
	return whole
}

func (s *split) buffers(name string, do func(r int, id program.BufferID, b *program.Buffer)) {
	for r, p := range s.bundle.Programs {
		for i := range p.Buffers {
			if p.Buffers[i].Name == name {
				do(r, program.BufferID(i), &p.Buffers[i])
			}
		}
	}
}

func (s *split) shape(t *testing.T, name string) layout.Shape {
	t.Helper()
	for _, x := range s.train.Graph.Tensors {
		if x.Name == name {
			return x.Shape
		}
	}
	t.Fatalf("no tensor %s", name)
	return layout.Shape{}
}

// logits returns the logits that a section computed; memory must not have been reused.
func (s *split) logits(t *testing.T, p *plan.Plan, section string) []float64 {
	t.Helper()
	var logits *plan.Tensor
	for _, n := range p.Graph.Insts {
		if n.Op.Kind() == "row-max" {
			logits = n.In[0]
		}
	}
	written := map[[2]int]bool{}
	for r, q := range s.bundle.Programs {
		for _, i := range q.Section(section).Instrs {
			if i.Kind == program.Run {
				written[[2]int{r, int(i.Call.Out.Buffer)}] = true
			}
		}
	}
	return s.read(t, logits.Name, logits.Shape, func(r int, id program.BufferID) bool { return written[[2]int{r, int(id)}] })
}

// eachElement calls do with the index, in the buffer and in the whole tensor, of each of
// the buffer's elements.
func eachElement(b *program.Buffer, shape layout.Shape, do func(part, all int)) {
	s := b.Shape()
	st := [4]int{s[1] * s[2] * s[3], s[2] * s[3], s[3], 1}
	if b.Format == kernels.NHWC {
		st = [4]int{s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]}
	}
	for n := range s[0] {
		for c := range s[1] {
			for h := range s[2] {
				for w := range s[3] {
					all := ((b.Box[0].Lo+n)*shape[1]+b.Box[1].Lo+c)*shape[2] + b.Box[2].Lo + h
					do(n*st[0]+c*st[1]+h*st[2]+w*st[3], all*shape[3]+b.Box[3].Lo+w)
				}
			}
		}
	}
}

func check(t *testing.T, g *goldens.Golden, key string, got, want []float64) {
	t.Helper()
	if e, limit := goldens.Error(got, want), g.Tolerance(t, key); !(e <= limit) {
		t.Errorf("%s: error %.3g, PyTorch's own allows %.3g", key, e, limit)
	}
}

// TestSplitAgreesWithPyTorch trains the goldens' nets split over 1 to 4 ranks: logits,
// loss, every gradient, the weights and statistics after all steps and the logits of an
// evaluation must be PyTorch's.
func TestSplitAgreesWithPyTorch(t *testing.T) {
	for _, name := range goldens.Names() {
		g := goldens.Load(t, name)
		for _, policy := range plan.Policies() {
			for ranks := 1; ranks <= 4; ranks++ {
				t.Run(fmt.Sprintf("%s/%s/%d", name, policy, ranks), func(t *testing.T) {
					plain := newSplit(t, g, policy, ranks, 0, program.Options{NoReuse: true, NoFusion: true})
					plain.run(t, g, program.Accumulate)
					check(t, g, "logits", plain.logits(t, plain.train, program.Accumulate), g.Logits)

					one := newSplit(t, g, policy, ranks, 0, program.Options{})
					one.run(t, g, program.Accumulate)
					check(t, g, "loss", one.output(t, program.Accumulate, "loss"), []float64{g.Loss})
					if hits := one.output(t, program.Accumulate, "hits"); !slices.Equal(hits, g.Hits[:]) {
						t.Errorf("hits %v, want %v", hits, g.Hits)
					}
					one.run(t, g, program.Update)
					for name, want := range g.Grads { // without decay the first momentum is the gradient
						check(t, g, "grad/"+name, one.read(t, name+".momentum", one.shape(t, name), nil), want)
					}

					all := newSplit(t, g, policy, ranks, g.Decay, program.Options{NoReuse: true})
					for range g.Steps {
						all.run(t, g, program.Accumulate)
						all.run(t, g, program.Update)
					}
					for name, want := range g.After {
						check(t, g, "after/"+name, all.read(t, name, all.shape(t, name), nil), want)
					}
					for name, want := range g.Stats {
						check(t, g, "stat/"+name, all.read(t, name, all.shape(t, name), nil), want)
					}
					all.run(t, g, program.Eval)
					check(t, g, "eval/logits", all.logits(t, all.eval, program.Eval), g.EvalLogits)
				})
			}
		}
	}
}

// TestSplitAgreesWithTapeMachine compares the split step with Gorgonia's own run of the
// whole graph.
func TestSplitAgreesWithTapeMachine(t *testing.T) {
	for _, name := range goldens.Names() {
		g := goldens.Load(t, name)
		net, err := g.Build(true)
		if err != nil {
			t.Fatal(err)
		}
		if err := net.Differentiate(); err != nil {
			t.Fatal(err)
		}
		tape, err := goldens.Tape(net.Graph, g.Leaves(), append(slices.Clone(net.Grads), net.Loss)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, ranks := range []int{2, 3, 4} {
			s := newSplit(t, g, "model", ranks, 0, program.Options{})
			s.run(t, g, program.Accumulate)
			check(t, g, "loss", s.output(t, program.Accumulate, "loss"), tape[len(net.Grads)])
			s.run(t, g, program.Update)
			for i, p := range net.Params {
				check(t, g, "grad/"+p.Name, s.read(t, p.Name+".momentum", s.shape(t, p.Name), nil), tape[i])
			}
		}
	}
}
