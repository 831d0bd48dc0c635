package job

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"cleave/proto/jobpb"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// link is one worker's stream as the loop sees it.
type link struct {
	conn Conn
	out  chan *jobpb.ToWorker // closed by the loop: send what is in it, then end the stream
	drop chan struct{}        // closed by the loop: end the stream now
	shut bool                 // the loop's own: out is closed, what comes is not listened to
	last atomic.Int64         // when the worker was last heard, in ns since the server's start
}

// outbox bounds what the loop may have for one worker to send: a welcome or a refusal, a
// Load, the steps ahead, an evaluation and a stop.
const outbox = ahead + 4

// From the streams to the loop.
type (
	opened  struct{ link *link }
	message struct {
		link *link
		m    *jobpb.FromWorker
	}
	closed struct {
		link *link
		why  string
	}
)

// Attend serves one worker's stream: a reader passes what comes to the loop, this
// goroutine sends what the loop has put into the link's outbox, and heartbeats.
func (s *server) Attend(stream jobpb.Coordinator_AttendServer) error {
	l := &link{conn: Conn(s.conns.Add(1)), out: make(chan *jobpb.ToWorker, outbox), drop: make(chan struct{})}
	l.last.Store(int64(time.Since(s.start)))
	if !s.tell(opened{l}) {
		return status.Error(codes.Unavailable, "the job is over")
	}
	ended := make(chan error, 1)
	s.readers.Go(func() { ended <- s.read(stream, l) })
	err := s.write(stream, l, ended)
	why := "its connection ended"
	if err != nil && !errors.Is(err, io.EOF) {
		s.log.Debug("stream ended", "conn", l.conn, "err", err)
	}
	s.tell(closed{l, why})
	if err != nil && !errors.Is(err, io.EOF) {
		return status.Error(codes.Aborted, err.Error())
	}
	return nil
}

// read passes a worker's messages to the loop until the stream ends: io.EOF if the worker
// has closed it.
func (s *server) read(stream jobpb.Coordinator_AttendServer, l *link) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		l.last.Store(int64(time.Since(s.start)))
		if m.GetHeartbeat() != nil {
			continue
		}
		if !s.tell(message{l, m}) {
			return errors.New("the job is over")
		}
	}
}

// write sends the outbox and heartbeats until the loop or the worker ends the stream.
func (s *server) write(stream jobpb.Coordinator_AttendServer, l *link, ended <-chan error) error {
	beat := time.NewTicker(s.timing.Beat)
	defer beat.Stop()
	heartbeat := &jobpb.ToWorker{Kind: &jobpb.ToWorker_Heartbeat{Heartbeat: &jobpb.Heartbeat{}}}
	for {
		var m *jobpb.ToWorker
		select {
		case <-l.drop:
			return errors.New("the coordinator has given this worker up")
		case err := <-ended:
			return err
		case m = <-l.out:
			if m == nil {
				return nil
			}
		case <-beat.C:
			m = heartbeat
		}
		if err := stream.Send(m); err != nil {
			// The reader gets the reason.
			return <-ended
		}
	}
}

// tell hands an event to the loop; false: the loop has ended.
func (s *server) tell(e any) bool {
	select {
	case s.events <- e:
		return true
	case <-s.over:
		return false
	}
}

// event makes a worker's message an event of the machine.
func event(c Conn, m *jobpb.FromWorker) (Event, error) {
	switch k := m.Kind.(type) {
	case *jobpb.FromWorker_Register:
		r := k.Register
		return Registered{c, Worker{
			Name: r.Name, Address: r.Address, Device: r.Device, Threads: int(r.Threads),
			MemoryLimit: int64(min(r.MemoryLimit, 1<<62)), Protocol: r.Protocol, Version: r.Version,
		}}, nil
	case *jobpb.FromWorker_Loaded:
		return Loaded{c}, nil
	case *jobpb.FromWorker_StepDone:
		return StepDone{c, k.StepDone.Number, k.StepDone.Measures}, nil
	case *jobpb.FromWorker_EvalDone:
		return EvalDone{c, k.EvalDone}, nil
	case *jobpb.FromWorker_Failed:
		peer := -1
		if k.Failed.Peer != nil {
			peer = int(*k.Failed.Peer)
		}
		return Failed{c, oneLine(k.Failed.Message), peer}, nil
	}
	return nil, fmt.Errorf("a message of unknown kind %T", m.Kind)
}
