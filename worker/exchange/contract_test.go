package exchange

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"cleave/layout"
)

// one is a job of two ranks with a message each way.
func one(size int64) []message { return []message{{1, 0, 1, size}, {2, 1, 0, size}} }

func each(t *testing.T, f func(t *testing.T, join func(t *testing.T, ranks int) []Transport)) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) { f(t, kind.join) })
	}
}

func short(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func wantPeer(t *testing.T, err error, rank layout.Rank) {
	t.Helper()
	var p *PeerError
	if !errors.As(err, &p) || p.Rank != rank {
		t.Errorf("got error %v, want one about rank %d", err, rank)
	}
}

func TestSendBeforePost(t *testing.T) {
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		ts := join(t, 2)
		m := one(3 << 20)
		openAll(t, ts, m)
		if err := ts[0].Send(1, content(m[0], 0)); err != nil {
			t.Fatal(err)
		}
		if err := ts[0].Sent(short(t, 50*time.Millisecond), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("sent without a post: %v", err)
		}
		if n := ts[1].Received(); n != 0 {
			t.Errorf("%d bytes arrived before the post", n)
		}
		dst, intact := guarded(3 << 20)
		if err := ts[1].Post(1, dst); err != nil {
			t.Fatal(err)
		}
		if err := ts[1].Wait(short(t, 10*time.Second), 1); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(dst, content(m[0], 0)) || !intact() {
			t.Error("wrong bytes")
		}
		closeAll(t, ts)
	})
}

func TestContextEndsWaits(t *testing.T) {
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		ts := join(t, 2)
		openAll(t, ts, one(100))
		for _, tag := range []Tag{1, 2} {
			cancelled, cancel := context.WithCancel(context.Background())
			time.AfterFunc(20*time.Millisecond, cancel)
			start, wait := ts[0].Send, ts[0].Sent
			if tag == 2 {
				start, wait = ts[0].Post, ts[0].Wait
			}
			if err := start(tag, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			var p *PeerError
			if err := wait(cancelled, tag); !errors.Is(err, context.Canceled) || errors.As(err, &p) {
				t.Errorf("cancelled wait of %d: %v", tag, err)
			}
			err := wait(short(t, 20*time.Millisecond), tag)
			wantPeer(t, err, 1)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("late wait of %d: %v", tag, err)
			}
		}
		closeAll(t, ts)
	})
}

func TestMisuse(t *testing.T) {
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		ts := join(t, 2)
		ctx := short(t, 10*time.Second)
		if err := ts[0].Post(2, make([]byte, 10)); err == nil {
			t.Error("post before open succeeded")
		}
		openAll(t, ts, one(10))
		if err := ts[1].Post(1, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name string
			err  error
			want string
		}{
			{"send a receive", ts[0].Send(2, make([]byte, 10)), "not declared"},
			{"post a send", ts[0].Post(1, make([]byte, 10)), "not declared"},
			{"unknown tag", ts[0].Post(3, make([]byte, 10)), "not declared"},
			{"wrong size", ts[0].Post(2, make([]byte, 9)), "10 bytes, not 9"},
			{"wait before post", ts[0].Wait(ctx, 2), "never started"},
			{"post twice", ts[1].Post(1, make([]byte, 10)), "before it was waited for"},
			{"open twice", ts[0].Open(ctx, nil), "open already"},
		} {
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("%s: got %v, want one with %q", c.name, c.err, c.want)
			}
		}
		closeAll(t, ts)
		for _, x := range join(t, 2) {
			for _, s := range []Slot{{Tag: 1, Peer: 2}, {Tag: 1, Peer: -1}, {Tag: 1, Peer: 0, Bytes: -1}, {Tag: 1, Peer: 1, Bytes: -1}} {
				if err := x.Open(ctx, []Slot{s}); err == nil {
					t.Errorf("slot %+v accepted", s)
				}
			}
			x.Close()
			if err := x.Open(ctx, nil); !errors.Is(err, ErrClosed) {
				t.Errorf("open after close: %v", err)
			}
		}
	})
}

func TestPeerClosesAfterAllIsDone(t *testing.T) {
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		ts := join(t, 3)
		m := []message{{1, 0, 1, 5 << 20}, {2, 1, 2, 100}, {3, 2, 1, 100}, {4, 1, 0, 0}}
		openAll(t, ts, m)
		ctx := short(t, 20*time.Second)
		dst, intact := guarded(5 << 20)
		must(t, ts[1].Post(1, dst), ts[0].Send(1, content(m[0], 0)), ts[0].Sent(ctx, 1), ts[0].Close())
		// Rank 0 is gone; what it sent is here, and the others go on.
		must(t, ts[1].Wait(ctx, 1))
		if !bytes.Equal(dst, content(m[0], 0)) || !intact() {
			t.Error("wrong bytes")
		}
		got := make([]byte, 100)
		for range 3 {
			must(t, ts[2].Post(2, got), ts[1].Send(2, content(m[1], 0)), ts[1].Sent(ctx, 2), ts[2].Wait(ctx, 2))
			must(t, ts[1].Post(3, got), ts[2].Send(3, content(m[2], 0)), ts[2].Sent(ctx, 3), ts[1].Wait(ctx, 3))
		}
		wantPeer(t, ts[1].Send(4, nil), 0)
		wantPeer(t, ts[1].Post(1, dst), 0) // broken now
		closeAll(t, ts)
	})
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestCloseInTheMiddle(t *testing.T) {
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		ts := join(t, 2)
		openAll(t, ts, one(1<<20))
		ctx := short(t, 20*time.Second)
		must(t, ts[0].Post(2, make([]byte, 1<<20)), ts[1].Post(1, make([]byte, 1<<20)))
		own, other := make(chan error, 1), make(chan error, 1)
		go func() { own <- ts[0].Wait(ctx, 2) }()
		go func() { other <- ts[1].Wait(ctx, 1) }()
		time.Sleep(20 * time.Millisecond)
		start := time.Now()
		must(t, ts[0].Close())
		if err := <-own; !errors.Is(err, ErrClosed) {
			t.Errorf("own wait: %v, want closed", err)
		}
		wantPeer(t, <-other, 0)
		if d := time.Since(start); d > time.Second {
			t.Errorf("took %v", d)
		}
		wantPeer(t, ts[1].Send(2, make([]byte, 1<<20)), 0)
		if err := ts[0].Post(2, make([]byte, 1<<20)); !errors.Is(err, ErrClosed) {
			t.Errorf("post after close: %v", err)
		}
		closeAll(t, ts)
	})
}

func TestDifferentSlots(t *testing.T) {
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		for _, other := range [][]message{nil, {{1, 0, 1, 11}}, {{2, 0, 1, 10}}, {{1, 1, 0, 10}}, {{1, 0, 1, 10}, {2, 1, 0, 0}}} {
			ts := join(t, 2)
			errs := make([]error, 2)
			var wg sync.WaitGroup
			for r, m := range [][]message{{{1, 0, 1, 10}}, other} {
				wg.Go(func() { errs[r] = ts[r].Open(short(t, 10*time.Second), slotsOf(m, r)) })
			}
			wg.Wait()
			for r, err := range errs {
				wantPeer(t, err, layout.Rank(1-r))
				if err == nil || !strings.Contains(err.Error(), "ranks 0 and 1 declare different messages") {
					t.Errorf("rank %d: %v", r, err)
				}
			}
			closeAll(t, ts)
		}
	})
}

func TestOpenWithoutPeer(t *testing.T) {
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		for r := range 2 {
			ts := join(t, 2)
			err := ts[r].Open(short(t, 100*time.Millisecond), nil)
			wantPeer(t, err, layout.Rank(1-r))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("rank %d: %v", r, err)
			}
			closeAll(t, ts)
		}
	})
}

func TestCloseDuringOpen(t *testing.T) {
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		ts := join(t, 3)
		time.AfterFunc(50*time.Millisecond, func() { ts[1].Close() })
		if err := ts[1].Open(context.Background(), nil); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		closeAll(t, ts)
	})
}
