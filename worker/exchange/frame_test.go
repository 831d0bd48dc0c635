package exchange

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"google.golang.org/grpc/mem"
)

func TestFramesSurviveTheWire(t *testing.T) {
	h := header{frameData, 0xFEDCBA98, 1 << 63, 1<<40 + 1, 12}
	var b [headerBytes]byte
	h.encode(b[:])
	if got, err := decodeHeader(b[:], 12); err != nil || got != h {
		t.Errorf("got %+v, %v; want %+v", got, err, h)
	}
	want := hello{Job: 1<<64 - 1, From: 3, To: 4, Terms: terms{Digest: [32]byte{1, 31: 2}, Up: tally{1, 2}, Down: tally{3, 1 << 50}}}
	if got, err := decodeHello(want.encode()); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, f := range []farewell{{-1, ""}, {0, ""}, {7, "gone"}} {
		if got, err := decodeFarewell(f.encode()); err != nil || got != f {
			t.Errorf("got %+v, %v; want %+v", got, err, f)
		}
	}
}

// posted is a link without a stream at rank 1: messages 1 and 2 are to come from rank 0 and
// the first is posted, message 3 goes there.
func posted(t testing.TB) (l *link, dst []byte, intact func() bool) {
	g := &GRPC{}
	g.init(1)
	must(t, g.declare(2, []Slot{{Tag: 1, Peer: 0, Bytes: 100}, {Tag: 2, Peer: 0, Bytes: 5}, {Tag: 3, Peer: 0, Bytes: 8, Send: true}}))
	l = &link{t: g, peer: 0, kick: make(chan struct{}, 1), through: make(chan struct{}), credits: newQueue(2), ready: newQueue(1)}
	g.links = []*link{l, nil}
	dst, intact = guarded(100)
	must(t, g.Post(1, dst))
	must(t, g.Send(3, make([]byte, 8)))
	return l, dst, intact
}

func frame(h header, payload []byte) mem.BufferSlice {
	h.Length = uint32(len(payload))
	b := make([]byte, headerBytes)
	h.encode(b)
	return mem.BufferSlice{mem.SliceBuffer(b[:10]), mem.SliceBuffer(append(b[10:], payload...))}
}

func TestWrongFramesAreRefused(t *testing.T) {
	credit := func(tag Tag, n uint64) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, uint32(tag)), n)
	}
	for name, c := range map[string]struct {
		h       header
		payload []byte
	}{
		"unknown tag":       {header{Type: frameData, Tag: 9, Number: 1}, make([]byte, 8)},
		"tag of a send":     {header{Type: frameData, Tag: 3, Number: 1}, make([]byte, 8)},
		"not posted":        {header{Type: frameData, Tag: 2, Number: 1}, make([]byte, 5)},
		"old number":        {header{Type: frameData, Tag: 1, Number: 0}, make([]byte, 8)},
		"next number":       {header{Type: frameData, Tag: 1, Number: 2}, make([]byte, 8)},
		"gap":               {header{Type: frameData, Tag: 1, Number: 1, Offset: 1}, make([]byte, 8)},
		"huge offset":       {header{Type: frameData, Tag: 1, Number: 1, Offset: 1<<64 - 4}, make([]byte, 8)},
		"too long":          {header{Type: frameData, Tag: 1, Number: 1}, make([]byte, 101)},
		"empty piece":       {header{Type: frameData, Tag: 1, Number: 1}, nil},
		"second hello":      {header{Type: frameHello}, make([]byte, helloBytes)},
		"unasked answer":    {header{Type: frameByeSeen}, nil},
		"unknown type":      {header{Type: 77}, nil},
		"credit too early":  {header{Type: frameCredit}, credit(3, 2)},
		"credit repeated":   {header{Type: frameCredit}, append(credit(3, 1), credit(3, 1)...)},
		"two credits ahead": {header{Type: frameCredit}, append(append(credit(3, 1), credit(3, 2)...), credit(3, 3)...)},
		"credit of receive": {header{Type: frameCredit}, credit(1, 1)},
		"torn credit":       {header{Type: frameCredit}, credit(3, 1)[:11]},
		"long goodbye":      {header{Type: frameBye}, make([]byte, 5+reasonBytes)},
	} {
		l, dst, intact := posted(t)
		if err := l.receive(frame(c.h, c.payload)); err == nil || l.cause == nil {
			t.Errorf("%s: accepted", name)
		}
		if !intact() || bytes.Count(dst, []byte{guardByte}) != len(dst) {
			t.Errorf("%s: memory was written", name)
		}
	}
}

// FuzzReceive feeds frames of any kind: whatever comes, nothing but the posted memory is
// written, and no more than was posted is counted.
func FuzzReceive(f *testing.F) {
	f.Add(uint8(2), uint32(1), uint64(1), uint64(0), []byte("data"))
	f.Add(uint8(3), uint32(0), uint64(0), uint64(0), make([]byte, 12))
	f.Add(uint8(4), uint32(0), uint64(0), uint64(0), []byte{1, 0, 0, 0, 'x'})
	f.Fuzz(func(t *testing.T, kind uint8, tag uint32, number, offset uint64, payload []byte) {
		l, dst, intact := posted(t)
		data := frame(header{Type: frameType(kind), Tag: Tag(tag), Number: number, Offset: offset}, payload)
		for l.receive(data) == nil && l.t.Received() < 100 && !l.sawBye {
			if frameType(kind) != frameData {
				break
			}
			offset += uint64(len(payload))
			data = frame(header{Type: frameType(kind), Tag: Tag(tag), Number: number, Offset: offset}, payload)
		}
		if !intact() || l.t.Received() > int64(len(dst)) {
			t.Error("wrote outside the posted memory")
		}
		_ = l.receive(mem.BufferSlice{mem.SliceBuffer(payload)}) // no header at all
	})
}

func TestPool(t *testing.T) {
	var p pool
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		n := r.IntN(1 << r.IntN(23))
		b := p.Get(n)
		if len(*b) != n {
			t.Fatalf("got %d bytes, want %d", len(*b), n)
		}
		if n > poolSmallest && n <= poolSmallest<<(poolClasses-1) && cap(*b) >= 2*n {
			t.Fatalf("%d bytes have a capacity of %d", n, cap(*b))
		}
		*b = (*b)[:n/2] // gRPC gives prefixes back
		p.Put(b)
	}
}

// TestChunksAreReused shows that a link's store of chunks does not grow with the steps.
func TestChunksAreReused(t *testing.T) {
	ts := joinGRPC(t, 2, nil)
	xs := []Transport{ts[0], ts[1]}
	openAll(t, xs, one(1<<20+1))
	done := make(chan error, 2)
	for r, x := range xs {
		go func() {
			src, dst := make([]byte, 1<<20+1), make([]byte, 1<<20+1)
			var err error
			for step := 0; step < 20 && err == nil; step++ {
				err = swap(context.Background(), x, r, src, dst)
			}
			done <- err
		}()
	}
	must(t, <-done, <-done)
	closeAll(t, xs)
	for r, x := range ts {
		if n := len(x.links[1-r].free); n > 16 {
			t.Errorf("rank %d made %d chunks", r, n)
		}
	}
}
