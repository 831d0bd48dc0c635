package job

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"cleave/proto/jobpb"
)

// round collects what the ranks report of one step.
type round struct {
	measures []*jobpb.Measures // by rank; nil: not yet
	left     int
}

func newRound(ranks int) round { return round{make([]*jobpb.Measures, ranks), ranks} }

// evalRound collects what the ranks report of an evaluation.
type evalRound struct {
	step uint64
	done []*jobpb.EvalDone // by rank
	left int
}

func newEvalRound(step uint64, ranks int) *evalRound {
	return &evalRound{step, make([]*jobpb.EvalDone, ranks), ranks}
}

func (m *Machine) stepDone(e StepDone) []Action {
	w := m.find(e.Conn)
	if w == nil || m.state == accused {
		return nil
	}
	if m.state != training || e.Number != w.done+1 || e.Number > m.sent || e.Measures == nil {
		return m.untimely(w, fmt.Sprintf("StepDone %d", e.Number))
	}
	w.done++
	r := &m.steps[e.Number-m.done-1]
	r.measures[w.rank] = e.Measures
	r.left--
	if r.left > 0 {
		return nil
	}
	// Ranks answer in order, so the step before has been completed already.
	step := m.rules.Course.Step(m.done + 1)
	report, err := m.merge(step, m.steps[0].measures)
	if err != nil {
		return m.finish(err)
	}
	m.done, m.steps = m.done+1, m.steps[1:]
	m.slow = report.Time > slowStep
	return append([]Action{ShowStep{report}}, m.advance()...)
}

// merge makes one report of what the ranks measured.
func (m *Machine) merge(s Step, ranks []*jobpb.Measures) (StepReport, error) {
	r := StepReport{Step: s.Number, Epoch: s.Epoch + 1, Rate: s.Rate, Images: m.rules.Batch}
	loss := agreed[float32]{what: "loss"}
	top1 := agreed[float32]{what: "count of right answers"}
	squares := 0.0
	for rank, x := range ranks {
		loss.take(rank, x.Loss)
		top1.take(rank, x.Top1)
		for _, q := range x.GradientSquares {
			squares += float64(q)
		}
		r.Time = max(r.Time, time.Duration(x.Nanoseconds))
		r.Wait = max(r.Wait, time.Duration(x.WaitNanoseconds))
		r.Received += x.ReceivedBytes
	}
	if loss.odd != nil {
		return r, &LossError{s.Number, *loss.odd}
	}
	for _, err := range []error{loss.err(m), top1.err(m)} {
		if err != nil {
			return r, fmt.Errorf("step %d: %w", s.Number, err)
		}
	}
	r.Loss = loss.value
	r.Top1 = float64(top1.value) / float64(m.rules.Batch)
	r.GradNorm = math.Sqrt(squares)
	if m.rules.Tensors && s.Number == 1 {
		r.Tensors = m.tensorNorms(ranks)
	}
	return r, nil
}

// tensorNorms adds up the squares that the ranks hold of each parameter's gradient.
func (m *Machine) tensorNorms(ranks []*jobpb.Measures) []TensorNorm {
	squares := map[string]float64{}
	for rank, x := range ranks {
		for i, q := range x.GradientSquares {
			if rank < len(m.labels) && i < len(m.labels[rank]) {
				squares[m.labels[rank][i]] += float64(q)
			}
		}
	}
	var norms []TensorNorm
	for name, q := range squares {
		norms = append(norms, TensorNorm{name, math.Sqrt(q)})
	}
	slices.SortFunc(norms, func(a, b TensorNorm) int { return cmp.Compare(a.Name, b.Name) })
	return norms
}

func (m *Machine) evalDone(e EvalDone) []Action {
	w := m.find(e.Conn)
	if w == nil || m.state == accused {
		return nil
	}
	v := m.eval
	if m.state != training || v == nil || e.Done == nil || e.Done.Step != v.step || v.done[w.rank] != nil {
		return m.untimely(w, "EvalDone")
	}
	v.done[w.rank] = e.Done
	v.left--
	if v.left > 0 {
		return nil
	}
	report, err := m.mergeEval(v)
	if err != nil {
		return m.finish(err)
	}
	m.eval, m.lastEval = nil, v.step
	return append([]Action{ShowEval{report}}, m.advance()...)
}

func (m *Machine) mergeEval(v *evalRound) (EvalReport, error) {
	r := EvalReport{Step: v.step, Epoch: m.rules.Course.Step(v.step).Epoch + 1}
	images := agreed[uint64]{what: "number of test images"}
	loss := agreed[float64]{what: "evaluation loss"}
	top1 := agreed[float64]{what: "count of right answers"}
	top5 := agreed[float64]{what: "count of answers right among five"}
	for rank, x := range v.done {
		images.take(rank, &x.Images)
		if x.HasLoss {
			loss.take(rank, &x.Loss)
		}
		if x.HasHits {
			top1.take(rank, &x.Top1)
			top5.take(rank, &x.Top5)
		}
		r.Received += x.ReceivedBytes
	}
	for _, err := range []error{images.err(m), loss.err(m), top1.err(m), top5.err(m)} {
		if err != nil {
			return r, fmt.Errorf("evaluation after step %d: %w", v.step, err)
		}
	}
	if images.value == 0 {
		return r, fmt.Errorf("evaluation after step %d: there are no test images", v.step)
	}
	n := float64(images.value)
	r.Images, r.Loss, r.Top1, r.Top5 = int(images.value), loss.value/n, top1.value/n, top5.value/n
	if math.IsNaN(r.Loss) || math.IsInf(r.Loss, 0) {
		return r, &LossError{v.step, float32(r.Loss)}
	}
	return r, nil
}

// agreed is a value that several ranks may report and that must be equal, bit for bit.
type agreed[T float32 | float64 | uint64] struct {
	what   string
	value  T
	rank   int // that reported it first
	seen   bool
	other  T // the first that differed
	by     int
	differ bool
	odd    *T // the first that was not finite
}

func (a *agreed[T]) take(rank int, v *T) {
	if v == nil {
		return
	}
	if f := float64(*v); a.odd == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		a.odd = v
	}
	switch {
	case !a.seen:
		a.value, a.rank, a.seen = *v, rank, true
	case bits(*v) != bits(a.value) && !a.differ:
		a.other, a.by, a.differ = *v, rank, true
	}
}

// bits tells apart all finite values, 0 and -0 too; counts are far below 2^53.
func bits[T float32 | float64 | uint64](v T) uint64 { return math.Float64bits(float64(v)) }

func (a *agreed[T]) err(m *Machine) error {
	if !a.seen {
		return fmt.Errorf("no worker reported the %s", a.what)
	}
	if a.differ {
		return fmt.Errorf("the workers disagree about the %s: %s has %v, %s has %v", a.what,
			m.members[a.rank].worker.Name, a.value, m.members[a.by].worker.Name, a.other)
	}
	return nil
}
