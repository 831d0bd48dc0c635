package exchange

import (
	"context"
	"fmt"
	"sync"

	"cleave/layout"
)

// Memory is the transport of a rank whose peers are in the same process. Whichever of Post
// and Send comes second copies the bytes that are ready, before it returns, and Ready those
// that were not.
type Memory struct {
	ledger
	world *world
}

// world holds the ranks of one job in one process.
type world struct {
	ranks []*Memory
	pairs []sync.Mutex // of sender*len(ranks)+receiver; held while bytes are copied; before any ledger's mutex

	mu   sync.Mutex // before any ledger's mutex
	open []bool
}

// NewMemory returns the connected transports of all ranks of a job.
func NewMemory(ranks int) []*Memory {
	w := &world{ranks: make([]*Memory, ranks), pairs: make([]sync.Mutex, ranks*ranks), open: make([]bool, ranks)}
	for i := range w.ranks {
		w.ranks[i] = &Memory{world: w}
		w.ranks[i].init(layout.Rank(i))
	}
	return w.ranks
}

// Open declares all messages and waits for the other ranks to do so.
func (m *Memory) Open(ctx context.Context, slots []Slot) error {
	w := m.world
	if err := m.declare(len(w.ranks), slots); err != nil {
		return err
	}
	w.mu.Lock()
	w.open[m.rank] = true
	for r, p := range w.ranks {
		if !w.open[r] || p == m {
			continue
		}
		mine, theirs := termsOf(m.slots, m.rank, p.rank), termsOf(p.slots, p.rank, m.rank)
		if mine != theirs {
			err := disagree(m.rank, mine, p.rank, theirs)
			m.fail(&PeerError{p.rank, err})
			p.fail(&PeerError{m.rank, err})
		}
		p.mu.Lock()
		closed := p.closed
		p.mu.Unlock()
		if closed {
			m.fail(&PeerError{p.rank, errLeft})
		}
		p.poke()
	}
	w.mu.Unlock()
	for {
		if err := m.status(); err != nil {
			return err
		}
		missing := m.missing()
		if missing < 0 {
			return nil
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return &PeerError{missing, fmt.Errorf("it did not open its exchange: %w", context.Cause(ctx))}
		}
	}
}

// missing returns a rank that has not opened yet, or -1.
func (m *Memory) missing() layout.Rank {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	for r, ok := range m.world.open {
		if !ok {
			return layout.Rank(r)
		}
	}
	return -1
}

func (m *Memory) status() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.statusLocked()
}

func (m *Memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failLocked(err)
}

// Post lets the message tag be written to dst.
func (m *Memory) Post(tag Tag, dst []byte) error { return m.start(tag, dst, false) }

// Send starts the message tag.
func (m *Memory) Send(tag Tag, src []byte) error { return m.start(tag, src, true) }

// Begin starts the message tag with no byte ready.
func (m *Memory) Begin(tag Tag, src []byte) error {
	m.mu.Lock()
	s, err := m.startLocked(tag, src, true)
	if err == nil {
		s.ready = 0
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.world.meet(tag, m, m.world.ranks[s.Peer], m)
}

// Ready lets the first n bytes of the message travel.
func (m *Memory) Ready(tag Tag, n int64) error {
	m.mu.Lock()
	s, err := m.readyLocked(tag, n)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.world.meet(tag, m, m.world.ranks[s.Peer], m)
}

// Wait returns when the posted message has arrived in full.
func (m *Memory) Wait(ctx context.Context, tag Tag) error { return m.wait(ctx, tag, false) }

// Sent returns when the message's bytes may be overwritten.
func (m *Memory) Sent(ctx context.Context, tag Tag) error { return m.wait(ctx, tag, true) }

func (m *Memory) start(tag Tag, buf []byte, send bool) error {
	m.mu.Lock()
	s, err := m.startLocked(tag, buf, send)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	peer := m.world.ranks[s.Peer]
	if send {
		return m.world.meet(tag, m, peer, m)
	}
	return m.world.meet(tag, peer, m, m)
}

// meet moves the message tag if both ends have started it; caller is the one that asks.
func (w *world) meet(tag Tag, from, to, caller *Memory) error {
	pair := &w.pairs[int(from.rank)*len(w.ranks)+int(to.rank)]
	pair.Lock()
	defer pair.Unlock()
	src, sent, gone := from.underWay(tag)
	dst, posted, shut := to.underWay(tag)
	if caller == from && sent == 0 || caller == to && posted == 0 {
		return nil // the peer, starting at the same time, has moved it, and may have left since
	}
	if gone || shut {
		peer := from
		if caller == from {
			peer = to
		}
		caller.fail(&PeerError{peer.rank, errLeft})
		return caller.status()
	}
	if sent == 0 || sent != posted { // sequence numbers start at 1
		return nil
	}
	begin, end := from.takeReady(tag)
	copy(dst[begin:end], src[begin:end])
	to.received.Add(end - begin)
	if sink := to.index[tag].Sink; sink != nil && end > begin {
		if err := sink.Filled(end); err != nil {
			to.fail(err)
		}
	}
	// The sender first: a receiver that has all may close, and looks at what its peers still
	// send before it waits for this copy's end.
	from.progress(tag, end)
	to.progress(tag, end)
	return nil
}

// underWay returns the memory and the sequence number (0 if there is none) of the message
// of tag that is under way, and whether the rank has closed.
func (m *Memory) underWay(tag Tag) (buf []byte, number uint64, closed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.index[tag]; !s.idle() {
		return s.buf, s.started, m.closed
	}
	return nil, 0, m.closed
}

// takeReady returns the range of bytes that are ready and have not moved.
func (m *Memory) takeReady(tag Tag) (begin, end int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.index[tag]
	return s.moved, s.ready
}

// progress notes that the first n bytes have moved.
func (m *Memory) progress(tag Tag, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.index[tag]
	s.moved = n
	if n == s.Bytes {
		m.finishLocked(s)
	}
}

// Close tells the peers that this rank has left. No memory of this rank is touched after it
// returns.
func (m *Memory) Close() error {
	w := m.world
	m.mu.Lock()
	m.closed = true
	m.poke()
	m.mu.Unlock()
	for _, p := range w.ranks {
		if p == m {
			continue
		}
		// A copy that goes on ends before the pair's mutex is free; later ones see closed.
		for _, k := range []layout.Rank{m.rank*layout.Rank(len(w.ranks)) + p.rank, p.rank*layout.Rank(len(w.ranks)) + m.rank} {
			w.pairs[k].Lock()
			p.mu.Lock()
			if p.pendingLocked(m.rank) {
				p.failLocked(&PeerError{m.rank, errLeft})
			}
			p.mu.Unlock()
			w.pairs[k].Unlock()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.open[m.rank] { // the others would wait for it for ever
		for _, p := range w.ranks {
			if p != m {
				p.fail(&PeerError{m.rank, errLeft})
			}
		}
	}
	return nil
}

var _ Transport = (*Memory)(nil)
