package job

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"cleave/proto/jobpb"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
