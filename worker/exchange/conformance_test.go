package exchange

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"cleave/layout"
)

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	goleak.VerifyTestMain(m)
}

// kinds are the transports that the suite runs over. join returns all ranks, not open yet.
var kinds = []struct {
	name string
	join func(t *testing.T, ranks int) []Transport
}{
	{"memory", func(t *testing.T, ranks int) []Transport {
		var ts []Transport
		for _, m := range NewMemory(ranks) {
			ts = append(ts, m)
		}
		return ts
	}},
	{"grpc", func(t *testing.T, ranks int) []Transport {
		var ts []Transport
		for _, g := range joinGRPC(t, ranks, nil) {
			ts = append(ts, g)
		}
		return ts
	}},
}

// joinGRPC returns ranks on loopback; via, if not nil, replaces the address at which rank
// from finds rank to.
func joinGRPC(t testing.TB, ranks int, via func(from, to int, addr string) string) []*GRPC {
	t.Helper()
	listeners := make([]net.Listener, ranks)
	addrs := make([]string, ranks)
	for i := range ranks {
		listeners[i] = listen(t)
		addrs[i] = listeners[i].Addr().String()
	}
	ts := make([]*GRPC, ranks)
	for i := range ranks {
		peers := append([]string(nil), addrs...)
		if via != nil {
			for j := i + 1; j < ranks; j++ {
				peers[j] = via(i, j, addrs[j])
			}
		}
		g, err := NewGRPC(GRPCOptions{Rank: layout.Rank(i), Job: 42, Listener: listeners[i], Peers: peers})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		ts[i] = g
	}
	return ts
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// message is one message of a job; slotsOf gives a rank its own view of all.
type message struct {
	tag      Tag
	from, to int
	bytes    int64
}

func slotsOf(messages []message, rank int) []Slot {
	var s []Slot
	for _, m := range messages {
		switch rank {
		case m.from:
			s = append(s, Slot{Tag: m.tag, Peer: layout.Rank(m.to), Bytes: m.bytes, Send: true})
		case m.to:
			s = append(s, Slot{Tag: m.tag, Peer: layout.Rank(m.from), Bytes: m.bytes})
		}
	}
	return s
}

// openAll opens all ranks at once.
func openAll(t testing.TB, ts []Transport, messages []message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var g errgroup.Group
	for r, x := range ts {
		g.Go(func() error { return x.Open(ctx, slotsOf(messages, r)) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// noise is what messages are made of: that of (tag, step) starts at offset of(tag, step).
var noise = func() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 5<<20+1<<16)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}()

func content(m message, step int) []byte {
	off := (int(m.tag)*977 + step*131) % (1 << 16)
	return noise[off : off+int(m.bytes)]
}

const (
	guardBytes = 64
	guardByte  = 0xA5
)

// guarded is memory of n bytes between guards; intact checks them.
func guarded(n int64) (mem []byte, intact func() bool) {
	all := bytes.Repeat([]byte{guardByte}, int(n)+2*guardBytes)
	edge := bytes.Repeat([]byte{guardByte}, guardBytes)
	return all[guardBytes : guardBytes+n : guardBytes+n], func() bool {
		return bytes.Equal(all[:guardBytes], edge) && bytes.Equal(all[guardBytes+n:], edge)
	}
}

// randomMessages draws messages between all ranks, of sizes around every border there is.
func randomMessages(r *rand.Rand, ranks int) []message {
	borders := []int64{0, 1, 27, smallBytes - 1, smallBytes, smallBytes + 1, 16 << 10, chunkBytes - 1, chunkBytes, chunkBytes + 1, chunkBytes + smallBytes, 2*chunkBytes + smallBytes + 1, 5 << 20}
	tags := r.Perm(1000)
	messages := make([]message, 1+r.IntN(12*ranks))
	for i := range messages {
		from := r.IntN(ranks)
		size := borders[r.IntN(len(borders))]
		if r.IntN(2) == 0 {
			size = int64(r.Float64() * r.Float64() * r.Float64() * (5 << 20))
		}
		messages[i] = message{Tag(tags[i]), from, (from + 1 + r.IntN(ranks-1)) % ranks, size}
	}
	return messages
}

const randomSteps = 4

// TestRandomExchanges lets ranks start messages in orders and at times of their own, over
// many steps, and overwrites what was sent as soon as that is allowed.
func TestRandomExchanges(t *testing.T) {
	for _, kind := range kinds {
		for seed := range uint64(6) {
			ranks := 2 + int(seed)%3
			t.Run(fmt.Sprintf("%s/%d ranks/seed %d", kind.name, ranks, seed), func(t *testing.T) {
				messages := randomMessages(rand.New(rand.NewPCG(seed, 7)), ranks)
				ts := kind.join(t, ranks)
				openAll(t, ts, messages)
				ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
				defer cancel()
				var g errgroup.Group
				for rank, x := range ts {
					g.Go(func() error {
						return runRank(ctx, x, rank, messages, randomSteps, rand.New(rand.NewPCG(seed, uint64(rank))))
					})
				}
				if err := g.Wait(); err != nil {
					t.Fatal(err)
				}
				for rank, x := range ts {
					var want int64
					for _, m := range messages {
						if m.to == rank {
							want += randomSteps * m.bytes
						}
					}
					if x.Received() != want {
						t.Errorf("rank %d received %d bytes, want %d", rank, x.Received(), want)
					}
				}
				closeAll(t, ts)
			})
		}
	}
}

func runRank(ctx context.Context, x Transport, rank int, messages []message, steps int, r *rand.Rand) error {
	type end struct {
		message
		mem    []byte
		intact func() bool
	}
	var ends []end
	for _, m := range messages {
		if m.from == rank || m.to == rank {
			mem, intact := guarded(m.bytes)
			ends = append(ends, end{m, mem, intact})
		}
	}
	for step := range steps {
		r.Shuffle(len(ends), func(i, j int) { ends[i], ends[j] = ends[j], ends[i] })
		for _, e := range ends {
			if r.IntN(20) == 0 {
				time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
			}
			var err error
			if e.from == rank {
				copy(e.mem, content(e.message, step))
				err = x.Send(e.tag, e.mem)
			} else {
				err = x.Post(e.tag, e.mem)
			}
			if err != nil {
				return err
			}
		}
		for _, i := range r.Perm(len(ends)) {
			e := ends[i]
			if e.from == rank {
				if err := x.Sent(ctx, e.tag); err != nil {
					return err
				}
				clear(e.mem)
				continue
			}
			if err := x.Wait(ctx, e.tag); err != nil {
				return err
			}
			if !bytes.Equal(e.mem, content(e.message, step)) {
				return fmt.Errorf("step %d, message %d of %d bytes: wrong bytes", step, e.tag, e.bytes)
			}
			if !e.intact() {
				return fmt.Errorf("step %d, message %d of %d bytes: guard overwritten", step, e.tag, e.bytes)
			}
		}
	}
	return nil
}

// closeAll closes all ranks at once, which must be quick.
func closeAll(t *testing.T, ts []Transport) {
	t.Helper()
	start := time.Now()
	var wg sync.WaitGroup
	for _, x := range ts {
		wg.Go(func() { x.Close() })
	}
	wg.Wait()
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("close took %v", d)
	}
}
