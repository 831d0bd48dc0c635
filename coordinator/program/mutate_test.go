package program_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cleave/coordinator/plan"
	"cleave/coordinator/program"
	"cleave/kernels"
	"cleave/layout"
)

// damage breaks a bundle. It returns false if the place that rng picked cannot be broken
// in this way.
type damage func(rng *rand.Rand, b *program.Bundle) bool

// pick returns a random instruction of a section that want accepts.
func pick(rng *rand.Rand, b *program.Bundle, want func(p *program.Program, s *program.Section, i int) bool) (*program.Program, *program.Section, int) {
	for range 200 {
		p := b.Programs[rng.IntN(len(b.Programs))]
		s := &p.Sections[rng.IntN(len(p.Sections))]
		if len(s.Instrs) == 0 {
			continue
		}
		if i := rng.IntN(len(s.Instrs)); want(p, s, i) {
			return p, s, i
		}
	}
	return nil, nil, 0
}

func isMessage(_ *program.Program, s *program.Section, i int) bool {
	return s.Instrs[i].Kind != program.Run
}

func is(k program.Kind) func(*program.Program, *program.Section, int) bool {
	return func(_ *program.Program, s *program.Section, i int) bool { return s.Instrs[i].Kind == k }
}

// reader returns the first instruction after i that reads what the instruction i writes.
func reader(s *program.Section, i int) int {
	v := s.Instrs[i].Message.View
	if s.Instrs[i].Kind == program.Run {
		v = s.Instrs[i].Call.Out
	}
	meets := func(w program.View) bool { return w.Buffer == v.Buffer && !w.Box.And(v.Box).Empty() }
	for k := i + 1; k < len(s.Instrs); k++ {
		n := &s.Instrs[k]
		if n.Kind == program.Send && meets(n.Message.View) || n.Kind == program.Run && slices.ContainsFunc(n.Call.In, meets) {
			return k
		}
	}
	return -1
}

// move takes instruction i out and puts it behind what is now at to.
func move(s *program.Section, i, to int) {
	n := s.Instrs[i]
	s.Instrs = slices.Delete(s.Instrs, i, i+1)
	if to >= i {
		to--
	}
	s.Instrs = slices.Insert(s.Instrs, to+1, n)
}

var damages = map[string]damage{
	"drop a message's instruction": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, isMessage)
		s.Instrs = slices.Delete(s.Instrs, i, i+1)
		return true
	},
	"repeat a message's instruction": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, isMessage)
		s.Instrs = slices.Insert(s.Instrs, i, s.Instrs[i])
		return true
	},
	"drop a kernel": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, func(_ *program.Program, s *program.Section, i int) bool {
			return s.Instrs[i].Kind == program.Run && reader(s, i) >= 0
		})
		s.Instrs = slices.Delete(s.Instrs, i, i+1)
		return true
	},
	"run a kernel after its reader": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, func(_ *program.Program, s *program.Section, i int) bool {
			return s.Instrs[i].Kind == program.Run && reader(s, i) >= 0
		})
		move(s, i, reader(s, i))
		return true
	},
	"wait after the reader": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, func(_ *program.Program, s *program.Section, i int) bool {
			return s.Instrs[i].Kind == program.Wait && reader(s, i) >= 0
		})
		move(s, i, reader(s, i))
		return true
	},
	"another tag": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, isMessage)
		s.Instrs[i].Message.Tag++
		return true
	},
	"another peer": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, isMessage)
		s.Instrs[i].Message.Peer++
		return true
	},
	"fewer bytes": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, isMessage)
		s.Instrs[i].Message.Bytes -= 4
		return true
	},
	"other bytes": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, isMessage)
		s.Instrs[i].Message.Offset += 4
		return true
	},
	"another buffer of a message": func(rng *rand.Rand, b *program.Bundle) bool {
		p, s, i := pick(rng, b, isMessage)
		m := &s.Instrs[i].Message
		m.View.Buffer = (m.View.Buffer + 1) % program.BufferID(len(p.Buffers))
		return true
	},
	"a shifted operand": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, is(program.Run))
		c := s.Instrs[i].Call
		if len(c.In) == 0 {
			return false
		}
		axis := rng.IntN(2)
		switch c.Desc.Code { // how much is summed over is nobody's business but the plan's
		case kernels.SumOfSquares:
			return false
		case kernels.BiasGrad, kernels.BNMean, kernels.BNVar:
			axis = 1
		case kernels.RowMax:
			axis = 0
		}
		c.In[rng.IntN(len(c.In))].Box[axis].Lo++
		return true
	},
	"a shifted result": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, is(program.Run))
		c := s.Instrs[i].Call
		if c.Desc.Code == kernels.SumOfSquares || c.Desc.Code == kernels.FillConst && c.Out.Box[0].Len()+c.Out.Box[1].Len() > 2 {
			return false // another element is found by name only; a part of a constant may be all that is read
		}
		axis := rng.IntN(2)
		c.Out.Box[axis] = c.Out.Box[axis].Add(1)
		return true
	},
	"one operand too many": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, is(program.Run))
		c := s.Instrs[i].Call
		if c.Desc.Code == kernels.Sum || c.Desc.Code == kernels.Max {
			return false
		}
		c.In = append(slices.Clone(c.In), c.Out)
		return true
	},
	"a buffer over kept memory": func(rng *rand.Rand, b *program.Bundle) bool {
		p := b.Programs[rng.IntN(len(b.Programs))]
		k := &p.Buffers[rng.IntN(len(p.Buffers))]
		if k.Kept {
			return false
		}
		k.Offset = int64(rng.IntN(int(p.Workspace.Offset)))
		return true
	},
	"a buffer outside the arena": func(rng *rand.Rand, b *program.Bundle) bool {
		p := b.Programs[rng.IntN(len(b.Programs))]
		p.Buffers[rng.IntN(len(p.Buffers))].Offset = p.ArenaBytes - 1
		return true
	},
	"two operands in one place": func(rng *rand.Rand, b *program.Bundle) bool {
		p, s, i := pick(rng, b, func(p *program.Program, s *program.Section, i int) bool {
			n := &s.Instrs[i]
			return n.Kind == program.Run && len(n.Call.In) > 1 && n.Call.In[0].Buffer != n.Call.In[1].Buffer &&
				!p.Buffers[n.Call.In[0].Buffer].Kept && !p.Buffers[n.Call.In[1].Buffer].Kept
		})
		if s == nil {
			return false
		}
		c := s.Instrs[i].Call
		p.Buffers[c.In[0].Buffer].Offset = p.Buffers[c.In[1].Buffer].Offset
		return true
	},
	"an update before a reader": func(rng *rand.Rand, b *program.Bundle) bool {
		p := b.Programs[rng.IntN(len(b.Programs))]
		u, a := p.Section(program.Update), p.Section(program.Accumulate)
		for _, i := range rng.Perm(len(u.Instrs)) {
			if n := u.Instrs[i]; n.Kind == program.Run && n.Call.Desc.Code == kernels.SGD {
				for k := range a.Instrs {
					if c := a.Instrs[k].Call; c != nil && slices.ContainsFunc(c.In, func(v program.View) bool { return v.Buffer == n.Call.Out.Buffer }) {
						a.Instrs = slices.Insert(a.Instrs, k, n)
						u.Instrs = slices.Delete(u.Instrs, i, i+1)
						return true
					}
				}
			}
		}
		return false
	},
	"an update twice": func(rng *rand.Rand, b *program.Bundle) bool {
		_, s, i := pick(rng, b, func(_ *program.Program, s *program.Section, i int) bool {
			n := &s.Instrs[i]
			return n.Kind == program.Run && (n.Call.Desc.Code == kernels.SGD || n.Call.Desc.Code == kernels.RunningStat)
		})
		s.Instrs = slices.Insert(s.Instrs, i, s.Instrs[i])
		return true
	},
	"everybody waits first": func(_ *rand.Rand, b *program.Bundle) bool {
		for _, p := range b.Programs { // the first send of each behind its first wait
			s := p.Section(program.Accumulate)
			i := slices.IndexFunc(s.Instrs, func(n program.Instr) bool { return n.Kind == program.Send })
			w := slices.IndexFunc(s.Instrs, func(n program.Instr) bool { return n.Kind == program.Wait })
			if i < 0 || w < i {
				return false
			}
			move(s, i, w)
		}
		return true
	},
	"an output that nobody writes": func(rng *rand.Rand, b *program.Bundle) bool {
		p := b.Programs[rng.IntN(len(b.Programs))]
		for i := range p.Outputs {
			if p.Outputs[i].Name == "loss" {
				p.Outputs[i].Section = program.Init
				return true
			}
		}
		return false
	},
}

// TestDamage breaks sound bundles in every way that the validator promises to see, at
// random places.
func TestDamage(t *testing.T) {
	type source struct {
		train, eval *plan.Plan
	}
	var sources []source
	for _, c := range []struct {
		net, policy string
		ranks       int
	}{{"alex", "alexnet2012", 2}, {"residual", "data", 3}, {"shuffled", "model", 3}} {
		f := load(t, c.net)
		sources = append(sources, source{planned(t, f.train, c.policy, c.ranks), planned(t, f.eval, c.policy, c.ranks)})
	}
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for name, d := range damages {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			did := 0
			for seed := range rounds {
				rng := rand.New(rand.NewPCG(uint64(seed), 2))
				s := sources[seed%len(sources)]
				b := build(t, s.train, s.eval, program.Options{Seed: 5})
				if !d(rng, b) {
					continue
				}
				did++
				err := b.Validate()
				var fault *program.Fault
				if !errors.As(err, &fault) {
					t.Fatalf("seed %d: not refused: %v", seed, err)
				}
				if testing.Verbose() && did == 1 {
					t.Log(fault)
				}
			}
			if did == 0 {
				t.Error("never done")
			}
		})
	}
}

// TestSentTooLate moves the end of sends to the end of the section: refused where the
// memory is used again before.
func TestSentTooLate(t *testing.T) {
	f := load(t, "alex")
	p := planned(t, f.train, "alexnet2012", 2)
	refused := 0
	count := len(build(t, p, nil, program.Options{}).Programs[0].Section(program.Accumulate).Instrs)
	for i := range count {
		b := build(t, p, nil, program.Options{})
		s := b.Programs[0].Section(program.Accumulate)
		if s.Instrs[i].Kind != program.Sent {
			continue
		}
		move(s, i, len(s.Instrs)-1)
		if err := b.Validate(); err != nil {
			if !strings.Contains(err.Error(), "under way") {
				t.Errorf("instruction %d: %v", i, err)
			}
			refused++
		}
	}
	if refused == 0 {
		t.Error("no send's memory is ever used again")
	}
}

// TestRefusesPlans gives Build plans that are not consistent.
func TestRefusesPlans(t *testing.T) {
	f := load(t, "alex")
	for _, c := range []struct {
		name, want string
		change     func(p *plan.Plan)
	}{
		{"nobody computes an op", "no rank has", func(p *plan.Plan) {
			p.Works[3] = make([]layout.Work, p.Ranks)
		}},
		{"an update of what is not kept", "not what it keeps", func(p *plan.Plan) {
			for _, n := range p.Graph.Insts {
				if n.Dest != nil && n.Dest.Name == "conv1.weight" {
					p.Works[n.ID] = []layout.Work{{Out: n.Out.Shape.Box(), Red: layout.Span{Hi: 1}}, {}}
				}
			}
		}},
		{"rows are cut", "cuts the rows", func(p *plan.Plan) {
			for _, n := range p.Graph.Insts {
				if n.Op.Kind() == "conv" && n.Out.Shape[2] > 1 {
					p.Works[n.ID][0].Out[2].Hi--
				}
			}
		}},
		{"half a summand", "nobody computes", func(p *plan.Plan) {
			for _, n := range p.Graph.Insts {
				if p.Summands[n.ID] {
					for r := range p.Works[n.ID] {
						p.Works[n.ID][r].Out[0].Hi--
					}
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := planned(t, f.train, "model", 2)
			c.change(p)
			_, err := program.Build(p, nil, program.Options{Sizers: sizers(flat{}, 2)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	p := planned(t, f.train, "model", 2)
	if _, err := program.Build(p, nil, program.Options{Sizers: sizers(flat{}, 3)}); err == nil {
		t.Error("three sizers for two ranks are not refused")
	}
	if _, err := program.Build(p, planned(t, f.eval, "model", 3), program.Options{Sizers: sizers(flat{}, 2)}); err == nil {
		t.Error("plans for two and three ranks are not refused")
	}
}
