package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"cleave/kernels"
	"cleave/proto/jobpb"
)

// fakeCoordinator serves Attend with a script of the test's.
type fakeCoordinator struct {
	jobpb.UnimplementedCoordinatorServer
	script func(c *call) error
}

// call is one worker's stream in the coordinator's hands.
type call struct {
	stream jobpb.Coordinator_AttendServer
	in     chan *jobpb.FromWorker // all but heartbeats; closed when the worker has closed its end

	mu    sync.Mutex
	mute  bool // no heartbeats
	beats int  // heartbeats that have come
}

func (f *fakeCoordinator) Attend(stream jobpb.Coordinator_AttendServer) error {
	c := &call{stream: stream, in: make(chan *jobpb.FromWorker, 100)}
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(testTiming.beat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.mu.Lock()
				if !c.mute {
					_ = stream.Send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Heartbeat{}})
				}
				c.mu.Unlock()
			case <-over:
				return
			}
		}
	})
	go func() { // ends when the handler has returned
		defer close(c.in)
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			if m.GetHeartbeat() != nil {
				c.mu.Lock()
				c.beats++
				c.mu.Unlock()
				continue
			}
			c.in <- m
		}
	}()
	err := f.script(c)
	close(over)
	wg.Wait()
	return err
}

func (c *call) send(m *jobpb.ToWorker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.stream.Send(m)
}

func (c *call) silence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mute = true
}

// next returns the worker's next message, or an error if it has gone.
func (c *call) next() (*jobpb.FromWorker, error) {
	select {
	case m, ok := <-c.in:
		if !ok {
			return nil, fmt.Errorf("the worker has closed its stream")
		}
		return m, nil
	case <-time.After(20 * time.Second):
		return nil, fmt.Errorf("the worker says nothing")
	}
}

// welcome takes the registration and answers.
func (c *call) welcome() (*jobpb.Register, error) {
	m, err := c.next()
	if err != nil {
		return nil, err
	}
	if m.GetRegister() == nil {
		return nil, fmt.Errorf("first came %v", m)
	}
	c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Welcome{Welcome: &jobpb.Welcome{Workers: 1}}})
	return m.GetRegister(), nil
}

// load welcomes the worker and has it load a Program of one rank, changed by f.
func (c *call) load(f func(*jobpb.Load)) error {
	r, err := c.welcome()
	if err != nil {
		return err
	}
	l := testLoad(0, r.Address)
	if f != nil {
		f(l)
	}
	c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Load{Load: l}})
	m, err := c.next()
	if err == nil && m.GetLoaded() == nil {
		err = fmt.Errorf("after Load came %v", m)
	}
	return err
}

func (c *call) stop(reason string) {
	c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Stop{Stop: &jobpb.Stop{Reason: reason}}})
}

// leave waits until the worker has closed its end.
func (c *call) leave() error {
	for range c.in {
	}
	return nil
}

// failed returns the worker's last word and waits until it has gone.
func (c *call) failed() (*jobpb.Failed, error) {
	m, err := c.next()
	if err != nil {
		return nil, err
	}
	if m.GetFailed() == nil {
		return nil, fmt.Errorf("instead of Failed came %v", m)
	}
	return m.GetFailed(), c.leave()
}

var testTiming = timing{
	beat:   10 * time.Millisecond,
	silent: 500 * time.Millisecond,
	remind: 50 * time.Millisecond,
	retry:  10 * time.Millisecond,
	part:   5 * time.Second,
}

// serve starts a coordinator on address ("": any) and returns where it listens.
func serve(t *testing.T, address string, script func(c *call) error) string {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(grpc.WaitForHandlers(true))
	jobpb.RegisterCoordinatorServer(g, &fakeCoordinator{script: func(c *call) error {
		err := script(c)
		if err != nil {
			t.Errorf("the coordinator: %v", err)
		}
		return err
	}})
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Stop()
		<-done
	})
	return l.Addr().String()
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) count(line string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), line)
}

func testConfig(address string, b *fakeBackend) (Config, *logBuffer) {
	log := new(logBuffer)
	return Config{
		Coordinator: address, Wait: 20 * time.Second, Listen: "127.0.0.1:0",
		Name: "w", Device: "fake", Threads: 3, MemoryLimit: 1 << 20, Version: "test",
		Open:   func() (kernels.Backend, error) { return b, nil },
		Log:    slog.New(slog.NewTextHandler(log, nil)),
		timing: testTiming,
	}, log
}

// live runs an agent to its end, which must come soon.
func live(t *testing.T, ctx context.Context, c Config) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- Run(ctx, c) }()
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		panic("the agent does not leave")
	}
}
