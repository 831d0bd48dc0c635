package job

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Machine is the state of one training job. It is pure: Handle takes an event and returns
// what is to be done about it. It is not safe for concurrent use.
type Machine struct {
	rules   Rules
	state   state
	members []*member // by rank once the job has started, by arrival before

	labels   [][]string // by rank
	sent     uint64     // last step that was sent
	done     uint64     // last step that all ranks have done
	slow     bool       // the last step took long: fewer steps ahead
	stopping bool       // the user wants the end
	steps    []round    // of the steps done+1 … sent
	eval     *evalRound // the evaluation under way
	lastEval uint64     // the step of the last one that is done
	blame    []accusation
}

// Rules are what a job is held to.
type Rules struct {
	Workers int
	Course  Course
	Batch   int  // images in a step, all ranks together
	Tensors bool // keep the gradient norm of each parameter in step 1
}

type state uint8

const (
	gathering state = iota // workers come and go
	compiling
	loading
	training
	accused // a worker has lost another, which may still say why
	over
)

type member struct {
	conn   Conn
	worker Worker
	rank   int
	loaded bool
	done   uint64 // last step that it has done
	exit   string // how its process ended, if that is known
	gone   bool
}

type accusation struct {
	by, of  int // ranks
	message string
}

// The workers are kept ahead-1 steps ahead of what they have answered, so that the
// coordinator is never on the critical path; steps that take longer than slowStep hide it
// with one, and an interrupt ends sooner.
const (
	ahead     = 4
	aheadSlow = 2
	slowStep  = 500 * time.Millisecond
)

// NewMachine returns a job that waits for its workers.
func NewMachine(r Rules) *Machine { return &Machine{rules: r} }

// Over reports whether the job has finished.
func (m *Machine) Over() bool { return m.state == over }

// Gathering reports whether workers are still to come.
func (m *Machine) Gathering() bool { return m.state == gathering }

// Missing says, while the job waits for its workers, who is there and how many are not.
func (m *Machine) Missing() string {
	s := fmt.Sprintf("%d of %d workers have come", len(m.members), m.rules.Workers)
	if len(m.members) == 0 {
		return s
	}
	var names []string
	for _, w := range m.members {
		names = append(names, w.worker.Name)
	}
	slices.SortFunc(names, compareNames)
	return fmt.Sprintf("%s (%s)", s, strings.Join(names, ", "))
}

// Done returns the last step that all ranks have done.
func (m *Machine) Done() uint64 { return m.done }

// Handle takes an event and returns the actions that follow from it, in order.
func (m *Machine) Handle(e Event) []Action {
	if m.state == over {
		if r, ok := e.(Registered); ok {
			return []Action{Refuse{r.Conn, "the job is over"}}
		}
		return nil
	}
	switch e := e.(type) {
	case Registered:
		return m.register(e)
	case Compiled:
		return m.compiled(e)
	case Loaded:
		return m.loaded(e)
	case StepDone:
		return m.stepDone(e)
	case EvalDone:
		return m.evalDone(e)
	case Failed:
		return m.failed(e)
	case Lost:
		return m.lost(e)
	case Exited:
		return m.exited(e)
	case GraceOver:
		return m.graceOver()
	case GiveUp:
		if m.state != gathering {
			return nil
		}
		return m.finish(fmt.Errorf("waited %s: %s", e.Waited, m.Missing()))
	case Interrupt:
		return m.interrupt()
	}
	return nil
}

func (m *Machine) compiled(e Compiled) []Action {
	if m.state != compiling {
		return nil
	}
	if e.Err != nil {
		return m.finish(e.Err)
	}
	m.state, m.labels = loading, e.Labels
	var acts []Action
	for _, w := range m.members {
		acts = append(acts, Load{w.conn, w.rank})
	}
	return acts
}

func (m *Machine) loaded(e Loaded) []Action {
	w := m.find(e.Conn)
	if w == nil {
		return nil
	}
	if m.state != loading || w.loaded {
		return m.untimely(w, "Loaded")
	}
	w.loaded = true
	for _, w := range m.members {
		if !w.loaded {
			return nil
		}
	}
	m.state = training
	return m.advance()
}

// advance sends what may be sent: steps, an evaluation when none is under way, the end.
func (m *Machine) advance() []Action {
	if m.state != training || m.eval != nil {
		return nil
	}
	idle := m.sent == m.done
	if m.stopping {
		if idle {
			return m.finish(&Interrupted{m.done, m.rules.Course.Steps})
		}
		return nil
	}
	if idle && m.rules.Course.Evaluates(m.done) && m.lastEval < m.done {
		m.eval = newEvalRound(m.done, len(m.members))
		return []Action{SendEvaluate{m.done}}
	}
	if idle && m.done == m.rules.Course.Steps {
		return m.finish(nil)
	}
	var acts []Action
	window := uint64(ahead)
	if m.slow {
		window = aheadSlow
	}
	for m.sent < m.rules.Course.Steps && m.sent-m.done < window && !(m.sent > m.done && m.rules.Course.Evaluates(m.sent)) {
		m.sent++
		m.steps = append(m.steps, newRound(len(m.members)))
		acts = append(acts, SendStep{m.rules.Course.Step(m.sent)})
	}
	return acts
}

func (m *Machine) interrupt() []Action {
	if m.state < training {
		return m.finish(&Interrupted{0, m.rules.Course.Steps})
	}
	m.stopping = true
	return m.advance()
}

// finish ends the job: every worker that is still there is told to stop.
func (m *Machine) finish(err error) []Action {
	m.state = over
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	return []Action{SendStop{reason}, Finish{err}}
}

func (m *Machine) find(c Conn) *member {
	for _, w := range m.members {
		if w.conn == c && !w.gone {
			return w
		}
	}
	return nil
}

// present returns the streams of the workers that have registered and not gone.
func (m *Machine) present() []Conn {
	var cs []Conn
	for _, w := range m.members {
		if !w.gone {
			cs = append(cs, w.conn)
		}
	}
	return cs
}
