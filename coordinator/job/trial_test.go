package job

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"cleave/data"
	"cleave/proto/jobpb"
	"cleave/proto/programpb"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// quick holds the timing of tests: a tenth of the real one.
var quick = Timing{Beat: 50 * time.Millisecond, Silence: 300 * time.Millisecond, Grace: 100 * time.Millisecond,
	Remind: 50 * time.Millisecond, Linger: 200 * time.Millisecond}

// trial is a job under test.
type trial struct {
	listener  *bufconn.Listener
	config    Config
	interrupt chan struct{}
	exits     chan Exited
	end       chan error
	leave     context.CancelFunc

	mu      sync.Mutex
	notes   []string
	metrics bytes.Buffer
}

// newTrial starts a job of the given number of workers and steps.
func newTrial(t *testing.T, workers int, steps uint64, change func(*Config)) *trial {
	t.Helper()
	rates, err := ParseRates(0.5, "constant", "")
	if err != nil {
		t.Fatal(err)
	}
	r := &trial{listener: bufconn.Listen(1 << 16), interrupt: make(chan struct{}, 1), exits: make(chan Exited, workers), end: make(chan error, 1)}
	r.config = Config{
		Rules:    Rules{Workers: workers, Batch: 8, Course: Course{Steps: steps, PerEpoch: 10, Rates: rates}},
		Listener: r.listener, Model: "net", Policy: "model", Data: "patterns", Contents: data.Contents{Train: 80, Test: 20, Digest: 7}, Seed: 5, Eval: 8,
		Compile: func(ws []Worker) (*Programs, error) {
			p := &Programs{}
			for i := range ws {
				p.ByRank = append(p.ByRank, &programpb.Program{Rank: uint32(i), Ranks: uint32(len(ws)), ArenaBytes: 1000})
			}
			return p, nil
		},
		Reporter: NewMetrics(&r.metrics),
		Note: func(line string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.notes = append(r.notes, line)
		},
		Log: slog.New(slog.DiscardHandler), Interrupt: r.interrupt, Exits: r.exits, Timing: quick,
	}
	if change != nil {
		change(&r.config)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.leave = cancel
	t.Cleanup(cancel)
	go func() { r.end <- Run(ctx, r.config) }()
	return r
}

// wait returns the job's end.
func (r *trial) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.end:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the job does not end")
		return nil
	}
}

func (r *trial) noted(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(strings.Join(r.notes, "\n"), text)
}

// fake is a worker that answers as a test wants.
type fake struct {
	name     string
	protocol uint32
	mute     bool                             // sends no heartbeats
	onLoad   func() *jobpb.FromWorker         // nil: Loaded
	onStep   func(n uint64) *jobpb.FromWorker // nil: a good loss; a nil answer: leave at once
	silentAt uint64                           // from this step on: no answers and no heartbeats

	load    *jobpb.Load
	refused string
	stop    *jobpb.Stop
}

// run attends a job until the stream ends, like a worker of the real kind.
func (f *fake) run(t *testing.T, r *trial) error {
	conn, err := grpc.NewClient("passthrough:job", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return r.listener.DialContext(ctx) }))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := jobpb.NewCoordinatorClient(conn).Attend(ctx)
	if err != nil {
		return err
	}
	var mu sync.Mutex // Send is for one goroutine at a time
	silent := f.mute
	send := func(m *jobpb.FromWorker) {
		mu.Lock()
		defer mu.Unlock()
		_ = stream.Send(m) // the reason comes from Recv
	}
	protocol := f.protocol
	if protocol == 0 {
		protocol = jobpb.Protocol
	}
	send(&jobpb.FromWorker{Kind: &jobpb.FromWorker_Register{Register: &jobpb.Register{
		Protocol: protocol, Name: f.name, Address: "127.0.0.1:1", Device: "cpu", Threads: 1}}})
	beats := time.NewTicker(quick.Beat)
	defer beats.Stop()
	done := make(chan struct{})
	var beating sync.WaitGroup
	defer beating.Wait()
	defer close(done)
	beating.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-beats.C:
				mu.Lock()
				if !silent {
					_ = stream.Send(&jobpb.FromWorker{Kind: &jobpb.FromWorker_Heartbeat{Heartbeat: &jobpb.Heartbeat{}}})
				}
				mu.Unlock()
			}
		}
	})
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		switch k := m.Kind.(type) {
		case *jobpb.ToWorker_Refused:
			f.refused = k.Refused.Reason
		case *jobpb.ToWorker_Load:
			f.load = k.Load
			answer := loaded()
			if f.onLoad != nil {
				answer = f.onLoad()
			}
			if answer == nil {
				return nil
			}
			send(answer)
		case *jobpb.ToWorker_Step:
			if f.silentAt > 0 && k.Step.Number >= f.silentAt {
				mu.Lock()
				silent = true
				mu.Unlock()
				continue
			}
			answer := stepDone(k.Step.Number, 2)
			if f.onStep != nil {
				answer = f.onStep(k.Step.Number)
			}
			if answer == nil {
				return nil
			}
			send(answer)
		case *jobpb.ToWorker_Evaluate:
			send(&jobpb.FromWorker{Kind: &jobpb.FromWorker_EvalDone{EvalDone: &jobpb.EvalDone{
				Step: k.Evaluate.Step, Images: 16, Loss: 8, Top1: 12, Top5: 16, HasLoss: true, HasHits: true}}})
		case *jobpb.ToWorker_Stop:
			f.stop = k.Stop
			mu.Lock()
			silent = true
			err := stream.CloseSend()
			mu.Unlock()
			return err
		}
	}
}

func loaded() *jobpb.FromWorker {
	return &jobpb.FromWorker{Kind: &jobpb.FromWorker_Loaded{Loaded: &jobpb.Loaded{}}}
}

func stepDone(n uint64, loss float32) *jobpb.FromWorker {
	top1 := float32(4)
	return &jobpb.FromWorker{Kind: &jobpb.FromWorker_StepDone{StepDone: &jobpb.StepDone{Number: n,
		Measures: &jobpb.Measures{Loss: &loss, Top1: &top1, Nanoseconds: 1e6, ReceivedBytes: 10}}}}
}

func failedBecause(message string, peer *uint32) *jobpb.FromWorker {
	return &jobpb.FromWorker{Kind: &jobpb.FromWorker_Failed{Failed: &jobpb.Failed{Message: message, Peer: peer}}}
}

// play runs fakes against a trial and returns its end.
func (r *trial) play(t *testing.T, fakes ...*fake) error {
	t.Helper()
	var all sync.WaitGroup
	for _, f := range fakes {
		all.Go(func() { _ = f.run(t, r) })
	}
	err := r.wait(t)
	all.Wait()
	return err
}
