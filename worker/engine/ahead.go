package engine

import (
	"sort"

	"cleave/proto/programpb"
)

// Upload begins to copy those of a section's inputs to the device that the next Run of it
// will use, while the device still works on the last one; Run copies the others. It may be
// called from RunAhead's ahead, once the inputs are filled. An input goes early if no other
// buffer shares its memory, and if the last Run was of a section that reads it: so it does
// nothing for a Program that gives its inputs no memory of their own.
func (e *Engine) Upload(section string) error {
	s := e.sections[section]
	if s == nil {
		return nil
	}
	for _, in := range s.inputs {
		if !in.free || in.uploaded {
			continue
		}
		in.fill(in.device.Bytes())
		if err := in.device.Filled(in.region.Bytes); err != nil {
			return err
		}
		in.free, in.uploaded = false, true
	}
	return nil
}

// release lets an input be overwritten, behind its last reader.
func (in *input) release() error {
	if err := in.device.Start(); err != nil {
		return err
	}
	in.free = true
	return nil
}

// loadEarly finds the inputs that may be uploaded early and their last readers. An input of
// several sections may not.
func (e *Engine) loadEarly(arena []buffer) {
	fed := make(map[uint32]int)
	for _, v := range e.program.Inputs {
		fed[v.Buffer]++
	}
	next := make(map[string]int) // input of a section
	for _, v := range e.program.Inputs {
		s := e.sections[v.Section]
		in := s.inputs[next[v.Section]]
		next[v.Section]++
		if fed[v.Buffer] > 1 || !alone(arena, v.Buffer) {
			continue
		}
		last := -1
		for i, n := range e.program.Sections[s.index].Instructions {
			if reads(n, v.Buffer) {
				last = i
			}
		}
		// The step that the instruction is part of.
		at := sort.Search(len(s.steps), func(i int) bool { return s.steps[i].first > last }) - 1
		if last >= 0 && s.steps[at].action == run {
			s.steps[at].last = append(s.steps[at].last, in)
		}
	}
}

// alone reports whether no other buffer shares a buffer's memory.
func alone(arena []buffer, index uint32) bool {
	for i := range arena {
		if i != int(index) && overlap(arena[i].operand.Region, arena[index].operand.Region) {
			return false
		}
	}
	return true
}

// reads reports whether an instruction mentions a buffer.
func reads(n *programpb.Instruction, buffer uint32) bool {
	if _, t, ok := transferOf(n); ok {
		return t.GetBuffer() == buffer
	}
	r := n.GetRun()
	if r.GetOut().GetBuffer() == buffer {
		return true
	}
	for _, v := range r.GetIn() {
		if v.GetBuffer() == buffer {
			return true
		}
	}
	return false
}
