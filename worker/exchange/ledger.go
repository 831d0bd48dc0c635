package exchange

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"cleave/layout"
)

// ErrClosed is returned by every method of a transport that was closed on this rank.
var ErrClosed = errors.New("exchange is closed")

// errLeft is why a message fails whose peer said goodbye before it was done.
var errLeft = errors.New("it closed its exchange while messages were outstanding")

// slot is the state of one declared message. The n-th Post or Send of a tag has the
// sequence number n.
type slot struct {
	Slot
	buf     []byte // memory of the message under way; nil if there is none
	started uint64 // Posts or Sends so far
	done    uint64 // those whose bytes have all arrived, or may be overwritten
	taken   bool   // Wait or Sent has returned for all that were started
	moved   int64  // bytes of the message under way that arrived, or went to the stream
	ready   int64  // bytes of it that may go

	// The rest belongs to the sending end over a network.
	granted uint64 // Posts of the receiver that we know of
	flying  int    // pieces of the message under way that gRPC has not let go
	handed  bool   // all pieces of the message under way went to the stream
}

// idle reports whether no message of s is under way.
func (s *slot) idle() bool { return s.done == s.started }

// ledger keeps the messages of one rank and lets its one calling goroutine wait for them.
// Nothing in it allocates after declare.
type ledger struct {
	rank     layout.Rank
	received atomic.Int64
	wake     chan struct{} // 1: one token is enough, for only one goroutine waits

	mu     sync.Mutex
	slots  []slot // its length is fixed by declare, so pointers into it are good
	index  map[Tag]*slot
	err    error // the first failure: the transport is broken
	broken bool  // a wait was given up, or err is set
	closed bool
}

func (l *ledger) init(rank layout.Rank) {
	l.rank = rank
	l.wake = make(chan struct{}, 1)
}

// declare sets the messages of a rank in a job of the given number of ranks.
func (l *ledger) declare(ranks int, slots []Slot) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.index != nil {
		return errors.New("exchange is open already")
	}
	index := make(map[Tag]*slot, len(slots))
	table := make([]slot, len(slots))
	for i, s := range slots {
		switch {
		case s.Peer == l.rank || s.Peer < 0 || int(s.Peer) >= ranks:
			return fmt.Errorf("message %d of rank %d names rank %d as its peer, of %d ranks", s.Tag, l.rank, s.Peer, ranks)
		case s.Bytes < 0:
			return fmt.Errorf("message %d of rank %d has %d bytes", s.Tag, l.rank, s.Bytes)
		case index[s.Tag] != nil:
			return fmt.Errorf("message %d of rank %d is declared twice", s.Tag, l.rank)
		}
		table[i] = slot{Slot: s, taken: true}
		index[s.Tag] = &table[i]
	}
	l.slots, l.index = table, index
	return nil
}

// statusLocked says why nothing can be done any more, or nil.
func (l *ledger) statusLocked() error {
	if l.closed {
		return ErrClosed
	}
	return l.err
}

// findLocked returns the slot of a tag, which must be of the given direction.
func (l *ledger) findLocked(tag Tag, send bool) (*slot, error) {
	s := l.index[tag]
	if s == nil || s.Send != send {
		if send {
			return nil, fmt.Errorf("message %d is not declared as one that rank %d sends", tag, l.rank)
		}
		return nil, fmt.Errorf("message %d is not declared as one that rank %d receives", tag, l.rank)
	}
	return s, nil
}

// startLocked begins the next message of a tag with the memory buf.
func (l *ledger) startLocked(tag Tag, buf []byte, send bool) (*slot, error) {
	if err := l.statusLocked(); err != nil {
		return nil, err
	}
	s, err := l.findLocked(tag, send)
	switch {
	case err != nil:
		return nil, err
	case int64(len(buf)) != s.Bytes:
		return nil, fmt.Errorf("message %d has %d bytes, not %d", tag, s.Bytes, len(buf))
	case !s.taken:
		return nil, fmt.Errorf("message %d was started again before it was waited for", tag)
	}
	s.started++
	s.taken = false
	s.buf, s.moved, s.ready, s.flying, s.handed = buf, 0, s.Bytes, 0, false
	return s, nil
}

// readyLocked notes that the first n bytes of the message of tag that is under way may go.
func (l *ledger) readyLocked(tag Tag, n int64) (*slot, error) {
	if err := l.statusLocked(); err != nil {
		return nil, err
	}
	s, err := l.findLocked(tag, true)
	switch {
	case err != nil:
		return nil, err
	case s.idle():
		return nil, fmt.Errorf("message %d has bytes ready but is not under way", tag)
	case n < s.ready || n > s.Bytes:
		return nil, fmt.Errorf("message %d of %d bytes has %d ready after %d", tag, s.Bytes, n, s.ready)
	}
	s.ready = n
	return s, nil
}

// finishLocked ends the message of s that is under way.
func (l *ledger) finishLocked(s *slot) {
	s.done = s.started
	s.buf = nil
	l.poke()
}

// failLocked breaks the transport; the first reason stays.
func (l *ledger) failLocked(err error) {
	if l.err == nil && !l.closed {
		l.err, l.broken = err, true
		l.poke()
	}
}

// poke lets the waiting goroutine look again.
func (l *ledger) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// wait returns when the message of tag that was started last is done.
func (l *ledger) wait(ctx context.Context, tag Tag, send bool) error {
	for {
		done, err := l.look(tag, send)
		if done || err != nil {
			return err
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			return l.giveUp(ctx, tag, send)
		}
	}
}

func (l *ledger) look(tag Tag, send bool) (done bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.statusLocked(); err != nil {
		return false, err
	}
	s, err := l.findLocked(tag, send)
	if err != nil {
		return false, err
	}
	if s.started == 0 {
		return false, fmt.Errorf("message %d is waited for but was never started", tag)
	}
	if s.idle() {
		s.taken = true
	}
	return s.idle(), nil
}

// giveUp is the error of a wait that its context ended. Only a deadline is the peer's fault.
func (l *ledger) giveUp(ctx context.Context, tag Tag, send bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.statusLocked(); err != nil {
		return err
	}
	l.broken = true
	s := l.index[tag]
	verb := "arrived"
	if send {
		verb = "left"
	}
	err := fmt.Errorf("message %d: %d of %d bytes %s: %w", tag, s.moved, s.Bytes, verb, context.Cause(ctx))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &PeerError{s.Peer, err}
	}
	return err
}

// pendingLocked reports whether a message with the peer is under way that the peer's leaving
// makes impossible. One whose bytes all went to the stream may have arrived.
func (l *ledger) pendingLocked(peer layout.Rank) bool {
	for i := range l.slots {
		if s := &l.slots[i]; s.Peer == peer && !s.idle() && !s.handed {
			return true
		}
	}
	return false
}

// Received returns the payload bytes that have arrived since Open.
func (l *ledger) Received() int64 { return l.received.Load() }
