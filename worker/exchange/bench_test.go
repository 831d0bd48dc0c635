package exchange

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// pipe is a raw TCP connection on loopback, both ends.
func pipe(b *testing.B) (x, y net.Conn) {
	l := listen(b)
	defer l.Close()
	x, err := net.Dial("tcp", l.Addr().String())
	must(b, err)
	y, err = l.Accept()
	must(b, err)
	b.Cleanup(func() {
		x.Close()
		y.Close()
	})
	return x, y
}

// rawSwap sends src and reads dst at once.
func rawSwap(c net.Conn, src, dst []byte) error {
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(src)
		wrote <- err
	}()
	if _, err := io.ReadFull(c, dst); err != nil {
		return err
	}
	return <-wrote
}

// both runs f for the two ranks at once.
func both(b *testing.B, f func(rank int) error) time.Duration {
	b.Helper()
	start := time.Now()
	other := make(chan error, 1)
	go func() { other <- f(1) }()
	must(b, f(0))
	must(b, <-other)
	return time.Since(start)
}

// median is a duration that outliers do not move.
func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkDuplex16MiB sends 16 MiB each way at once, over the transport and, in turn, over
// a raw TCP connection; ratio is that of the medians (1 = as fast as raw).
func BenchmarkDuplex16MiB(b *testing.B) {
	const size = 16 << 20
	ts := joinGRPC(b, 2, nil)
	openAll(b, []Transport{ts[0], ts[1]}, one(size))
	x, y := pipe(b)
	conns := []net.Conn{x, y}
	var src, dst [2][]byte
	for r := range 2 {
		src[r], dst[r] = make([]byte, size), make([]byte, size)
	}
	ctx := context.Background()
	ours := func(r int) error { return swap(ctx, ts[r], r, src[r], dst[r]) }
	raw := func(r int) error { return rawSwap(conns[r], src[r], dst[r]) }
	both(b, ours)
	both(b, raw)
	b.ReportAllocs()
	var to, tr []time.Duration
	for b.Loop() {
		to = append(to, both(b, ours))
		tr = append(tr, both(b, raw))
	}
	b.ReportMetric(size/median(to).Seconds()/1e9, "GB/s/direction")
	b.ReportMetric(size/median(tr).Seconds()/1e9, "raw-GB/s/direction")
	b.ReportMetric(median(tr).Seconds()/median(to).Seconds(), "ratio")
}

// BenchmarkPingPong4KiB sends 4 KiB there and back, in turn with a raw TCP connection.
func BenchmarkPingPong4KiB(b *testing.B) {
	const size = 4 << 10
	ts := joinGRPC(b, 2, nil)
	openAll(b, []Transport{ts[0], ts[1]}, one(size))
	x, y := pipe(b)
	ctx := context.Background()
	const rounds = 100
	var buf [2][]byte
	for r := range buf {
		buf[r] = make([]byte, size)
	}
	// The next post is out before the answer is, as in a Program.
	ours := func(r int) error {
		t, out, in := ts[r], Tag(1+r), Tag(2-r)
		if err := t.Post(in, buf[r]); err != nil {
			return err
		}
		for i := range rounds {
			if r == 1 || i > 0 {
				if err := t.Wait(ctx, in); err != nil {
					return err
				}
				if r == 1 && i == rounds-1 {
					// nothing follows
				} else if err := t.Post(in, buf[r]); err != nil {
					return err
				}
			}
			if err := t.Send(out, buf[r]); err != nil {
				return err
			}
			if err := t.Sent(ctx, out); err != nil {
				return err
			}
		}
		if r == 0 {
			return t.Wait(ctx, in)
		}
		return nil
	}
	conns := []net.Conn{x, y}
	raw := func(r int) error {
		for range rounds {
			if r == 0 {
				if _, err := conns[0].Write(buf[0]); err != nil {
					return err
				}
			}
			if _, err := io.ReadFull(conns[r], buf[r]); err != nil {
				return err
			}
			if r == 1 {
				if _, err := conns[1].Write(buf[1]); err != nil {
					return err
				}
			}
		}
		return nil
	}
	b.ReportAllocs()
	var to, tr []time.Duration
	for b.Loop() {
		to = append(to, both(b, ours))
		tr = append(tr, both(b, raw))
	}
	b.ReportMetric(float64(median(to).Microseconds())/rounds, "µs/round")
	b.ReportMetric(float64(median(tr).Microseconds())/rounds, "raw-µs/round")
	b.ReportMetric(median(tr).Seconds()/median(to).Seconds(), "ratio")
}
