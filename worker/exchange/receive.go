package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc/mem"
)

// receive takes one frame after the hellos; gRPC calls it within RecvMsg.
func (l *link) receive(data mem.BufferSlice) error {
	err := l.accept(data)
	if err != nil {
		l.t.mu.Lock()
		l.cause = err
		l.t.mu.Unlock()
	}
	return err
}

func (l *link) accept(data mem.BufferSlice) error {
	var head [headerBytes]byte
	n := data.CopyTo(head[:])
	h, err := decodeHeader(head[:n], data.Len()-headerBytes)
	if err != nil {
		return err
	}
	if h.Type == frameData {
		return l.acceptData(h, data)
	}
	if h.Length > smallBytes {
		return fmt.Errorf("frame of type %d has %d bytes", h.Type, h.Length)
	}
	var buf [smallBytes]byte
	payload := buf[:h.Length]
	copyPayload(payload, data)
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	switch h.Type {
	case frameCredit:
		return l.acceptCreditsLocked(payload)
	case frameBye:
		return l.acceptByeLocked(payload)
	case frameByeSeen:
		if !l.t.closed {
			return errors.New("answer to a goodbye that was not said")
		}
		l.overLocked()
		return nil
	}
	return errors.New("second hello")
}

// acceptData copies a piece to the memory that was posted for it.
func (l *link) acceptData(h header, data mem.BufferSlice) error {
	t := l.t
	t.mu.Lock()
	s, dst, err := l.placeLocked(h)
	t.mu.Unlock()
	if err != nil || s == nil {
		return err
	}
	copyPayload(dst, data) // dst is ours until Wait returns, which it does not before all has arrived
	t.received.Add(int64(len(dst)))
	arrived := int64(h.Offset) + int64(len(dst))
	if s.Sink != nil {
		err = s.Sink.Filled(arrived)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.failLocked(err)
	}
	s.moved = arrived
	if arrived == s.Bytes {
		t.finishLocked(s)
	}
	return nil
}

// placeLocked finds where a piece belongs; the slot is nil if nobody wants it any more.
func (l *link) placeLocked(h header) (*slot, []byte, error) {
	t := l.t
	if t.statusLocked() != nil {
		return nil, nil, nil
	}
	s := t.index[h.Tag]
	switch {
	case s == nil || s.Send || s.Peer != l.peer:
		return nil, nil, fmt.Errorf("message %d is none that it sends to rank %d", h.Tag, t.rank)
	case h.Number != s.started || s.idle():
		return nil, nil, fmt.Errorf("message %d number %d arrived, posted are %d, done %d", h.Tag, h.Number, s.started, s.done)
	case h.Offset != uint64(s.moved) || int64(h.Length) > s.Bytes-s.moved || h.Length == 0 && s.Bytes > 0:
		return nil, nil, fmt.Errorf("message %d: piece of %d bytes at %d, expected at %d of %d", h.Tag, h.Length, h.Offset, s.moved, s.Bytes)
	}
	return s, s.buf[s.moved : s.moved+int64(h.Length)], nil
}

func (l *link) acceptCreditsLocked(records []byte) error {
	t := l.t
	if len(records)%creditBytes != 0 {
		return fmt.Errorf("credit frame of %d bytes", len(records))
	}
	for r := range slices.Chunk(records, creditBytes) {
		tag, number := Tag(binary.LittleEndian.Uint32(r)), binary.LittleEndian.Uint64(r[4:])
		s := t.index[tag]
		switch {
		case s == nil || !s.Send || s.Peer != l.peer:
			return fmt.Errorf("message %d is none that it receives from rank %d", tag, t.rank)
		case number != s.granted+1 || s.granted > s.started:
			return fmt.Errorf("message %d: credit %d after %d, %d were sent", tag, number, s.granted, s.started)
		}
		s.granted = number
		if s.granted == s.started && !s.idle() {
			l.ready.push(s)
			l.wakeWriter()
		}
	}
	return nil
}

func (l *link) acceptByeLocked(payload []byte) error {
	t := l.t
	f, err := decodeFarewell(payload)
	if err != nil {
		return err
	}
	l.sawBye, l.seenDue = true, true
	l.wakeWriter()
	switch {
	case f.Lost >= 0 && f.Lost != t.rank:
		t.failLocked(&PeerError{f.Lost, fmt.Errorf("lost, as rank %d says: %s", l.peer, f.Reason)})
	case f.Lost >= 0:
		t.failLocked(&PeerError{l.peer, fmt.Errorf("it gave this rank up: %s", f.Reason)})
	case t.pendingLocked(l.peer):
		t.failLocked(&PeerError{l.peer, errLeft})
	}
	return nil
}
