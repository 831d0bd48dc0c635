package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cleave/data"
	"cleave/kernels"
	"cleave/layout"
	"cleave/proto/jobpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWholeLife(t *testing.T) {
	const steps = 4
	var register *jobpb.Register
	var done []*jobpb.StepDone
	var evaluated *jobpb.EvalDone
	beats := 0
	address := serve(t, "", func(c *call) error {
		var err error
		if register, err = c.welcome(); err != nil {
			return err
		}
		c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Load{Load: testLoad(0, register.Address)}})
		if m, err := c.next(); err != nil || m.GetLoaded() == nil {
			return fmt.Errorf("after Load came %v, %v", m, err)
		}
		// All steps ahead; two batches an epoch.
		for i := range uint64(steps) {
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: i + 1, Epoch: i / 2, Batch: i % 2, Rate: float32(i) / 4}}})
		}
		for range steps {
			m, err := c.next()
			if err != nil {
				return err
			}
			done = append(done, m.GetStepDone())
		}
		c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Evaluate{Evaluate: &jobpb.Evaluate{Step: steps}}})
		m, err := c.next()
		if err != nil {
			return err
		}
		evaluated = m.GetEvalDone()
		time.Sleep(5 * testTiming.beat)
		c.mu.Lock()
		beats = c.beats
		c.mu.Unlock()
		c.stop("")
		return c.leave()
	})

	// What the loader gives rank 0 must have been in the arena when a section ran.
	src, err := data.Open(testData, testSeed)
	if err != nil {
		t.Fatal(err)
	}
	span := layout.Span{Lo: 1, Hi: 3}
	twin := data.NewLoader(src, data.Options{Seed: testSeed, Batch: testBatch, Images: span, Labels: span, EvalBatch: testBatch, EvalImages: span, EvalLabels: span})
	defer twin.Close()
	run := 0
	b := &fakeBackend{seen: func(code kernels.Code, arena []byte) {
		if code != kernels.Sum || run%2 == 1 {
			if code == kernels.Sum {
				run++
			}
			return
		}
		step := run / 2
		run++
		pixels, labels, err := twin.Train(context.Background(), uint64(step/2), uint64(step%2))
		if err != nil {
			t.Error(err)
		}
		want := append(slices.Clone(pixels), make([]byte, 64-len(pixels))...)
		for _, l := range labels {
			want = append(want, byte(l), byte(l>>8), byte(l>>16), byte(l>>24))
		}
		if !slices.Equal(arena[:len(want)], want) {
			t.Errorf("step %d: images and labels in the arena are not the loader's", step+1)
		}
		if got := arena[2*64]; int(got) != step+1 {
			t.Errorf("step %d: the arena has step number %d", step+1, got)
		}
	}}
	c, _ := testConfig(address, b)
	if err := live(t, t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if run != 2*steps {
		t.Errorf("%d sums ran, want %d", run, 2*steps)
	}
	if !b.closed {
		t.Error("the device is still open")
	}
	if r := register; r.Protocol != jobpb.Protocol || r.Name != "w" || r.Device != "fake" || r.Threads != 3 || r.MemoryLimit != 1<<20 ||
		r.Version != "test" || !strings.HasPrefix(r.Address, "127.0.0.1:") {
		t.Errorf("registered %v", r)
	}
	for i, d := range done {
		m := d.GetMeasures()
		if d.GetNumber() != uint64(i+1) || m.GetLoss() != 1 || m.GetTop1() != 1 || m.GetTop5() != 1 || m.Nanoseconds == 0 ||
			!slices.Equal(m.GetGradientSquares(), []float32{float32(i) / 4}) {
			t.Errorf("step %d: %v", i+1, d)
		}
	}
	// The test set of n=10 training images has TestBatches batches of 4.
	batches, images := twin.TestBatches(), src.Test.Len()
	if e := evaluated; e.GetStep() != steps || e.GetImages() != uint64(images) || !e.HasLoss || !e.HasHits ||
		e.Loss != 0.5*testBatch*float64(batches) || e.Top1 != float64(batches) || e.Top5 != float64(batches) {
		t.Errorf("evaluated %v; %d batches, %d images", e, batches, images)
	}
	if beats < 3 {
		t.Errorf("%d heartbeats came", beats)
	}
}

// meet is a script that welcomes the worker and goes on with f.
func meet(f func(c *call) error) func(c *call) error {
	return func(c *call) error {
		if _, err := c.welcome(); err != nil {
			return err
		}
		return f(c)
	}
}

func TestRefused(t *testing.T) {
	address := serve(t, "", func(c *call) error {
		if _, err := c.next(); err != nil {
			return err
		}
		c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Refused{Refused: &jobpb.Refused{Reason: "the name w is taken"}}})
		return nil
	})
	c, _ := testConfig(address, &fakeBackend{})
	err := live(t, t.Context(), c)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != "the name w is taken" {
		t.Errorf("got %v", err)
	}
}

func TestCoordinatorComesLate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	c, log := testConfig(address, &fakeBackend{})
	done := make(chan error, 1)
	go func() { done <- Run(t.Context(), c) }()
	line := "waiting for coordinator at " + address
	for begin := time.Now(); log.count(line) < 3 && time.Since(begin) < 20*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	if log.count(line) < 3 || log.count("connection refused") < 3 {
		t.Errorf("no lines while waiting: %s", &log.text)
	}
	serve(t, address, meet(func(c *call) error {
		c.stop("")
		return c.leave()
	}))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNoCoordinator(t *testing.T) {
	c, _ := testConfig("127.0.0.1:1", &fakeBackend{})
	c.Wait = 100 * time.Millisecond
	err := live(t, t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "no coordinator at 127.0.0.1:1 for 100ms: dial tcp 127.0.0.1:1: connect: connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestSomethingElseListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // and never accepts: the kernel does, and nothing is said
	c, _ := testConfig(l.Addr().String(), &fakeBackend{})
	c.Wait = 200 * time.Millisecond
	if err := live(t, t.Context(), c); err == nil || !strings.Contains(err.Error(), "no coordinator at") {
		t.Errorf("got %v", err)
	}
}

func TestCoordinatorIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		script func(c *call) error
		want   string
	}{
		"silent": {meet(func(c *call) error {
			c.silence()
			return c.leave()
		}), "silent for 500ms"},
		"silent at once": {func(c *call) error {
			c.silence()
			return c.leave()
		}, "silent for 500ms"},
		"ends the stream": {meet(func(*call) error { return nil }), "it ended the connection"},
		"silent in training": {func(c *call) error {
			if err := c.load(nil); err != nil {
				return err
			}
			c.silence()
			return c.leave()
		}, "silent for 500ms"},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, "", c.script)
			conf, _ := testConfig(address, &fakeBackend{})
			err := live(t, t.Context(), conf)
			var lost *LostError
			if !errors.As(err, &lost) || lost.Address != address || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestPlainErrorsKeepTheCode(t *testing.T) {
	err := plain(status.Error(codes.Aborted, "given up"))
	if err.Error() != "given up" || status.Code(&LostError{"a:1", err}) != codes.Aborted {
		t.Errorf("%v, code %v", err, status.Code(err))
	}
}

func TestStoppedEarly(t *testing.T) {
	address := serve(t, "", func(c *call) error {
		if err := c.load(nil); err != nil {
			return err
		}
		c.stop("worker-2 is lost")
		return c.leave()
	})
	c, _ := testConfig(address, &fakeBackend{})
	err := live(t, t.Context(), c)
	var stopped *StoppedError
	if !errors.As(err, &stopped) || stopped.Reason != "worker-2 is lost" {
		t.Errorf("got %v", err)
	}
}

func TestUserLeaves(t *testing.T) {
	leave := errors.New("the user left")
	t.Run("while looking for the coordinator", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(leave) })
		c, _ := testConfig("127.0.0.1:1", &fakeBackend{})
		if err := live(t, ctx, c); !errors.Is(err, leave) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("while waiting for the program", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var log *logBuffer
		address := serve(t, "", meet(func(c *call) error {
			for log.count("waiting for the other workers") < 2 {
				time.Sleep(10 * time.Millisecond)
			}
			cancel(leave)
			f, err := c.failed()
			if err == nil && f.Message != leave.Error() {
				err = fmt.Errorf("last word %v", f)
			}
			return err
		}))
		var c Config
		c, log = testConfig(address, &fakeBackend{})
		if err := live(t, ctx, c); !errors.Is(err, leave) {
			t.Errorf("got %v", err)
		}
	})
}

// TestPeerIsLost runs two ranks; one leaves in the middle, the other must name it.
func TestAdvertised(t *testing.T) {
	lis := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7000}
	for wish, want := range map[string]string{
		"":            "127.0.0.1:7000",
		"node1":       "node1:7000",
		"node1:0":     "node1:7000",
		"node1:9":     "node1:9",
		"10.0.0.1":    "10.0.0.1:7000",
		"fd00::1":     "[fd00::1]:7000",
		"[fd00::1]:9": "[fd00::1]:9",
	} {
		if got, err := advertised(wish, lis); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", wish, got, err, want)
		}
	}
}
