package exchange

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cleave/layout"
)

// errLost is a stream's end without a goodbye.
var errLost = errors.New("connection lost")

// stream is what client and server streams have in common.
type stream interface {
	SendMsg(m any) error
	RecvMsg(m any) error
}

// link is the stream to one peer. One goroutine writes it, one reads it; both end before
// run returns. The mutex of the transport's ledger guards all fields but the channels.
type link struct {
	t    *GRPC
	peer layout.Rank
	kick chan struct{} // 1: there may be something to write

	up      bool          // hellos are exchanged
	down    bool          // the stream has ended
	through chan struct{} // closed when our goodbye was seen, or the stream has ended
	isOver  bool          // through is closed

	credits queue    // receives whose post the peer has to know of
	ready   queue    // sends that have their credit, in the order they got ready
	free    []*chunk // gRPC's write quota bounds those in use: 64 KiB of frames and one chunk
	torn    *slot    // the message of a piece that the stream did not take

	sawBye  bool // the peer has left
	seenDue bool // we owe it a byeSeen
	byeDue  bool // we leave

	cause error // a frame that was refused: why the stream ended

	// Of a peer that we dial.
	cancel  context.CancelFunc
	conn    *grpc.ClientConn
	raw     net.Conn
	dialErr error
}

// queue is a ring of slots. No slot is in it twice, so it never overflows the capacity that
// it has from the start.
type queue struct {
	ring    []*slot
	head, n int
}

func newQueue(capacity int) queue { return queue{ring: make([]*slot, capacity)} }

func (q *queue) push(s *slot) {
	if q.n == len(q.ring) {
		panic("exchange: queue overflow")
	}
	q.ring[(q.head+q.n)%len(q.ring)] = s
	q.n++
}

func (q *queue) front() *slot { return q.ring[q.head] }

func (q *queue) pop() *slot {
	s := q.ring[q.head]
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return s
}

// wakeWriter lets the writer look again.
func (l *link) wakeWriter() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// overLocked lets Close go on.
func (l *link) overLocked() {
	if !l.isOver {
		l.isOver = true
		close(l.through)
	}
}

// run moves frames until the stream ends. hangUp must make a blocked SendMsg return.
func (l *link) run(s stream, hangUp func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		l.write(s, stop)
	}()
	var err error
	for err == nil {
		err = s.RecvMsg(l)
	}
	l.ended(err)
	close(stop)
	hangUp()
	<-stopped
}

func (l *link) write(s stream, stop <-chan struct{}) {
	for {
		c := l.next()
		if c == nil {
			select {
			case <-l.kick:
				continue
			case <-stop:
				return
			}
		}
		about := c.slot // gRPC owns c from here on
		if err := s.SendMsg(c); err != nil {
			l.refused(about, err)
			return
		}
	}
}

// next returns the next frame to write, or nil. Answers go before credits and those before
// data, for they are what a peer waits for.
func (l *link) next() *chunk {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case l.seenDue:
		l.seenDue = false
		return l.chunkLocked().copied(header{Type: frameByeSeen}, nil)
	case l.byeDue:
		l.byeDue = false
		return l.chunkLocked().copied(header{Type: frameBye}, t.lost.encode())
	case t.statusLocked() != nil || l.sawBye:
		return nil
	case l.credits.n > 0:
		return l.creditLocked()
	case l.ready.n > 0:
		return l.pieceLocked()
	}
	return nil
}

// chunkLocked returns a chunk that gRPC has let go, or a new one.
func (l *link) chunkLocked() *chunk {
	if n := len(l.free); n > 0 {
		c := l.free[n-1]
		l.free = l.free[:n-1]
		return c
	}
	return newChunk(l)
}

// creditLocked packs as many credits into one frame as it holds.
func (l *link) creditLocked() *chunk {
	var buf [smallBytes / creditBytes * creditBytes]byte
	n := 0
	for l.credits.n > 0 && n < len(buf) {
		s := l.credits.pop()
		binary.LittleEndian.PutUint32(buf[n:], uint32(s.Tag))
		binary.LittleEndian.PutUint64(buf[n+4:], s.started)
		n += creditBytes
	}
	return l.chunkLocked().copied(header{Type: frameCredit}, buf[:n])
}

// pieceLocked takes the next piece of the first message that may travel.
func (l *link) pieceLocked() *chunk {
	s := l.ready.front()
	h := header{Type: frameData, Tag: s.Tag, Number: s.started, Offset: uint64(s.moved)}
	end := min(s.moved+chunkBytes, s.ready)
	if end == s.moved && end < s.Bytes {
		return nil // Ready will wake the writer
	}
	body := s.buf[s.moved:end:end]
	s.moved = end
	if s.moved == s.Bytes {
		s.handed = true
		l.ready.pop()
	}
	c := l.chunkLocked()
	if len(body) > smallBytes {
		s.flying++
		return c.inPlace(h, s, body)
	}
	c.copied(h, body)
	if s.handed && s.flying == 0 {
		l.t.finishLocked(s)
	}
	return c
}

// released takes back a chunk that gRPC has let go; a message is sent with its last one.
func (l *link) released(c *chunk) {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	if s := c.slot; s != nil && s.started == c.number && !s.idle() {
		s.flying--
		if s.flying == 0 && s.handed && s != l.torn {
			l.t.finishLocked(s)
		}
	}
	c.slot, c.body = nil, nil
	l.free = append(l.free, c)
}

// refused notes that the stream did not take a frame. The reason comes from the reader
// alone, but for errors that gRPC found before it looked at the stream.
func (l *link) refused(about *slot, err error) {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	l.torn = about
	if !errors.Is(err, io.EOF) && !l.sawBye && !l.down {
		l.t.failLocked(&PeerError{l.peer, lost(err)})
	}
}

// lost makes the error of a stream readable. That of a server's stream says only that the
// connection's context was cancelled.
func lost(err error) error {
	if s := status.Convert(err); !errors.Is(err, io.EOF) && s.Code() != codes.Canceled {
		return fmt.Errorf("%w: %s", errLost, s.Message())
	}
	return errLost
}

// ended settles what is left when the stream has ended.
func (l *link) ended(err error) {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	l.down = true
	l.overLocked()
	switch {
	case l.cause != nil:
		t.failLocked(&PeerError{l.peer, l.cause})
	case !l.sawBye:
		t.failLocked(&PeerError{l.peer, lost(err)})
	default:
		// gRPC may never let go of the last pieces; nobody reads them any more.
		for i := range t.slots {
			s := &t.slots[i]
			if s.Peer != l.peer || !s.Send || s.idle() {
				continue
			}
			if s == l.torn {
				t.failLocked(&PeerError{l.peer, errLeft})
			} else if s.handed {
				t.finishLocked(s)
			}
		}
	}
}
