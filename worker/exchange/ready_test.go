package exchange

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// A sender whose bytes come from a device says bit by bit which are ready; the receiver
// learns which have arrived.
func TestBytesBecomeReady(t *testing.T) {
	const size = 7<<19 + 5
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		ts := join(t, 2)
		m := one(size)
		var mu sync.Mutex
		var arrivals []int64
		slots := slotsOf(m, 1)
		for i := range slots {
			slots[i].Sink = sinkFunc(func(n int64) error {
				mu.Lock()
				defer mu.Unlock()
				arrivals = append(arrivals, n)
				return nil
			})
		}
		var g errgroup.Group
		ctx := short(t, 20*time.Second)
		g.Go(func() error { return ts[0].Open(ctx, slotsOf(m, 0)) })
		g.Go(func() error { return ts[1].Open(ctx, slots) })
		must(t, g.Wait())
		for step := range 2 {
			arrivals = nil
			before := ts[1].Received()
			src, want := make([]byte, size), content(m[0], step)
			dst, intact := guarded(size)
			must(t, ts[1].Post(1, dst), ts[0].Begin(1, src))
			for _, n := range []int64{1, 1, 3000, 1<<20 + 7, size} {
				copy(src[:n], want)
				must(t, ts[0].Ready(1, n))
				for ts[1].Received() < before+n { // one piece at a time
					if ctx.Err() != nil {
						t.Fatalf("%d of %d bytes arrived", ts[1].Received()-before, n)
					}
					time.Sleep(time.Millisecond)
				}
			}
			must(t, ts[0].Sent(ctx, 1), ts[1].Wait(ctx, 1))
			if !bytes.Equal(dst, want) || !intact() {
				t.Error("wrong bytes")
			}
			last := int64(0)
			for _, n := range arrivals {
				if n <= last {
					t.Errorf("arrivals %v", arrivals)
				}
				last = n
			}
			if last != size || len(arrivals) < 4 {
				t.Errorf("arrivals %v of %d bytes", arrivals, int64(size))
			}
		}
		closeAll(t, ts)
	})
}

type sinkFunc func(n int64) error

func (f sinkFunc) Filled(n int64) error { return f(n) }

// What arrived but could not be passed on is not waited for in vain.
func TestSinkFails(t *testing.T) {
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		ts := join(t, 2)
		m := one(100)
		slots := slotsOf(m, 1)
		broken := errors.New("the device is lost")
		for i := range slots {
			slots[i].Sink = sinkFunc(func(int64) error { return broken })
		}
		var g errgroup.Group
		ctx := short(t, 20*time.Second)
		g.Go(func() error { return ts[0].Open(ctx, slotsOf(m, 0)) })
		g.Go(func() error { return ts[1].Open(ctx, slots) })
		must(t, g.Wait(), ts[1].Post(1, make([]byte, 100)), ts[0].Send(1, content(m[0], 0)))
		if err := ts[1].Wait(ctx, 1); !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
		closeAll(t, ts)
	})
}

func TestNothingTravelsBeforeItIsReady(t *testing.T) {
	each(t, func(t *testing.T, join func(*testing.T, int) []Transport) {
		ts := join(t, 2)
		m := one(2 << 20)
		openAll(t, ts, m)
		must(t, ts[1].Post(1, make([]byte, 2<<20)), ts[0].Begin(1, content(m[0], 0)), ts[0].Ready(1, 1<<20))
		if err := ts[1].Wait(short(t, 100*time.Millisecond), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("half a message arrived in full: %v", err)
		}
		if n := ts[1].Received(); n != 1<<20 {
			t.Errorf("%d bytes arrived", n)
		}
		for _, c := range []struct {
			name string
			err  error
			want string
		}{
			{"fewer", ts[0].Ready(1, 1), "1 ready after 1048576"},
			{"too many", ts[0].Ready(1, 2<<20+1), "2097153 ready"},
			{"a receive", ts[0].Ready(2, 1), "not declared"},
			{"nothing under way", ts[1].Ready(2, 1), "not under way"},
		} {
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("%s: got %v, want one with %q", c.name, c.err, c.want)
			}
		}
		closeAll(t, ts)
	})
}
