package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cleave/proto/jobpb"
)

// inboxSize bounds what the coordinator may ask for before it is answered: a welcome, a
// Load, the steps that it sends ahead (4), an evaluation, a stop, and as much again.
const inboxSize = 16

// maxMessage bounds a Program; gRPC's own default of 4 MiB is too little for large nets.
const maxMessage = 1 << 30

// stream is the worker's end of Attend.
type stream = grpc.BidiStreamingClient[jobpb.FromWorker, jobpb.ToWorker]

// session is an open stream to the coordinator with its heartbeats.
type session struct {
	stream  stream
	address string
	// work ends when there is nothing more to do for this coordinator: the user's context
	// has ended, the coordinator is lost, or it has stopped the job. Its cause says which.
	work    context.Context
	endWork context.CancelCauseFunc
	cut     context.CancelFunc   // ends the stream at once
	inbox   chan *jobpb.ToWorker // all but heartbeats
	begin   time.Time
	heard   atomic.Int64  // when something last came, in ns since begin
	gone    chan struct{} // closed when the stream has ended
	served  sync.WaitGroup

	mu sync.Mutex // one Send at a time
}

// open opens the stream, registers and starts to serve it. The work ends with ctx; the
// stream outlives it, so that a last word can be said. searching bounds the opening.
func open(ctx, searching context.Context, c *Config, client jobpb.CoordinatorClient, r *jobpb.Register) (*session, error) {
	lasting, cut := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(searching, cut)
	defer stop()
	str, err := client.Attend(lasting, grpc.MaxCallRecvMsgSize(maxMessage))
	if err != nil {
		cut()
		return nil, &LostError{c.Coordinator, plain(err)}
	}
	s := &session{
		stream: str, address: c.Coordinator, cut: cut, begin: time.Now(),
		inbox: make(chan *jobpb.ToWorker, inboxSize), gone: make(chan struct{}),
	}
	s.work, s.endWork = context.WithCancelCause(ctx)
	s.served.Go(s.receive)
	s.send(&jobpb.FromWorker{Kind: &jobpb.FromWorker_Register{Register: r}})
	s.served.Go(func() { s.beat(c.timing.beat) })
	s.served.Go(func() { s.watch(c.timing.beat, c.timing.silent) })
	return s, nil
}

// send sends one message. Its error is of no use: when the stream has ended the reason
// comes from receive, through work.
func (s *session) send(m *jobpb.FromWorker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.stream.Send(m)
}

// receive passes on what comes until the stream ends.
func (s *session) receive() {
	defer close(s.gone)
	final := false // the coordinator has nothing more to say
	for {
		m, err := s.stream.Recv()
		if err != nil {
			if !final {
				s.lose(plain(err))
			}
			return
		}
		s.heard.Store(int64(time.Since(s.begin)))
		switch k := m.Kind.(type) {
		case *jobpb.ToWorker_Heartbeat:
			continue
		case *jobpb.ToWorker_Refused:
			final = true
		case *jobpb.ToWorker_Stop:
			final = true
			if k.Stop.GetReason() != "" {
				s.endWork(&StoppedError{k.Stop.Reason})
			}
		}
		select {
		case s.inbox <- m:
		default:
			s.endWork(fmt.Errorf("the coordinator at %s is more than %d messages ahead", s.address, inboxSize))
		}
	}
}

// beat sends heartbeats until the stream ends.
func (s *session) beat(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	m := &jobpb.FromWorker{Kind: &jobpb.FromWorker_Heartbeat{Heartbeat: &jobpb.Heartbeat{}}}
	for {
		select {
		case <-tick.C:
			s.send(m)
		case <-s.gone:
			return
		}
	}
}

// watch gives a silent coordinator up.
func (s *session) watch(every, silent time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Since(s.begin)
	for {
		select {
		case <-tick.C:
			now := time.Since(s.begin)
			// If this process itself stood still (a laptop that slept) the silence may be
			// its own: listen for as long again.
			if now-last > silent/2 {
				s.heard.Store(int64(now))
			}
			last = now
			if now-time.Duration(s.heard.Load()) > silent {
				s.lose(fmt.Errorf("silent for %v", silent))
				s.cut()
				return
			}
		case <-s.gone:
			return
		}
	}
}

func (s *session) lose(err error) { s.endWork(&LostError{s.address, err}) }

// part closes this end and waits until the coordinator, having read everything, has closed
// its own, or the time is up.
func (s *session) part(limit time.Duration) {
	s.mu.Lock()
	_ = s.stream.CloseSend()
	s.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-s.gone:
	case <-timer.C:
	}
}

// close ends the stream and all that serves it.
func (s *session) close() {
	s.cut()
	s.served.Wait()
	s.endWork(context.Canceled)
}

// plain makes a stream's end an error for people; status.Code still finds gRPC's code.
func plain(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("it ended the connection")
	}
	return &streamError{status.Convert(err)}
}

type streamError struct{ status *status.Status }

func (e *streamError) Error() string              { return e.status.Message() }
func (e *streamError) GRPCStatus() *status.Status { return e.status }

// unavailable reports whether nobody answered.
func unavailable(err error) bool { return status.Code(err) == codes.Unavailable }
