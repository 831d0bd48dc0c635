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
	"cleave/proto/programpb"
	"cleave/worker/exchange"
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

func TestFailuresAreReported(t *testing.T) {
	sections := func(l *jobpb.Load) []*programpb.Section { return l.Program.Sections }
	for name, c := range map[string]struct {
		damage func(l *jobpb.Load)
		want   string
	}{
		"data":         {func(l *jobpb.Load) { l.Data = "nothing:1" }, "nothing"},
		"no program":   {func(l *jobpb.Load) { l.Program = nil }, "load program: there is none"},
		"rank":         {func(l *jobpb.Load) { l.Program.Rank = 9 }, "rank 9"},
		"memory limit": {func(l *jobpb.Load) { l.Program.ArenaBytes = 3 << 20 }, "the program takes 3.0 MiB, 2.0 MiB more than the memory limit of 1.0 MiB"},
		"kernel":       {func(l *jobpb.Load) { sections(l)[0].Instructions[0].GetRun().Kernel.Code = "lrn" }, `section "init", instruction 0 (lrn mine 1x1x1x1)`},
		"no section": {func(l *jobpb.Load) {
			sections(l)[2].Name = "downdate"
			l.Program.Inputs[4].Section = "downdate"
			l.Program.Outputs = nil
		}, `no section "update"`},
		"input":      {func(l *jobpb.Load) { l.Program.Inputs[4].Name = "pace" }, `section "update", input "pace": this worker does not know what it is`},
		"input type": {func(l *jobpb.Load) { l.Program.Inputs[0].Buffer = bufTheirs }, `input "image": the program wants 1x1x1x1, the data has 1x1x4x4`},
		"image size": {func(l *jobpb.Load) { l.Data = "random:8x8x1,3" }, "the program wants 2x1x4x4, the data has 2x1x8x8"},
		"batch":      {func(l *jobpb.Load) { l.Batch = 2 }, "samples 1:3 of a batch of 2"},
		"image in update": {func(l *jobpb.Load) { l.Program.Inputs[0].Section = "update" },
			`section "update", input "image": there are no images in this section`},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, "", func(k *call) error {
				r, err := k.welcome()
				if err != nil {
					return err
				}
				l := testLoad(0, r.Address)
				c.damage(l)
				k.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Load{Load: l}})
				f, err := k.failed()
				if err == nil && (!strings.Contains(f.Message, c.want) || f.Peer != nil) {
					err = fmt.Errorf("last word %v, want %s", f, c.want)
				}
				return err
			})
			conf, _ := testConfig(address, &fakeBackend{})
			if err := live(t, t.Context(), conf); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestMessagesOutOfTurn(t *testing.T) {
	step := &jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: 1}}}
	for name, c := range map[string]struct {
		say  func(c *call) error
		want string
	}{
		"step before load": {meet(func(c *call) error { c.send(step); return nil }), "before it sent a Load"},
		"eval before load": {meet(func(c *call) error {
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Evaluate{Evaluate: &jobpb.Evaluate{}}})
			return nil
		}), "before it sent a Load"},
		"second welcome": {meet(func(c *call) error {
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Welcome{Welcome: &jobpb.Welcome{}}})
			return nil
		}), "which is not for now"},
		"second load": {func(c *call) error {
			if err := c.load(nil); err != nil {
				return err
			}
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Load{Load: testLoad(0, "x")}})
			return nil
		}, "a second Load"},
		"a batch that is not there": {func(c *call) error {
			if err := c.load(nil); err != nil {
				return err
			}
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: 1, Batch: 99}}})
			return nil
		}, "step 1: training batch 99 of 2"},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, "", func(k *call) error {
				if err := c.say(k); err != nil {
					return err
				}
				f, err := k.failed()
				if err == nil && !strings.Contains(f.Message, c.want) {
					err = fmt.Errorf("last word %v, want %s", f, c.want)
				}
				return err
			})
			conf, _ := testConfig(address, &fakeBackend{})
			if err := live(t, t.Context(), conf); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestTooManyMessagesAhead(t *testing.T) {
	hold := make(chan struct{})
	address := serve(t, "", func(c *call) error {
		if err := c.load(nil); err != nil {
			return err
		}
		for i := range uint64(2 * inboxSize) {
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: i + 1}}})
		}
		time.Sleep(20 * testTiming.beat)
		close(hold)
		return c.leave()
	})
	launches := 0
	conf, _ := testConfig(address, &fakeBackend{seen: func(kernels.Code, []byte) {
		if launches++; launches > 2 { // not in init
			<-hold
		}
	}})
	if err := live(t, t.Context(), conf); err == nil || !strings.Contains(err.Error(), "messages ahead") {
		t.Errorf("got %v", err)
	}
}

// TestPeerIsLost runs two ranks; one leaves in the middle, the other must name it.
func TestPeerIsLost(t *testing.T) {
	leave := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	addresses := [2]chan string{make(chan string, 2), make(chan string, 2)}
	script := func(rank int) func(c *call) error {
		return func(c *call) error {
			r, err := c.welcome()
			if err != nil {
				return err
			}
			addresses[0] <- r.Address // one for each rank, in any order
			addresses[1] <- r.Address
			return c.playTwo(rank, r.Address, addresses[rank], func() { cancel(leave) })
		}
	}
	var errs [2]chan error
	for rank := range 2 {
		errs[rank] = make(chan error, 1)
		address := serve(t, "", script(rank))
		conf, _ := testConfig(address, &fakeBackend{})
		within := t.Context()
		if rank == 1 {
			within = ctx
		}
		go func() { errs[rank] <- Run(within, conf) }()
	}
	var peer *exchange.PeerError
	if err := <-errs[0]; !errors.As(err, &peer) || peer.Rank != 1 {
		t.Errorf("rank 0: %v", err)
	}
	if err := <-errs[1]; !errors.Is(err, leave) {
		t.Errorf("rank 1: %v", err)
	}
}

// playTwo is the coordinator of one rank of two: one step together, then rank 0 alone.
func (c *call) playTwo(rank int, own string, addresses <-chan string, leave func()) error {
	a, b := <-addresses, <-addresses
	peers := []string{a, b}
	if peers[rank] != own {
		peers = []string{b, a}
	}
	l := testLoad(uint32(rank), peers...)
	c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Load{Load: l}})
	if m, err := c.next(); err != nil || m.GetLoaded() == nil {
		return fmt.Errorf("after Load came %v, %v", m, err)
	}
	c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: 1}}})
	m, err := c.next()
	if err != nil {
		return err
	}
	if d := m.GetStepDone().GetMeasures(); d.GetLoss() != 2 || d.GetReceivedBytes() != 4 {
		return fmt.Errorf("step 1: %v", m)
	}
	if rank == 1 {
		leave()
		f, err := c.failed()
		if err == nil && f.Peer != nil {
			err = fmt.Errorf("last word %v", f)
		}
		return err
	}
	c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: 2, Batch: 1}}})
	f, err := c.failed()
	if err == nil && (f.Peer == nil || *f.Peer != 1 || f.Step != 2) {
		err = fmt.Errorf("last word %v", f)
	}
	return err
}

func TestLocalFaultsComeFirst(t *testing.T) {
	c, _ := testConfig("127.0.0.1:1", &fakeBackend{})
	c.Open = func() (kernels.Backend, error) { return nil, errors.New("it is not there") }
	if err := live(t, t.Context(), c); err == nil || err.Error() != "open device fake: it is not there" {
		t.Errorf("device: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, _ = testConfig("127.0.0.1:1", &fakeBackend{})
	c.Listen = l.Addr().String()
	if err := live(t, t.Context(), c); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("port in use: %v", err)
	}
	c, _ = testConfig("127.0.0.1:1", &fakeBackend{})
	c.Listen = "0.0.0.0:0"
	if err := live(t, t.Context(), c); err == nil || !strings.Contains(err.Error(), "--advertise") {
		t.Errorf("unspecified address: %v", err)
	}
}

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

func TestFits(t *testing.T) {
	if err := fits(5<<30, 0, 4<<30); err == nil || err.Error() != "the program takes 5.0 GiB, 1.0 GiB more than this machine's memory of 4.0 GiB" {
		t.Errorf("machine: %v", err)
	}
	if err := fits(5<<30, 0, 0); err != nil {
		t.Errorf("unknown machine: %v", err)
	}
}
