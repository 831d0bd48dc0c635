package job

import (
	"fmt"
	"net"
	"slices"

	"cleave/proto/jobpb"
)

// register takes a worker in or says why not. When the last one has come, ranks are given
// by the natural order of the names and the Programs are asked for.
func (m *Machine) register(e Registered) []Action {
	if m.find(e.Conn) != nil {
		return m.untimely(m.find(e.Conn), "a second Register")
	}
	if reason := m.refusal(e.Worker); reason != "" {
		name := e.Worker.Name
		if checkName(name) != nil {
			name = "a worker"
		}
		return []Action{Refuse{e.Conn, reason}, Note{fmt.Sprintf("refused %s: %s", name, reason)}}
	}
	m.members = append(m.members, &member{conn: e.Conn, worker: e.Worker})
	acts := []Action{Welcome{e.Conn}}
	if len(m.members) < m.rules.Workers {
		return acts
	}
	slices.SortFunc(m.members, func(a, b *member) int { return compareNames(a.worker.Name, b.worker.Name) })
	workers := make([]Worker, len(m.members))
	for i, w := range m.members {
		w.rank, workers[i] = i, w.worker
	}
	m.state = compiling
	return append(acts, Compile{workers})
}

func (m *Machine) refusal(w Worker) string {
	if w.Protocol != jobpb.Protocol {
		return fmt.Sprintf("the worker (version %q) speaks protocol %d and the coordinator protocol %d: use builds of one release", w.Version, w.Protocol, jobpb.Protocol)
	}
	if err := checkName(w.Name); err != nil {
		return err.Error()
	}
	for _, other := range m.members {
		if other.worker.Name == w.Name {
			return fmt.Sprintf("the name %s is taken: another worker of this job has it", w.Name)
		}
	}
	if m.state != gathering {
		return fmt.Sprintf("the job has its %s already", plural(m.rules.Workers, "worker"))
	}
	if host, port, err := net.SplitHostPort(w.Address); err != nil || host == "" || port == "" || port == "0" {
		return fmt.Sprintf("the address %q is none that other workers can reach: it must be HOST:PORT", w.Address)
	}
	return ""
}

// lost takes note of a stream that has ended or is silent.
func (m *Machine) lost(e Lost) []Action {
	w := m.find(e.Conn)
	if w == nil {
		return nil
	}
	acts := []Action{Drop{w.conn}}
	if w.exit != "" {
		e.Reason = "its process ended: " + w.exit
	} else if m.state == gathering {
		return append(acts, m.leave(w, e.Reason)...)
	}
	w.gone = true
	if m.accuser(w.rank) {
		return acts // it has said why it leaves
	}
	return append(acts, m.finish(&WorkerError{w.worker.Name, fmt.Sprintf("is lost %s: %s", m.when(), e.Reason)})...)
}

// exited takes note of a process that has ended. If it is a member its last word, or the
// end of its stream, is under way and ends the job; it may also never have registered.
func (m *Machine) exited(e Exited) []Action {
	for _, w := range m.members {
		if w.worker.Name == e.Name {
			w.exit = e.Reason
			return nil
		}
	}
	return m.finish(&WorkerError{e.Name, fmt.Sprintf("has ended %s: %s", m.when(), e.Reason)})
}

// failed takes a worker's last word. If it says that another is lost, that other one may
// still say why, or its stream may end, before the verdict.
func (m *Machine) failed(e Failed) []Action {
	w := m.find(e.Conn)
	if w == nil {
		return nil
	}
	if m.state == gathering {
		return append(m.leave(w, e.Message), Drop{w.conn})
	}
	w.gone = true
	acts := []Action{Drop{w.conn}}
	if e.Peer < 0 || e.Peer >= len(m.members) || e.Peer == w.rank {
		return append(acts, m.finish(&WorkerError{w.worker.Name, fmt.Sprintf("failed %s: %s", m.when(), e.Message)})...)
	}
	m.blame = append(m.blame, accusation{w.rank, e.Peer, e.Message})
	if m.state != accused {
		m.state = accused
		acts = append(acts, Grace{})
	}
	return acts
}

func (m *Machine) graceOver() []Action {
	if m.state != accused {
		return nil
	}
	return m.verdict()
}

// verdict follows the accusations to a worker that has accused nobody.
func (m *Machine) verdict() []Action {
	a := m.blame[0]
	for range m.blame {
		i := slices.IndexFunc(m.blame, func(b accusation) bool { return b.by == a.of })
		if i < 0 {
			break
		}
		a = m.blame[i]
	}
	return m.finish(&WorkerError{m.members[a.of].worker.Name,
		fmt.Sprintf("is lost %s: %s says: %s", m.when(), m.members[a.by].worker.Name, a.message)})
}

func (m *Machine) accuser(rank int) bool {
	return slices.ContainsFunc(m.blame, func(a accusation) bool { return a.by == rank })
}

// untimely ends the job over a message that a worker must not send now.
func (m *Machine) untimely(w *member, what string) []Action {
	if m.state == gathering {
		return append(m.leave(w, "it sent "+what), Drop{w.conn})
	}
	w.gone = true
	return append([]Action{Drop{w.conn}},
		m.finish(&WorkerError{w.worker.Name, fmt.Sprintf("broke the protocol %s: it sent %s", m.when(), what)})...)
}

// leave forgets a worker before the start: its name is free again.
func (m *Machine) leave(w *member, why string) []Action {
	m.members = slices.DeleteFunc(m.members, func(o *member) bool { return o == w })
	return []Action{Note{fmt.Sprintf("%s has left: %s", w.worker.Name, why)}}
}

func (m *Machine) when() string {
	if m.done == 0 {
		return "before the first step was done"
	}
	return fmt.Sprintf("after step %d", m.done)
}
