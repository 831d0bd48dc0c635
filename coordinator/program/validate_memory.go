package program

import (
	"cmp"
	"fmt"
	"slices"

	"cleave/kernels"
	"cleave/layout"
)

func byOffset(gs []kernels.Region) {
	slices.SortFunc(gs, func(a, b kernels.Region) int { return cmp.Compare(a.Offset, b.Offset) })
}

// memory is what a rank's arena holds while the instructions are walked.
type memory struct {
	p       *Program
	content [][]layout.Box   // by buffer: what was written and not lost
	updated [][]layout.Box   // by kept buffer: what this timeline has updated
	valid   []BufferID       // buffers that hold their memory, by offset; kept ones are not listed
	holds   []bool           // by buffer: in valid
	posts   map[uint32]View  // a peer may write these
	sends   map[uint32]View  // the transport may read these
	flight  map[BufferID]int // how many of both a buffer has
}

// walk checks a rank's instructions against what its memory holds.
func (p *Program) walk(rank int) error {
	m := &memory{
		p:       p,
		content: make([][]layout.Box, len(p.Buffers)),
		posts:   map[uint32]View{},
		sends:   map[uint32]View{},
		flight:  map[BufferID]int{},
	}
	for _, names := range timelines {
		for i := range p.Buffers {
			if !p.Buffers[i].Kept {
				m.content[i] = nil
			}
		}
		m.updated = make([][]layout.Box, len(p.Buffers))
		m.holds = make([]bool, len(p.Buffers))
		m.valid = m.valid[:0]
		for _, name := range names {
			s := p.Section(name)
			if s == nil {
				continue
			}
			for _, in := range p.Inputs {
				if in.Section != name {
					continue
				}
				if err := m.claim(in.Buffer); err != nil {
					return &Fault{rank, name, -1, err.Error()}
				}
				m.content[in.Buffer] = []layout.Box{p.Buffers[in.Buffer].Box}
			}
			for i := range s.Instrs {
				if err := m.step(&s.Instrs[i], name != Init); err != nil {
					return &Fault{rank, name, i, err.Error()}
				}
			}
			if len(m.posts)+len(m.sends) > 0 {
				return &Fault{rank, name, -1, "messages are under way at its end"}
			}
			for _, out := range p.Outputs {
				if out.Section != name {
					continue
				}
				if len(layout.Missing([]layout.Box{p.Buffers[out.Buffer].Box}, m.content[out.Buffer])) > 0 {
					return &Fault{rank, name, -1, fmt.Sprintf("output %s is not written", out.Name)}
				}
			}
		}
	}
	return nil
}

func (m *memory) step(n *Instr, update bool) error {
	switch n.Kind {
	case Run:
		return m.run(n.Call, update)
	case Post:
		v := n.Message.View
		if err := m.free(v); err != nil {
			return err
		}
		if err := m.claim(v.Buffer); err != nil {
			return err
		}
		m.content[v.Buffer] = layout.MinusAll(m.content[v.Buffer], v.Box) // whatever it was
		m.posts[n.Message.Tag] = v
		m.flight[v.Buffer]++
	case Wait:
		v := n.Message.View
		delete(m.posts, n.Message.Tag)
		m.flight[v.Buffer]--
		m.content[v.Buffer] = append(m.content[v.Buffer], v.Box)
	case Send:
		v := n.Message.View
		if err := m.read(v, 1); err != nil {
			return err
		}
		m.sends[n.Message.Tag] = v
		m.flight[v.Buffer]++
	case Sent:
		delete(m.sends, n.Message.Tag)
		m.flight[n.Message.View.Buffer]--
	}
	return nil
}

func (m *memory) run(c *Call, update bool) error {
	also := append(c.Desc.Code.Updates(), c.Desc.Code.Fills()...) // inputs that are written
	outs := []View{c.Out}
	for i, v := range c.In {
		if !slices.Contains(c.Desc.Code.Fills(), i) {
			if err := m.read(v, c.Desc.Step[0]); err != nil {
				return err
			}
		}
		if slices.Contains(also, i) {
			outs = append(outs, v)
		}
	}
	for k, o := range outs {
		for i, v := range c.In {
			if k > 0 && slices.Contains(also, i) && v == o {
				continue
			}
			if !m.apart(o, v) && !(k == 0 && m.alike(o, v) && slices.Contains(c.Desc.Code.InPlace(), i)) {
				return fmt.Errorf("%s writes over its input %d", c.Desc.Code, i)
			}
		}
		if err := m.free(o); err != nil {
			return err
		}
		if err := m.claim(o.Buffer); err != nil {
			return err
		}
		b := &m.p.Buffers[o.Buffer]
		if update && b.Kept && b.Use != kernels.Report {
			for _, u := range m.updated[o.Buffer] {
				if !u.And(o.Box).Empty() {
					return fmt.Errorf("%s is updated twice", b.Name)
				}
			}
			m.updated[o.Buffer] = append(m.updated[o.Buffer], o.Box)
		}
		m.content[o.Buffer] = append(m.content[o.Buffer], layout.Missing(every(o.Box, c.Desc.Step[1]), m.content[o.Buffer])...)
	}
	return nil
}

// apart reports whether two views share no memory.
func (m *memory) apart(a, b View) bool {
	if a.Buffer == b.Buffer {
		return a.Box.And(b.Box).Empty()
	}
	return !overlap(m.p.Buffers[a.Buffer].Region(), m.p.Buffers[b.Buffer].Region())
}

// alike reports whether two views are the same elements of the same memory.
func (m *memory) alike(a, b View) bool {
	x, y := &m.p.Buffers[a.Buffer], &m.p.Buffers[b.Buffer]
	return a.Box == b.Box && x.Box == y.Box && x.Offset == y.Offset && x.Format == y.Format && x.DType == y.DType
}

// read checks that each step-th channel of a view holds what was written to it.
func (m *memory) read(v View, step int) error {
	b := &m.p.Buffers[v.Buffer]
	if left := layout.Missing(every(v.Box, step), m.content[v.Buffer]); len(left) > 0 {
		return fmt.Errorf("%v of %s (buffer %d) is read before it is written, or after its memory was used again", left[0], b.Name, v.Buffer)
	}
	for _, u := range m.updated[v.Buffer] {
		if !u.And(v.Box).Empty() {
			return fmt.Errorf("%s is read after its update", b.Name)
		}
	}
	if m.flight[v.Buffer] > 0 {
		for _, o := range m.posts {
			if o.Buffer == v.Buffer && !o.Box.And(v.Box).Empty() {
				return fmt.Errorf("%s is read while a peer may write it", b.Name)
			}
		}
	}
	return nil
}

// free checks that no message is under way in a view that is about to be written.
func (m *memory) free(v View) error {
	if m.flight[v.Buffer] == 0 {
		return nil
	}
	for _, under := range []map[uint32]View{m.posts, m.sends} {
		for tag, o := range under {
			if o.Buffer == v.Buffer && !o.Box.And(v.Box).Empty() {
				return fmt.Errorf("%s is written while message %d is under way", m.p.Buffers[v.Buffer].Name, tag)
			}
		}
	}
	return nil
}

// claim gives a buffer its memory; what lay there is lost.
func (m *memory) claim(id BufferID) error {
	b := &m.p.Buffers[id]
	if b.Kept || m.holds[id] {
		return nil
	}
	// Buffers in valid do not overlap, so their ends are in order too.
	at, _ := slices.BinarySearchFunc(m.valid, b.Offset, func(q BufferID, o int64) int {
		return cmp.Compare(m.p.Buffers[q].Offset+m.p.Buffers[q].Bytes, o+1)
	})
	end := at
	for end < len(m.valid) && m.p.Buffers[m.valid[end]].Offset < b.Offset+b.Bytes {
		q := m.valid[end]
		if m.flight[q] > 0 {
			return fmt.Errorf("%s (buffer %d) takes the memory of %s (buffer %d) while a message is under way there", b.Name, id, m.p.Buffers[q].Name, q)
		}
		m.content[q] = nil
		m.holds[q] = false
		end++
	}
	m.valid = slices.Replace(m.valid, at, end, id)
	m.holds[id] = true
	return nil
}
