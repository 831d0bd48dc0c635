package agent

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"cleave/proto/jobpb"
)

// attend looks for the coordinator until it answers or c.Wait is over, and registers. It
// returns the open session and how many workers the job has. Whoever calls it closes conn
// after the session.
func attend(ctx context.Context, c *Config, conn *grpc.ClientConn, way *way, r *jobpb.Register) (*session, int, error) {
	type result struct {
		session *session
		workers int
		err     error
	}
	searching, giveUp := context.WithCancel(ctx)
	defer giveUp()
	found := make(chan result, 1)
	go func() {
		s, n, err := search(ctx, searching, c, jobpb.NewCoordinatorClient(conn), way, r)
		found <- result{s, n, err}
	}()
	limit := time.NewTimer(c.Wait)
	defer limit.Stop()
	remind := time.NewTicker(c.timing.remind)
	defer remind.Stop()
	expired := false
	for {
		select {
		case <-remind.C:
			way.report(c)
		case <-limit.C:
			expired = true
			giveUp()
		case f := <-found:
			switch {
			case f.err == nil:
				return f.session, f.workers, nil
			case ctx.Err() != nil:
				return nil, 0, context.Cause(ctx)
			case expired:
				return nil, 0, fmt.Errorf("no coordinator at %s for %v: %w", c.Coordinator, c.Wait, way.obstacle())
			}
			return nil, 0, f.err
		}
	}
}

// search tries to register until somebody answers or searching ends; the session lives
// under ctx.
func search(ctx, searching context.Context, c *Config, client jobpb.CoordinatorClient, way *way, r *jobpb.Register) (*session, int, error) {
	for first := true; ; first = false {
		s, n, err := try(ctx, searching, c, client, r)
		if err == nil || !unavailable(err) || searching.Err() != nil {
			return s, n, err
		}
		way.blocked(err)
		if first {
			way.report(c)
		}
		select {
		case <-searching.Done():
			return nil, 0, err
		case <-time.After(c.timing.retry):
		}
	}
}

// try registers once.
func try(ctx, searching context.Context, c *Config, client jobpb.CoordinatorClient, r *jobpb.Register) (*session, int, error) {
	s, err := open(ctx, searching, c, client, r)
	if err != nil {
		return nil, 0, err
	}
	select {
	case m := <-s.inbox:
		switch k := m.Kind.(type) {
		case *jobpb.ToWorker_Welcome:
			return s, int(k.Welcome.GetWorkers()), nil
		case *jobpb.ToWorker_Refused:
			err = &RefusedError{k.Refused.GetReason()}
		case *jobpb.ToWorker_Stop:
			err = &StoppedError{k.Stop.GetReason()}
		default:
			err = fmt.Errorf("the coordinator at %s answered with %T, not with a welcome", c.Coordinator, m.Kind)
		}
	case <-s.work.Done():
		err = context.Cause(s.work)
	case <-searching.Done():
		err = context.Cause(searching)
	}
	s.close()
	return nil, 0, err
}

// dial prepares the connection to the coordinator. No proxy stands between: the address is
// dialled as it is, and looked up anew at each attempt.
func dial(c *Config, w *way) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:///"+c.Coordinator,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(w.dial),
		grpc.WithNoProxy(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: c.timing.retry, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 4 * c.timing.retry},
			MinConnectTimeout: 5 * time.Second,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("coordinator %s: %w", c.Coordinator, err)
	}
	return conn, nil
}

// way is the way to the coordinator: it dials, and remembers what stood in the way.
type way struct {
	dialer net.Dialer

	mu      sync.Mutex
	dialing error // of the last dial; gRPC's own errors are long
	trying  error // of the last try
}

func (w *way) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := w.dialer.DialContext(ctx, "tcp", address)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialing = err
	return conn, err
}

func (w *way) blocked(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trying = err
}

// obstacle returns what stood in the way last.
func (w *way) obstacle() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.dialing != nil:
		return w.dialing
	case w.trying != nil:
		return w.trying
	}
	return fmt.Errorf("it does not answer")
}

func (w *way) report(c *Config) {
	c.Log.Info("waiting for coordinator at "+c.Coordinator, "because", w.obstacle())
}
