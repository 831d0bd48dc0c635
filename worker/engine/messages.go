package engine

import (
	"cmp"
	"fmt"
	"slices"

	"cleave/kernels"
	"cleave/layout"
	"cleave/proto/programpb"
	"cleave/worker/exchange"
)

// message is one message of the Program, which two instructions of one section name: post
// and wait, or send and sent.
type message struct {
	slot    exchange.Slot
	buffer  uint32
	region  kernels.Region // in the arena
	section int
	opened  bool // its post or send has been seen
	closed  bool // its wait or sent has been seen
	in      kernels.Import
	out     kernels.Export
}

// messages collects the messages while the sections are read in order.
type messages struct {
	rank, ranks uint32
	arena       []buffer
	byTag       map[uint32]*message
}

// add checks one transfer and returns its message.
func (m *messages) add(section int, a action, t *programpb.Transfer) (*message, error) {
	if t == nil {
		return nil, fmt.Errorf("a transfer is missing")
	}
	if t.Peer >= m.ranks || t.Peer == m.rank {
		return nil, fmt.Errorf("rank %d of %d cannot exchange with rank %d", m.rank, m.ranks, t.Peer)
	}
	if int64(t.Buffer) >= int64(len(m.arena)) {
		return nil, fmt.Errorf("there is no buffer %d", t.Buffer)
	}
	b := &m.arena[t.Buffer]
	if t.Bytes == 0 {
		return nil, fmt.Errorf("tag %d has no bytes", t.Tag)
	}
	if !within(t.Offset, t.Bytes, uint64(b.operand.Region.Bytes)) {
		return nil, fmt.Errorf("tag %d: bytes %d and on, %d of them, are outside buffer %q of %d",
			t.Tag, t.Offset, t.Bytes, b.name, b.operand.Region.Bytes)
	}
	slot := exchange.Slot{
		Tag: exchange.Tag(t.Tag), Peer: layout.Rank(t.Peer), Bytes: int64(t.Bytes),
		Send: a == send || a == sent,
	}
	region := kernels.Region{Offset: b.operand.Region.Offset + int64(t.Offset), Bytes: slot.Bytes}

	g := m.byTag[t.Tag]
	if a == post || a == send {
		if g != nil {
			return nil, fmt.Errorf("tag %d is used twice", t.Tag)
		}
		g = &message{slot: slot, buffer: t.Buffer, region: region, section: section, opened: true}
		m.byTag[t.Tag] = g
		return g, nil
	}
	switch {
	case g == nil || g.section != section:
		return nil, fmt.Errorf("tag %d is not started before in this section", t.Tag)
	case g.slot != slot || g.buffer != t.Buffer || g.region != region:
		return nil, fmt.Errorf("tag %d is another message than the one that was started", t.Tag)
	case g.closed:
		return nil, fmt.Errorf("tag %d is waited for twice", t.Tag)
	}
	g.closed = true
	return g, nil
}

// finish checks that every message is waited for and returns the slots by tag.
func (m *messages) finish(p *programpb.Program) ([]exchange.Slot, error) {
	var slots []exchange.Slot
	for _, g := range m.byTag {
		slots = append(slots, g.slot)
	}
	slices.SortFunc(slots, func(a, b exchange.Slot) int { return cmp.Compare(a.Tag, b.Tag) })
	for _, s := range slots {
		if g := m.byTag[uint32(s.Tag)]; !g.closed {
			return nil, fmt.Errorf("section %q: tag %d is never waited for", p.Sections[g.section].GetName(), s.Tag)
		}
	}
	return slots, nil
}

// bind prepares the memory of every message: what arrives goes on to the device at once.
func (m *messages) bind(slots []exchange.Slot, b kernels.Backend) error {
	for i, s := range slots {
		g := m.byTag[uint32(s.Tag)]
		var err error
		if s.Send {
			g.out, err = b.Export(g.region)
		} else {
			g.in, err = b.Import(g.region)
			slots[i].Sink = g.in
		}
		if err != nil {
			return fmt.Errorf("tag %d in buffer %q: %w", s.Tag, m.arena[g.buffer].name, err)
		}
	}
	return nil
}
