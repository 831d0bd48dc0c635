package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"cleave/kernels"
	"cleave/layout"
	"cleave/proto/programpb"
	"cleave/worker/exchange"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newToy() *toy { return &toy{limit: 1 << 20} }

// put writes floats into an input's memory.
func put(t testing.TB, e *Engine, section, name string, v ...float32) {
	t.Helper()
	buf, _, ok := e.Input(section, name)
	if !ok || len(buf) != 4*len(v) {
		t.Fatalf("input %s of %s: %d bytes, %v", name, section, len(buf), ok)
	}
	for i := range v {
		binary.NativeEndian.PutUint32(buf[4*i:], math.Float32bits(v[i]))
	}
}

// everyRank loads and starts the ranks of a job in this process and runs f on each.
func everyRank(t *testing.T, ranks int, open func() kernels.Backend, program func(rank int) *programpb.Program, f func(ctx context.Context, rank int, e *Engine) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, ranks)
	for r, tr := range exchange.NewMemory(ranks) {
		wg.Go(func() {
			errs[r] = func() error {
				defer tr.Close()
				e, err := New(program(r), open(), tr)
				if err != nil {
					return err
				}
				defer e.Close()
				if err := e.Start(ctx); err != nil {
					return err
				}
				return f(ctx, r, e)
			}()
		})
	}
	wg.Wait()
	for r, err := range errs {
		if err != nil {
			t.Errorf("rank %d: %v", r, err)
		}
	}
}

func TestRanksExchange(t *testing.T) {
	testRanksExchange(t, func() kernels.Backend { return newToy() })
}

func testRanksExchange(t *testing.T, open func() kernels.Backend) {
	t.Helper()
	for ranks := 1; ranks <= 4; ranks++ {
		program := func(r int) *programpb.Program { return allReduce(r, ranks, 3) }
		everyRank(t, ranks, open, program, func(ctx context.Context, rank int, e *Engine) error {
			if err := e.Run(ctx, "init"); err != nil {
				return err
			}
			base := float32(ranks * (ranks + 1) / 2)
			for i := range 5 {
				// Every rank is given i, 2i, 3i.
				v := float32(i)
				put(t, e, "accumulate", "given", v, 2*v, 3*v)
				if err := e.Run(ctx, "accumulate"); err != nil {
					return err
				}
				got, ok := e.Output("accumulate", "total")
				n := float32(ranks)
				if want := []float32{base + n*v, base + 2*n*v, base + 3*n*v}; !ok || !slices.Equal(got, want) {
					t.Errorf("%d ranks, rank %d, step %d: %v, want %v", ranks, rank, i, got, want)
				}
				if got, want := e.Received(), int64((i+1)*(ranks-1)*12); got != want {
					t.Errorf("%d ranks, rank %d, step %d: received %d bytes, want %d", ranks, rank, i, got, want)
				}
			}
			if ranks > 1 && e.Waited() <= 0 {
				t.Errorf("rank %d waited %v", rank, e.Waited())
			}
			return nil
		})
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	ctx := t.Context()
	trs := exchange.NewMemory(2)
	var engines []*Engine
	for r, tr := range trs {
		e, err := New(allReduce(r, 2, 3), newToy(), tr)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		defer e.Close()
		engines = append(engines, e)
	}
	turn, done := make(chan struct{}), make(chan error)
	go func() {
		err := engines[1].Start(ctx)
		for range turn {
			if err == nil {
				err = engines[1].Run(ctx, "accumulate")
			}
			done <- err
		}
		close(done)
	}()
	if err := engines[0].Start(ctx); err != nil {
		t.Fatal(err)
	}
	// The first run, which AllocsPerRun does not count, derives the context.
	n := testing.AllocsPerRun(200, func() {
		turn <- struct{}{}
		if err := engines[0].Run(ctx, "accumulate"); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	close(turn)
	<-done
	if n != 0 {
		t.Errorf("%v allocations a step on two ranks", n)
	}
}

func TestRunErrorsNameTheInstruction(t *testing.T) {
	b := newToy()
	e, err := New(allReduce(0, 1, 3), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx := t.Context()
	if err := e.Run(ctx, "init"); err == nil || !strings.Contains(err.Error(), "not started") {
		t.Errorf("run before start: %v", err)
	}
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err == nil {
		t.Error("started twice")
	}
	if err := e.Run(ctx, "snapshot"); err == nil || !strings.Contains(err.Error(), `no section "snapshot"`) {
		t.Errorf("unknown section: %v", err)
	}
	if e.Has("snapshot") || !e.Has("init") {
		t.Error("Has is wrong")
	}
	broken := errors.New("device lost")
	b.fail = broken
	err = e.Run(ctx, "accumulate")
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), `section "accumulate", instruction 0 (sum mine 3x1x1x1 from own 3x1x1x1, given 3x1x1x1)`) {
		t.Errorf("got %v", err)
	}
	if err := e.Run(ctx, "accumulate"); !errors.Is(err, broken) || !strings.Contains(err.Error(), "an earlier run failed") {
		t.Errorf("run after a failure: %v", err)
	}
	if _, _, ok := e.Input("accumulate", "image"); ok {
		t.Error("an input that is not there")
	}
	if _, ok := e.Output("init", "total"); ok {
		t.Error("an output that is not there")
	}
	if got := e.Inputs("accumulate"); !slices.Equal(got, []string{"given"}) {
		t.Errorf("inputs %v", got)
	}
}

func TestNewNeedsAnExchangeForMessages(t *testing.T) {
	if _, err := New(allReduce(0, 2, 3), newToy(), nil); err == nil {
		t.Error("two ranks and no exchange")
	}
}

// stuck is a transport whose peer never sends.
type stuck struct{ exchange.Transport }

func (stuck) Open(context.Context, []exchange.Slot) error { return nil }
func (stuck) Post(exchange.Tag, []byte) error             { return nil }
func (stuck) Send(exchange.Tag, []byte) error             { return nil }
func (stuck) Wait(ctx context.Context, _ exchange.Tag) error {
	<-ctx.Done()
	return &exchange.PeerError{Rank: 7, Err: ctx.Err()}
}

func TestWaitsHaveADeadline(t *testing.T) {
	for predicted, want := range map[float64]time.Duration{0: time.Minute, 10: 200 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p := allReduce(0, 2, 3)
			p.Sections[1].PredictedSeconds = predicted
			e, err := New(p, newToy(), stuck{})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if err := e.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			err = e.Run(t.Context(), "accumulate")
			if got := time.Since(begin); got != want {
				t.Errorf("it waited %v, want %v", got, want)
			}
			var peer *exchange.PeerError
			if !errors.As(err, &peer) || peer.Rank != layout.Rank(1) {
				t.Errorf("got %v", err)
			}
			if e.Waited() != want {
				t.Errorf("waited %v, want %v", e.Waited(), want)
			}
		})
	}
}

func TestCancelledContextEndsARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(allReduce(0, 2, 3), newToy(), stuck{})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		leave := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(leave) })
		begin := time.Now()
		err = e.Run(ctx, "accumulate")
		var peer *exchange.PeerError
		if !errors.Is(err, leave) || errors.As(err, &peer) {
			t.Errorf("while waiting: %v", err)
		}
		if got := time.Since(begin); got != time.Second {
			t.Errorf("it left after %v", got)
		}
		e.broken = nil
		if err = e.Run(ctx, "init"); !errors.Is(err, leave) {
			t.Errorf("between instructions: %v", err)
		}
	})
}

func TestInputsAreInAxisOrder(t *testing.T) {
	w := newWriter(0, 1)
	img := w.buffer("image", programpb.DType_DTYPE_U8, 2, 3, 2, 2)
	w.p.Buffers[img].Format = programpb.Format_FORMAT_NHWC
	w.p.Buffers[img].Box.Bounds = []uint32{4, 6, 0, 3, 0, 2, 0, 2}
	w.section("accumulate")
	w.input("accumulate", "image", img)
	b := newToy()
	e, err := New(w.p, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	buf, box, ok := e.Input("accumulate", "image")
	if !ok || len(buf) != 24 || box[0] != (layout.Span{Lo: 4, Hi: 6}) {
		t.Fatalf("%d bytes, box %v, %v", len(buf), box, ok)
	}
	for i := range buf {
		buf[i] = byte(i)
	}
	if err := e.Run(t.Context(), "accumulate"); err != nil {
		t.Fatal(err)
	}
	want := []byte{
		0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11,
		12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23,
	}
	if got := b.arena[:24]; !slices.Equal(got, want) {
		t.Errorf("the device has %v, want %v", got, want)
	}
}
