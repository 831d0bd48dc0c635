package program

import (
	"fmt"
	"maps"
	"slices"

	"cleave/kernels"
)

// Fault is what Validate found wrong with a bundle.
type Fault struct {
	Rank    int
	Section string // empty: with the Program as a whole
	Instr   int    // index in the section, -1: with the section as a whole
	Reason  string
}

func (f *Fault) Error() string {
	switch {
	case f.Section == "":
		return fmt.Sprintf("rank %d: %s", f.Rank, f.Reason)
	case f.Instr < 0:
		return fmt.Sprintf("rank %d, %s: %s", f.Rank, f.Section, f.Reason)
	}
	return fmt.Sprintf("rank %d, %s %d: %s", f.Rank, f.Section, f.Instr, f.Reason)
}

// Validate checks all ranks' Programs together, knowing nothing of how they came about:
//
//   - every buffer lies in the arena; kept buffers and the workspace have memory of their own;
//   - every kernel call has operands of the right number, types and boxes, inside their buffers;
//   - every message is posted, sent, waited for and let go of once, in one section, by the
//     two ranks that it names, with equal bytes of equal boxes;
//   - nothing is read before it is written, after its memory was given to another buffer,
//     or while a peer may write it; nothing is written while the transport may read it;
//   - no parameter or momentum is read or sent after its update, or updated twice;
//   - no ranks wait for each other in a circle.
//
// The error is the first *Fault found.
func (b *Bundle) Validate() error {
	for r, p := range b.Programs {
		if err := p.places(r); err != nil {
			return err
		}
		if err := p.calls(r); err != nil {
			return err
		}
	}
	if err := b.pairs(); err != nil {
		return err
	}
	for r, p := range b.Programs {
		if err := p.walk(r); err != nil {
			return err
		}
	}
	for _, names := range timelines {
		for _, name := range names {
			_, ran := simulate(b, name, false)
			for r, p := range b.Programs {
				if s := p.Section(name); s != nil && ran[r] < len(s.Instrs) {
					n := s.Instrs[ran[r]]
					return &Fault{r, name, ran[r], fmt.Sprintf("%s of message %d never ends: ranks wait for each other", n.Kind, n.Message.Tag)}
				}
			}
		}
	}
	return nil
}

// places checks the buffers' places in the arena.
func (p *Program) places(r int) error {
	fault := func(format string, a ...any) error { return &Fault{r, "", -1, fmt.Sprintf(format, a...)} }
	inside := func(g kernels.Region) bool {
		return g.Offset >= 0 && g.Bytes >= 0 && g.Offset+g.Bytes <= p.ArenaBytes
	}
	if !inside(p.Workspace) {
		return fault("the workspace is outside the arena")
	}
	own := []kernels.Region{p.Workspace} // memory that nobody shares
	for i := range p.Buffers {
		b := &p.Buffers[i]
		if !inside(b.Region()) {
			return fault("buffer %d (%s) is outside the arena", i, b.Name)
		}
		if b.Box.Empty() || b.Bytes < p.sizer.Bytes(b.Format, b.DType, b.Shape()) {
			return fault("buffer %d (%s) has %d bytes, too few for %v", i, b.Name, b.Bytes, b.Box)
		}
		if b.Kept {
			own = append(own, b.Region())
		}
	}
	byOffset(own)
	for i := 1; i < len(own); i++ {
		if overlap(own[i-1], own[i]) {
			return fault("two kept buffers lie at %d", own[i].Offset)
		}
	}
	for i := range p.Buffers {
		b := &p.Buffers[i]
		if b.Kept {
			continue
		}
		for _, g := range own {
			if overlap(g, b.Region()) {
				return fault("buffer %d (%s) lies over kept memory", i, b.Name)
			}
		}
	}
	for _, n := range p.Inputs {
		if !p.has(n.Buffer) || p.Section(n.Section) == nil {
			return fault("input %s has no buffer or no section", n.Name)
		}
	}
	for _, n := range p.Outputs {
		if !p.has(n.Buffer) || p.Section(n.Section) == nil {
			return fault("output %s has no buffer or no section", n.Name)
		}
		if b := &p.Buffers[n.Buffer]; !b.Kept || len(n.Labels) > 0 && len(n.Labels) != b.Box.Volume() {
			return fault("output %s is not kept or not labelled", n.Name)
		}
	}
	return nil
}

func (p *Program) has(id BufferID) bool { return id >= 0 && int(id) < len(p.Buffers) }

func overlap(a, b kernels.Region) bool {
	return a.Offset < b.Offset+b.Bytes && b.Offset < a.Offset+a.Bytes
}

// half is one side of a message: its post and wait, or its send and sent.
type half struct {
	rank, count, section int
	message              Message
	open                 bool // the first of the two was seen, the second not
}

// pairs checks that the four instructions of every message belong together.
func (b *Bundle) pairs() error {
	type pair struct{ to, from half }
	all := map[uint32]*pair{}
	section := 0
	for _, names := range timelines {
		for _, name := range names {
			section++
			for r, p := range b.Programs {
				s := p.Section(name)
				if s == nil {
					continue
				}
				for i := range s.Instrs {
					n := &s.Instrs[i]
					if n.Kind == Run {
						continue
					}
					fault := func(reason string) error {
						return &Fault{r, name, i, fmt.Sprintf("%s of message %d: %s", n.Kind, n.Message.Tag, reason)}
					}
					if int(n.Message.Peer) < 0 || int(n.Message.Peer) >= len(b.Programs) || int(n.Message.Peer) == r {
						return fault("there is no such peer")
					}
					x := all[n.Message.Tag]
					if x == nil {
						x = &pair{}
						all[n.Message.Tag] = x
					}
					h := &x.to
					if n.Kind == Send || n.Kind == Sent {
						h = &x.from
					}
					if n.Kind == Post || n.Kind == Send {
						if h.count > 0 {
							return fault("the tag was used before")
						}
						*h = half{rank: r, count: 1, section: section, message: n.Message, open: true}
						continue
					}
					if !h.open || h.rank != r || h.section != section || h.message != n.Message {
						return fault("nothing like it was begun")
					}
					h.open = false
				}
			}
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(all)) {
		x := all[tag]
		fault := func(h half, reason string) error {
			return &Fault{h.rank, "", -1, fmt.Sprintf("message %d: %s", tag, reason)}
		}
		to, from := x.to, x.from
		switch {
		case from.count == 0:
			return fault(to, "nobody sends it")
		case to.count == 0:
			return fault(from, "nobody posts it")
		case to.open:
			return fault(to, "nobody waits for it")
		case from.open:
			return fault(from, "its end is not awaited")
		case to.section != from.section || int(to.message.Peer) != from.rank || int(from.message.Peer) != to.rank:
			return fault(to, "sender and receiver do not meet")
		case to.message.Bytes != from.message.Bytes || to.message.View.Box != from.message.View.Box:
			return fault(to, "sender and receiver differ in what it is")
		}
		src := &b.Programs[from.rank].Buffers[from.message.View.Buffer]
		dst := &b.Programs[to.rank].Buffers[to.message.View.Buffer]
		if src.Name != dst.Name || src.DType != dst.DType || !sameOrder(src.Format, dst.Format, to.message.View.Box.Shape()) {
			return fault(to, "sender and receiver differ in tensor or format")
		}
	}
	return nil
}
