package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"cleave/layout"
)

// cable is a TCP connection's way through the test, which can be cut and blocks at a limit.
type cable struct {
	net.Listener
	to      string
	limit   int64 // from this many bytes on nothing moves any more; 0: no limit
	carried atomic.Int64
	release chan struct{}
	wg      sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func newCable(t testing.TB, to string, limit int64) *cable {
	c := &cable{Listener: listen(t), to: to, limit: limit, release: make(chan struct{})}
	c.wg.Go(func() {
		for {
			a, err := c.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, a, b)
			c.mu.Unlock()
			c.wg.Go(func() { c.carry(a, b) })
			c.wg.Go(func() { c.carry(b, a) })
		}
	})
	t.Cleanup(func() {
		c.Close()
		close(c.release)
		c.cut()
		c.wg.Wait()
	})
	return c
}

func (c *cable) carry(from, to net.Conn) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if c.carried.Add(int64(n)) > c.limit && c.limit > 0 {
			<-c.release
		}
		_, werr := to.Write(buf[:n])
		if err != nil || werr != nil {
			return
		}
	}
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.conns {
		x.Close()
	}
}

// cabled returns ranks whose connections go through cables; the key is {from, to}.
func cabled(t *testing.T, ranks int, limit int64) ([]Transport, map[[2]int]*cable) {
	cables := map[[2]int]*cable{}
	var ts []Transport
	for _, g := range joinGRPC(t, ranks, func(from, to int, addr string) string {
		c := newCable(t, addr, limit)
		cables[[2]int{from, to}] = c
		return c.Addr().String()
	}) {
		ts = append(ts, g)
	}
	return ts, cables
}

func TestConnectionIsCut(t *testing.T) {
	ts, cables := cabled(t, 3, 0)
	// Ranks 1 and 2 wait for each other as well: their calls fail too, for rank 0's sake or
	// for that of the one that gave up first.
	messages := append(one(8<<20), message{3, 1, 2, 8}, message{4, 2, 0, 8}, message{5, 0, 2, 8})
	openAll(t, ts, messages)
	ctx := short(t, 20*time.Second)
	errs := make([]error, 3)
	var wg sync.WaitGroup
	var cut time.Time
	for r := range 2 {
		wg.Go(func() {
			for errs[r] == nil {
				errs[r] = swap(ctx, ts[r], r, make([]byte, 8<<20), make([]byte, 8<<20))
			}
			ts[r].Close()
		})
	}
	wg.Go(func() {
		if errs[2] = ts[2].Post(3, make([]byte, 8)); errs[2] == nil {
			errs[2] = ts[2].Wait(ctx, 3)
		}
	})
	time.Sleep(50 * time.Millisecond)
	cut = time.Now()
	cables[[2]int{0, 1}].cut()
	wg.Wait()
	if d := time.Since(cut); d > 3*time.Second {
		t.Errorf("took %v", d)
	}
	wantPeer(t, errs[0], 1)
	wantPeer(t, errs[1], 0)
	var p *PeerError
	if !errors.As(errs[2], &p) || !strings.Contains(p.Err.Error(), "lost, as rank") {
		t.Errorf("rank 2: %v", errs[2])
	}
	closeAll(t, ts)
}

// TestSilentPeer lets the network swallow everything in the middle of messages that are too
// large for all buffers on the way: waits end by their deadlines, and Close does not hang.
func TestSilentPeer(t *testing.T) {
	const size = 40 << 20
	ts, _ := cabled(t, 2, 8<<20)
	openAll(t, ts, one(size))
	var wg sync.WaitGroup
	for r, x := range ts {
		wg.Go(func() {
			err := errors.Join(x.Post(Tag(2-r), make([]byte, size)), x.Send(Tag(1+r), make([]byte, size)))
			if err == nil {
				err = x.Sent(short(t, 300*time.Millisecond), Tag(1+r))
			}
			wantPeer(t, err, layout.Rank(1-r))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("rank %d: %v", r, err)
			}
			err = x.Wait(short(t, 100*time.Millisecond), Tag(2-r))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("rank %d: %v", r, err)
			}
		})
	}
	wg.Wait()
	closeAll(t, ts)
}

func TestConnectRetries(t *testing.T) {
	l := listen(t)
	addr := l.Addr().String()
	l.Close() // nobody is there at first
	first := make(chan error, 1)
	var ts [2]*GRPC
	var err error
	ts[0], err = NewGRPC(GRPCOptions{Rank: 0, Job: 1, Listener: listen(t), Peers: []string{"", addr}})
	must(t, err)
	go func() { first <- ts[0].Open(short(t, 20*time.Second), slotsOf(one(8), 0)) }()
	time.Sleep(150 * time.Millisecond)
	l, err = net.Listen("tcp", addr)
	if err != nil {
		ts[0].Close()
		<-first
		t.Skip("the port was taken meanwhile")
	}
	ts[1], err = NewGRPC(GRPCOptions{Rank: 1, Job: 1, Listener: l, Peers: []string{"", addr}})
	must(t, err)
	must(t, ts[1].Open(short(t, 20*time.Second), slotsOf(one(8), 1)), <-first)
	closeAll(t, []Transport{ts[0], ts[1]})
}

func TestConnectErrorNamesAddress(t *testing.T) {
	l := listen(t)
	addr := l.Addr().String()
	l.Close()
	g, err := NewGRPC(GRPCOptions{Rank: 0, Job: 1, Listener: listen(t), Peers: []string{"", addr}})
	must(t, err)
	defer g.Close()
	err = g.Open(short(t, 200*time.Millisecond), nil)
	wantPeer(t, err, 1)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connect to "+addr) || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}

// logged collects log lines.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestStrangers(t *testing.T) {
	var log logged
	l := listen(t)
	addr := l.Addr().String()
	host, err := NewGRPC(GRPCOptions{Rank: 1, Job: 7, Listener: l, Peers: []string{"", addr, addr}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	l2 := listen(t)
	addr2 := l2.Addr().String()
	host.peers[2] = addr2
	opened := make(chan error, 1)
	go func() { opened <- host.Open(short(t, 20*time.Second), nil) }()

	knock := func(o GRPCOptions) error {
		o.Listener = listen(t)
		g, err := NewGRPC(o)
		must(t, err)
		defer g.Close()
		return g.Open(short(t, 5*time.Second), nil)
	}
	strangers := func() {
		err := knock(GRPCOptions{Rank: 0, Job: 8, Peers: []string{"", addr}})
		if err == nil || !strings.Contains(err.Error(), "it is of job 8, this is job 7") || !strings.Contains(err.Error(), addr) {
			t.Errorf("wrong job: %v", err)
		}
		err = knock(GRPCOptions{Rank: 1, Job: 7, Peers: []string{"", "", addr}})
		if err == nil || !strings.Contains(err.Error(), "it looks for rank 2, this is rank 1") {
			t.Errorf("wrong rank: %v", err)
		}
		c, err := net.Dial("tcp", addr)
		must(t, err)
		defer c.Close()
		fmt.Fprint(c, "GET / HTTP/1.1\r\n\r\n")
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadAll(c); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("garbage: %v", err)
		}
		conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		must(t, err)
		defer conn.Close()
		if err := conn.Invoke(short(t, 5*time.Second), "/other.Service/Call", nil, nil); err == nil {
			t.Error("a strange service was served")
		}
		s, err := conn.NewStream(short(t, 5*time.Second), &service.Streams[0], "/"+serviceName+"/"+streamName, grpc.ForceCodecV2(codec{}))
		must(t, err)
		must(t, s.SendMsg(newChunk(&link{t: &GRPC{}}).copied(header{Type: frameData, Tag: 1}, []byte("boo"))))
		if err := s.RecvMsg(new(greeting)); err == nil || !strings.Contains(err.Error(), "not a hello") {
			t.Errorf("no hello: %v", err)
		}
	}
	strangers()

	ranks := make([]*GRPC, 3)
	ranks[1] = host
	ranks[0], err = NewGRPC(GRPCOptions{Rank: 0, Job: 7, Listener: listen(t), Peers: []string{"", addr, addr2}})
	must(t, err)
	ranks[2], err = NewGRPC(GRPCOptions{Rank: 2, Job: 7, Listener: l2, Peers: []string{"", addr, addr2}})
	must(t, err)
	for _, r := range []int{0, 2} {
		go func() { opened <- ranks[r].Open(short(t, 20*time.Second), nil) }()
	}
	must(t, <-opened, <-opened, <-opened)

	strangers()
	err = knock(GRPCOptions{Rank: 0, Job: 7, Peers: []string{"", addr}})
	if err == nil || !strings.Contains(err.Error(), "rank 0 is connected already") {
		t.Errorf("second rank 0: %v", err)
	}
	host.mu.Lock()
	must(t, host.statusLocked())
	host.mu.Unlock()
	for _, want := range []string{"it is of job 8", "it looks for rank 2", "not a gRPC client", "a service that is not here", "not a hello", "connected already"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no log line with %q in\n%s", want, log.String())
		}
	}
	closeAll(t, []Transport{ranks[0], ranks[1], ranks[2]})
}

func TestOptions(t *testing.T) {
	l := listen(t)
	defer l.Close()
	for name, o := range map[string]GRPCOptions{
		"no listener": {Peers: []string{"", ""}},
		"rank":        {Listener: l, Rank: 2, Peers: []string{"", ""}},
		"negative":    {Listener: l, Rank: -1, Peers: []string{"", ""}},
		"address":     {Listener: l, Rank: 0, Peers: []string{"", ""}},
	} {
		if _, err := NewGRPC(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
