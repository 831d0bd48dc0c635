package exchange

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"

	"cleave/layout"
)

const (
	// partingTime bounds how long Close waits for peers to have read everything.
	partingTime = 3 * time.Second
	// brokenPartingTime is the same when messages are lost anyway.
	brokenPartingTime = 250 * time.Millisecond
)

// GRPCOptions says who this rank is and where the others are.
type GRPCOptions struct {
	Rank layout.Rank
	Job  uint64 // equal on all ranks; a connection of another job is refused
	// Listener is where the peers find this rank. It listens already, so that peers may dial
	// before this rank has come to Open; the transport serves on it from Open on and closes
	// it in Close. A worker listens first, learns of its peers, then calls NewGRPC.
	Listener net.Listener
	// Peers are the addresses (host:port) of all ranks; this rank's own is not used.
	Peers []string
	// Logger hears of refused strangers; nil for silence.
	Logger *slog.Logger
}

// GRPC is the transport between processes: one bidirectional stream for each pair of ranks,
// dialled by the lower one, over a connection of its own. Messages travel as frames (see
// frameType), each only after the receiver's post has been announced, are read from the
// sender's memory by gRPC itself and copied once, into the posted memory.
//
// Memory given to Post or Send is the transport's until Wait or Sent returns nil, or Close
// returns.
type GRPC struct {
	ledger
	job      uint64
	log      *slog.Logger
	listener *preface
	links    []*link // by rank; nil for this one
	peers    []string
	pool     *pool

	closing sync.Once
	server  *grpc.Server   // set by Open, guarded by mu
	owned   sync.WaitGroup // the server's and the dialled streams' goroutines
	dialing sync.WaitGroup // until hellos are exchanged
	lost    farewell       // what goodbyes say, guarded by mu
}

// NewGRPC returns a transport that is not open yet. It owns the listener even if it is never
// opened.
func NewGRPC(o GRPCOptions) (*GRPC, error) {
	if o.Listener == nil {
		return nil, errors.New("exchange needs a listener")
	}
	if o.Rank < 0 || int(o.Rank) >= len(o.Peers) {
		return nil, fmt.Errorf("rank %d is not one of %d", o.Rank, len(o.Peers))
	}
	for r, a := range o.Peers {
		if a == "" && layout.Rank(r) > o.Rank {
			return nil, fmt.Errorf("the address of rank %d is missing", r)
		}
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	t := &GRPC{
		job: o.Job, log: log, peers: o.Peers, pool: new(pool), lost: farewell{Lost: -1},
		listener: &preface{Listener: o.Listener, log: log},
		links:    make([]*link, len(o.Peers)),
	}
	t.init(o.Rank)
	for r := range t.links {
		if layout.Rank(r) != o.Rank {
			t.links[r] = &link{t: t, peer: layout.Rank(r), kick: make(chan struct{}, 1), through: make(chan struct{})}
		}
	}
	return t, nil
}

// Open declares all messages, dials the higher ranks and waits for the lower ones. Peers may
// start in any order: dialling goes on until ctx ends.
func (t *GRPC) Open(ctx context.Context, slots []Slot) error {
	if err := t.declare(len(t.links), slots); err != nil {
		return err
	}
	if err := t.startOpening(ctx); err != nil {
		return err
	}
	for {
		missing, err := t.missing()
		if err != nil || missing < 0 {
			return err
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
			t.dialing.Wait() // they end with ctx, and know better what went wrong
			return t.openFailed(ctx)
		}
	}
}

// startOpening starts the server and the dialling.
func (t *GRPC) startOpening(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.statusLocked(); err != nil {
		return err
	}
	for _, l := range t.links {
		if l == nil {
			continue
		}
		receives, sends := 0, 0
		for i := range t.slots {
			if t.slots[i].Peer != l.peer {
				continue
			}
			if t.slots[i].Send {
				sends++
			} else {
				receives++
			}
		}
		l.credits, l.ready = newQueue(receives), newQueue(sends)
		if l.peer > t.rank {
			if err := t.dialLocked(ctx, l); err != nil {
				return &PeerError{l.peer, fmt.Errorf("connect to %s: %w", t.peers[l.peer], err)}
			}
		}
	}
	t.server = t.newServer()
	t.owned.Go(func() {
		if err := t.server.Serve(t.listener); err != nil {
			t.mu.Lock()
			t.failLocked(fmt.Errorf("serve the exchange on %s: %w", t.listener.Addr(), err))
			t.mu.Unlock()
		}
	})
	return nil
}

// missing returns a rank that is not connected, or -1.
func (t *GRPC) missing() (layout.Rank, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.statusLocked(); err != nil {
		return -1, err
	}
	for _, l := range t.links {
		if l != nil && !l.up {
			return l.peer, nil
		}
	}
	return -1, nil
}

func (t *GRPC) openFailed(ctx context.Context) error {
	missing, err := t.missing()
	if err != nil || missing < 0 {
		return err
	}
	return &PeerError{missing, fmt.Errorf("it did not connect to %s: %w", t.listener.Addr(), context.Cause(ctx))}
}

// Post lets the message tag be written to dst.
func (t *GRPC) Post(tag Tag, dst []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, l, err := t.beginLocked(tag, dst, false)
	if err != nil {
		return err
	}
	l.credits.push(s)
	l.wakeWriter()
	return nil
}

// Send starts the message tag, which travels when its post is known.
func (t *GRPC) Send(tag Tag, src []byte) error { return t.send(tag, src, int64(len(src))) }

// Begin starts the message tag with no byte ready.
func (t *GRPC) Begin(tag Tag, src []byte) error { return t.send(tag, src, 0) }

// Ready lets the first n bytes of the message travel.
func (t *GRPC) Ready(tag Tag, n int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.readyLocked(tag, n)
	if err != nil {
		return err
	}
	t.links[s.Peer].wakeWriter()
	return nil
}

func (t *GRPC) send(tag Tag, src []byte, ready int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, l, err := t.beginLocked(tag, src, true)
	if err != nil {
		return err
	}
	s.ready = ready
	if s.granted == s.started {
		l.ready.push(s)
		l.wakeWriter()
	}
	return nil
}

func (t *GRPC) beginLocked(tag Tag, buf []byte, send bool) (*slot, *link, error) {
	s, err := t.startLocked(tag, buf, send)
	if err != nil {
		return nil, nil, err
	}
	l := t.links[s.Peer]
	if l.sawBye {
		t.failLocked(&PeerError{l.peer, errLeft})
		return nil, nil, t.err
	}
	return s, l, nil
}

// Wait returns when the posted message has arrived in full.
func (t *GRPC) Wait(ctx context.Context, tag Tag) error { return t.wait(ctx, tag, false) }

// Sent returns when gRPC has let go of all of the message's bytes.
func (t *GRPC) Sent(ctx context.Context, tag Tag) error { return t.wait(ctx, tag, true) }

// Close says goodbye, waits until the peers have read everything (for 3 s at most; for
// 250 ms if messages are outstanding or the transport is broken), and frees all. Peers that
// need nothing more of this rank do not mind.
func (t *GRPC) Close() error {
	t.closing.Do(t.close)
	return nil
}

func (t *GRPC) close() {
	limit, server := t.leave()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	late := false
	for _, l := range t.links {
		if l == nil || late {
			continue
		}
		select {
		case <-l.through:
		case <-timer.C:
			late = true
		}
	}
	for _, l := range t.links {
		if l != nil {
			l.cut()
		}
	}
	if server == nil {
		t.listener.Close()
	} else {
		server.Stop() // waits for the handlers
	}
	for _, l := range t.links {
		if l != nil && l.conn != nil {
			l.conn.Close()
		}
	}
	t.owned.Wait()
}

// leave marks the transport as closed and starts the goodbyes.
func (t *GRPC) leave() (time.Duration, *grpc.Server) {
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := partingTime
	if t.broken {
		limit = brokenPartingTime
	}
	var lost *PeerError
	if errors.As(t.err, &lost) {
		t.lost = farewell{lost.Rank, lost.Err.Error()}
	}
	for i := range t.slots {
		if !t.slots[i].idle() {
			limit = brokenPartingTime
		}
	}
	t.closed = true
	t.poke()
	for _, l := range t.links {
		switch {
		case l == nil:
		case l.up && !l.down:
			l.byeDue = true
			l.wakeWriter()
		default:
			l.overLocked()
		}
	}
	return limit, t.server
}

// cut ends the stream and the connection of a dialled peer.
func (l *link) cut() {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
	}
	if l.raw != nil && (!l.isOver || !l.up) {
		l.raw.Close() // else gRPC waits for seconds to write to a peer that reads nothing
	}
}

var _ Transport = (*GRPC)(nil)
