package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"cleave/data"
	"cleave/proto/jobpb"
	"cleave/proto/programpb"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

func TestRunToTheEnd(t *testing.T) {
	r := newTrial(t, 3, 25, func(c *Config) { c.Rules.Course.EvalEvery = 10 })
	a, b, c := &fake{name: "w-2"}, &fake{name: "w-10"}, &fake{name: "w-1"}
	if err := r.play(t, a, b, c); err != nil {
		t.Fatal(err)
	}
	for rank, f := range []*fake{c, a, b} {
		l := f.load
		if l == nil || f.stop == nil {
			t.Fatalf("%s: load %v, stop %v", f.name, l, f.stop)
		}
		if int(l.Program.Rank) != rank || len(l.Peers) != 3 || l.Data != "patterns" || l.Seed != 5 || l.Batch != 8 || l.EvalBatch != 8 ||
			l.Contents.TrainImages != 80 || l.Contents.TestImages != 20 || l.Contents.Digest != 7 || l.Job != a.load.Job {
			t.Errorf("%s got %v", f.name, l)
		}
		if f.stop.Reason != "" {
			t.Errorf("%s was stopped because %s", f.name, f.stop.Reason)
		}
	}
	lines := strings.Split(strings.TrimSpace(r.metrics.String()), "\n")
	if len(lines) != 25+2+1 {
		t.Errorf("%d lines of metrics, want 25 steps, 2 evaluations and the end", len(lines))
	}
	for i, want := range map[int]string{0: `"step":1,`, 10: `"event":"eval","step":10,"epoch":1,"loss":0.5,"top1":0.75,"top5":1`, 27: `"reason":"finished"`} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d is %s, want %s", i, lines[i], want)
		}
	}
}

func TestRefusedWorkers(t *testing.T) {
	r := newTrial(t, 2, 3, nil)
	go func() {
		for !r.noted("refused twin") || !r.noted("refused old") {
			time.Sleep(time.Millisecond)
		}
		_ = (&fake{name: "late"}).run(t, r)
	}()
	old, twin := &fake{name: "old", protocol: 77}, &fake{name: "twin"}
	first := &fake{name: "twin"}
	var all sync.WaitGroup
	all.Go(func() { _ = first.run(t, r) })
	for !r.noted("1 of 2 workers have come (twin)") {
		time.Sleep(time.Millisecond)
	}
	if err := r.play(t, old, twin); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if !strings.Contains(old.refused, "protocol 77") || !strings.Contains(twin.refused, "the name twin is taken") {
		t.Errorf("refused: %q and %q", old.refused, twin.refused)
	}
	if !r.noted("waiting on bufconn: 1 of 2 workers have come (twin)") {
		t.Errorf("nobody said who is missing: %q", r.notes)
	}
}

func TestOneTooMany(t *testing.T) {
	gate := make(chan struct{})
	r := newTrial(t, 1, 3, nil)
	extra := &fake{name: "extra"}
	member := &fake{name: "member", onStep: func(n uint64) *jobpb.FromWorker {
		if n == 1 {
			_ = extra.run(t, r)
			close(gate)
		}
		return stepDone(n, 1)
	}}
	if err := r.play(t, member); err != nil {
		t.Fatal(err)
	}
	<-gate
	if extra.refused != "the job has its 1 worker already" {
		t.Errorf("refused because %q", extra.refused)
	}
}

// TestEnds plays the ways in which a job of two workers ends early.
func TestEnds(t *testing.T) {
	zero, one := uint32(0), uint32(1)
	for _, c := range []struct {
		name   string
		second *fake
		first  *fake
		want   string // the job's error; the other worker is told it
	}{
		{"silent in a step", &fake{name: "b", silentAt: 3}, nil, "b is lost after step 2: silent for 300ms"},
		{"silent from the start", &fake{name: "b", mute: true, onLoad: func() *jobpb.FromWorker { time.Sleep(time.Second); return nil }}, nil,
			"b is lost before the first step was done: silent for 300ms"},
		{"dead in a step", &fake{name: "b", onStep: func(n uint64) *jobpb.FromWorker {
			if n == 3 {
				return nil
			}
			return stepDone(n, 2)
		}}, nil, "b is lost …: its connection ended"}, // a may not have answered the steps before
		{"dead while loading", &fake{name: "b", onLoad: func() *jobpb.FromWorker { return nil }}, nil, "b is lost before the first step was done: its connection ended"},
		{"failed while loading", &fake{name: "b", onLoad: func() *jobpb.FromWorker { return failedBecause("no\nmemory", nil) }}, nil, "b failed before the first step was done: no memory"},
		{"accused and dead", &fake{name: "b", onStep: func(n uint64) *jobpb.FromWorker { time.Sleep(20 * time.Millisecond); return nil }},
			&fake{name: "a", onStep: func(n uint64) *jobpb.FromWorker { return failedBecause("exchange: reset", &one) }},
			"b is lost before the first step was done: its connection ended"},
		{"accused and silent", &fake{name: "b", silentAt: 1},
			&fake{name: "a", onStep: func(n uint64) *jobpb.FromWorker { return failedBecause("exchange: reset", &one) }},
			"b is lost before the first step was done: a says: exchange: reset"},
		{"the first is silent", &fake{name: "b", onStep: func(n uint64) *jobpb.FromWorker { return failedBecause("exchange: reset", &zero) }},
			&fake{name: "a", silentAt: 1}, "a is lost before the first step was done: b says: exchange: reset"},
		{"loss not finite", &fake{name: "b", onStep: func(n uint64) *jobpb.FromWorker { return stepDone(n, nanAt(n, 4)) }},
			&fake{name: "a", onStep: func(n uint64) *jobpb.FromWorker { return stepDone(n, nanAt(n, 4)) }},
			"step 4: the loss is NaN: try a smaller learning rate or a warmup"},
		{"disagreement", &fake{name: "b", onStep: func(n uint64) *jobpb.FromWorker { return stepDone(n, 2.5) }}, nil,
			"step 1: the workers disagree about the loss: a has 2, b has 2.5"},
		{"broken protocol", &fake{name: "b", onLoad: func() *jobpb.FromWorker { return stepDone(1, 1) }}, nil,
			"b broke the protocol before the first step was done: it sent StepDone 1"},
		{"unknown message", &fake{name: "b", onLoad: func() *jobpb.FromWorker { return &jobpb.FromWorker{} }}, nil,
			"b is lost before the first step was done: a message of unknown kind <nil>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newTrial(t, 2, 1_000_000, nil)
			first := c.first
			if first == nil {
				first = &fake{name: "a"}
			}
			began := time.Now()
			err := r.play(t, first, c.second)
			before, after, _ := strings.Cut(c.want, "…")
			if err == nil || !strings.HasPrefix(err.Error(), before) || !strings.HasSuffix(err.Error(), after) {
				t.Fatalf("ended with %v, want %s", err, c.want)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
			if c.first == nil && (first.stop == nil || first.stop.Reason != err.Error()) {
				t.Errorf("the other worker was told %v", first.stop)
			}
		})
	}
}

func nanAt(n, at uint64) float32 {
	if n == at {
		return float32(math.NaN())
	}
	return 1
}

// TestSilentInTime holds the real timing: a worker that is silent ends the job in less
// than 5 s.
func TestSilentInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for 3 s")
	}
	t.Parallel()
	r := newTrial(t, 2, 1_000_000, func(c *Config) { c.Timing = Timing{} })
	began := time.Now()
	err := r.play(t, &fake{name: "a"}, &fake{name: "b", silentAt: 2})
	if took := time.Since(began); took < 3*time.Second || took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if err == nil || err.Error() != "b is lost after step 1: silent for 3s" {
		t.Error(err)
	}
}

func TestInterrupted(t *testing.T) {
	r := newTrial(t, 1, 1_000_000, nil)
	f := &fake{name: "a", onStep: func(n uint64) *jobpb.FromWorker {
		if n == 5 {
			r.interrupt <- struct{}{}
		}
		time.Sleep(5 * time.Millisecond)
		return stepDone(n, 1)
	}}
	err := r.play(t, f)
	var i *Interrupted
	if !errors.As(err, &i) || i.Step < 5 || i.Step > 9 {
		t.Fatal(err)
	}
	if f.stop == nil || !strings.HasPrefix(f.stop.Reason, "interrupted after step") {
		t.Errorf("the worker was told %v", f.stop)
	}
	if !strings.Contains(r.metrics.String(), `"reason":"interrupted"`) {
		t.Error("the metrics do not say so")
	}
}

func TestLeft(t *testing.T) {
	r := newTrial(t, 1, 1_000_000, nil)
	f := &fake{name: "a", onStep: func(n uint64) *jobpb.FromWorker {
		if n == 5 {
			r.leave()
		}
		return stepDone(n, 1)
	}}
	if err := r.play(t, f); !errors.Is(err, ErrLeft) {
		t.Fatal(err)
	}
}

func TestNobodyComes(t *testing.T) {
	r := newTrial(t, 2, 5, func(c *Config) { c.Wait = 150 * time.Millisecond })
	if err := r.play(t, &fake{name: "a"}); err == nil || err.Error() != "waited 150ms: 1 of 2 workers have come (a)" {
		t.Error(err)
	}
}

func TestNoPrograms(t *testing.T) {
	r := newTrial(t, 1, 5, func(c *Config) {
		c.Compile = func([]Worker) (*Programs, error) { return nil, errors.New("a: batch 8 needs too much") }
	})
	f := &fake{name: "a"}
	if err := r.play(t, f); err == nil || err.Error() != "a: batch 8 needs too much" {
		t.Error(err)
	}
	if f.stop == nil || f.stop.Reason != "a: batch 8 needs too much" {
		t.Errorf("the worker was told %v", f.stop)
	}
}

func TestProcessExits(t *testing.T) {
	r := newTrial(t, 2, 5, nil)
	r.exits <- Exited{"b", "exit status 2"}
	if err := r.play(t, &fake{name: "a"}); err == nil || err.Error() != "b has ended before the first step was done: exit status 2" {
		t.Error(err)
	}
}

// TestKilled has a local worker's process end a little after its stream.
func TestKilled(t *testing.T) {
	r := newTrial(t, 2, 1_000_000, func(c *Config) { c.Timing.Grace = 5 * time.Second })
	b := &fake{name: "b", onStep: func(n uint64) *jobpb.FromWorker {
		if n < 3 {
			return stepDone(n, 2)
		}
		time.AfterFunc(20*time.Millisecond, func() { r.exits <- Exited{"b", "signal: killed"} })
		return nil
	}}
	if err := r.play(t, &fake{name: "a"}, b); err == nil || !strings.HasPrefix(err.Error(), "b is lost ") || !strings.HasSuffix(err.Error(), ": its process ended: signal: killed") {
		t.Error(err)
	}
}

func TestBrokenReporter(t *testing.T) {
	r := newTrial(t, 1, 5, func(c *Config) { c.Reporter = NewMetrics(brokenWriter{}) })
	if err := r.play(t, &fake{name: "a"}); err == nil || err.Error() != "write the metrics: no space left" {
		t.Error(err)
	}
}

// TestStranger opens streams that never register: the job goes on.
func TestStranger(t *testing.T) {
	r := newTrial(t, 1, 3, nil)
	conn, err := grpc.NewClient("passthrough:job", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return r.listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := jobpb.NewCoordinatorClient(conn).Attend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(loaded()); err != nil {
		t.Fatal(err)
	}
	if err := r.play(t, &fake{name: "a"}); err != nil {
		t.Error(err)
	}
	for range 10 {
		if _, err = stream.Recv(); err != nil {
			return
		}
	}
	t.Error("the stranger's stream goes on: ", fmt.Sprint(err))
}
