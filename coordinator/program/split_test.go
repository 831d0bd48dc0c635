package program_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"cleave/coordinator/plan"
	"cleave/coordinator/program"
	"cleave/kernels"
	"cleave/kernels/cpu"
)

const (
	trainBatch = 6
	evalBatch  = 7
	rate       = 0.05
)

// pixels and classes are the data of a step.
func pixels(step int) func(n, c, h, w int) float64 {
	return func(n, c, h, w int) float64 {
		r := rand.New(rand.NewPCG(uint64(step), uint64(((n*7+c)*31+h)*31+w)))
		return float64(r.IntN(256))
	}
}

func classes(step int) func(n, c, h, w int) float64 {
	return func(n, _, _, _ int) float64 { return float64((n*3+step)%6 - n/6) } // the last of a batch may have none
}

func constant(v float64) func(n, c, h, w int) float64 {
	return func(_, _, _, _ int) float64 { return v }
}

// result is all that two steps and an evaluation leave.
type result struct {
	outputs map[string][]float64
	state   map[string][]float64
}

func runOracle(t testing.TB, train, eval *plan.Graph, start map[string][]float64) result {
	res := result{map[string][]float64{}, map[string][]float64{}}
	o := newOracle(t, train)
	for name, v := range start {
		o.set(name, v)
	}
	for step := 1; step <= 2; step++ {
		o.set("image", fill(o.tensor("image").Shape, pixels(step)))
		o.set("labels", fill(o.tensor("labels").Shape, classes(step)))
		for name, v := range map[string]float64{"step": float64(step), "seed": 1, "rate": rate} {
			o.set(name, []float64{v})
		}
		o.step()
		var squares []float64
		for _, g := range train.Grads {
			s := 0.0
			for _, v := range o.get(g) {
				s += v * v
			}
			squares = append(squares, s)
		}
		res.outputs[fmt.Sprint("loss ", step)] = o.get(train.Loss)
		res.outputs[fmt.Sprint("hits ", step)] = o.get(train.Hits)
		res.outputs[fmt.Sprint("squares ", step)] = squares
	}
	e := newOracle(t, eval)
	for _, x := range train.Tensors {
		if x.Persistent() {
			res.state[x.Name] = o.get(x)
			e.set(x.Name, o.get(x))
		}
	}
	e.set("image", fill(e.tensor("image").Shape, pixels(9)))
	e.set("labels", fill(e.tensor("labels").Shape, classes(9)))
	e.step()
	res.outputs["eval loss"], res.outputs["eval hits"] = e.get(eval.Loss), e.get(eval.Hits)
	return res
}

// runProgram does the same with a bundle, and returns also what its parameters were before.
func runProgram(t testing.TB, b *program.Bundle, train *plan.Graph, d delivery) (res result, start map[string][]float64) {
	t.Helper()
	res, start = result{map[string][]float64{}, map[string][]float64{}}, map[string][]float64{}
	m := newMachine(t, b, func() kernels.Backend { return cpu.New(1) }, d)
	m.run(program.Init)
	for _, x := range train.Tensors {
		if x.Persistent() {
			start[x.Name] = m.kept(x.Name, x.Shape)
		}
	}
	eval := func() {
		m.feed(program.Eval, "image", pixels(9))
		m.feed(program.Eval, "labels", classes(9))
		m.run(program.Eval)
	}
	eval() // leaves no trace
	want := make([]int64, len(b.Programs))
	for step := 1; step <= 2; step++ {
		clear(m.received)
		m.feed(program.Accumulate, "image", pixels(step))
		m.feed(program.Accumulate, "labels", classes(step))
		m.feed(program.Accumulate, "step", constant(float64(step)))
		m.feed(program.Accumulate, "seed", constant(1))
		m.run(program.Accumulate)
		m.feed(program.Update, "rate", constant(rate))
		m.run(program.Update)
		res.outputs[fmt.Sprint("loss ", step)] = m.output(program.Accumulate, "loss")
		res.outputs[fmt.Sprint("hits ", step)] = m.output(program.Accumulate, "hits")
		res.outputs[fmt.Sprint("squares ", step)] = m.total(program.Update, "gradient_squares")
		clear(want)
		for _, e := range b.Exchanges {
			if e.Section != program.Eval {
				for r, n := range e.Received {
					want[r] += n
				}
			}
		}
		if fmt.Sprint(want) != fmt.Sprint(m.received) {
			t.Errorf("step %d received %v bytes, planned %v", step, m.received, want)
		}
	}
	for _, x := range train.Tensors {
		if x.Persistent() {
			res.state[x.Name] = m.kept(x.Name, x.Shape)
		}
	}
	eval()
	res.outputs["eval loss"], res.outputs["eval hits"] = m.output(program.Eval, "loss"), m.output(program.Eval, "hits")
	return res, start
}

// compare checks one result against another, value by value.
func compare(t testing.TB, got, want result, limit float64) {
	t.Helper()
	for name, v := range want.outputs {
		check(t, name, got.outputs[name], v, limit)
	}
	for name, v := range want.state {
		if d := difference(got.state[name], v); !(d <= limit) && norm(v) > 1e-4 { // the gradient of a bias before BN is 0
			t.Errorf("%s: differs by %.3g: %s", name, d, first(got.state[name], v))
		}
	}
}

func norm(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x * x
	}
	return math.Sqrt(s)
}

// fixture is a small net read for training and evaluation.
type fixture struct{ train, eval *plan.Graph }

func load(t testing.TB, name string) fixture {
	return fixture{
		graphOf(t, small[name](t, smallConfig(trainBatch, true))),
		graphOf(t, small[name](t, smallConfig(evalBatch, false))),
	}
}

// TestSplitEqualsWhole runs two steps and evaluations of nets that hold every op, split by
// every policy, and compares all that comes out with the ops' own reference.
func TestSplitEqualsWhole(t *testing.T) {
	variants := map[string]program.Options{
		"all":         {},
		"no reuse":    {NoReuse: true},
		"no fusion":   {NoFusion: true},
		"no schedule": {NoSchedule: true},
	}
	for name := range small {
		f := load(t, name)
		var want result
		for _, policy := range []string{"model", "data"} {
			for _, ranks := range []int{1, 2, 3, 4, 5} { // five cut the groups of residual
				train, eval := planned(t, f.train, policy, ranks), planned(t, f.eval, policy, ranks)
				for variant, o := range variants {
					if variant != "all" && (ranks != 3 || testing.Short()) {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%d/%s", name, policy, ranks, variant), func(t *testing.T) {
						o.Seed, o.Sizers = 5, sizers(cpu.Sizer{Threads: 1}, ranks)
						b := build(t, train, eval, o)
						if err := b.Validate(); err != nil {
							t.Fatal(err)
						}
						for _, d := range []delivery{early, late} {
							got, start := runProgram(t, b, f.train, d)
							if want.outputs == nil {
								want = runOracle(t, f.train, f.eval, start)
							}
							compare(t, got, want, 2e-5)
						}
					})
				}
			}
		}
	}
}
