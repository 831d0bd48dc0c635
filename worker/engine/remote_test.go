package engine

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"cleave/kernels"
)

// remote is a toy whose memory is not the host's: copies take several looks, and arrive by
// half.
type remote struct{ *toy }

func newRemote() kernels.Backend { return remote{newToy()} }

func (remote) Overlaps() bool { return true }

func (r remote) Export(g kernels.Region) (kernels.Export, error) {
	return &remoteExport{device: r.arena[g.Offset:][:g.Bytes], host: make([]byte, g.Bytes)}, nil
}

func (r remote) Import(g kernels.Region) (kernels.Import, error) {
	return &remoteImport{device: r.arena[g.Offset:][:g.Bytes], host: make([]byte, g.Bytes)}, nil
}

type remoteExport struct {
	device, host []byte
	taken        []byte // the device's bytes when the copy was queued
	copied, look int
}

func (e *remoteExport) Start() error {
	e.taken, e.copied, e.look = append(e.taken[:0], e.device...), 0, 0
	return nil
}

func (e *remoteExport) Bytes() []byte { return e.host }

func (e *remoteExport) Copied(have int64) (int64, error) {
	e.look++
	if have >= 0 || e.look > 2 { // who only looks finds nothing at first
		n := min(len(e.host), e.copied+(len(e.host)+1)/2)
		copy(e.host[e.copied:n], e.taken[e.copied:])
		e.copied = n
	}
	return int64(e.copied), nil
}

type remoteImport struct {
	device, host  []byte
	started, seen bool
	filled        int64
}

func (i *remoteImport) Start() error {
	i.started, i.seen, i.filled = true, false, 0
	return nil
}

func (i *remoteImport) Bytes() []byte { return i.host }

func (i *remoteImport) Filled(n int64) error {
	if !i.started || n < i.filled {
		return fmt.Errorf("filled %d bytes after %d, started: %v", n, i.filled, i.started)
	}
	copy(i.device[i.filled:n], i.host[i.filled:])
	i.filled = n
	return nil
}

func (i *remoteImport) Finish() error {
	if !i.started || i.seen {
		return errors.New("finished what was not started")
	}
	i.seen = true
	return i.Filled(int64(len(i.host)))
}

func TestRanksExchangeBetweenDevices(t *testing.T) { testRanksExchange(t, newRemote) }

// What the next run is fed with goes to the device while this one is under way, if nothing
// else needs its memory.
func TestUploadAhead(t *testing.T) {
	for name, open := range map[string]func() kernels.Backend{"remote": newRemote, "host": func() kernels.Backend { return newToy() }} {
		e, err := New(allReduce(0, 1, 3), open(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := errors.Join(e.Start(t.Context()), e.Run(t.Context(), "init")); err != nil {
			t.Fatal(err)
		}
		put(t, e, "accumulate", "given", 0, 0, 0)
		for i := range 4 {
			v := float32(i)
			ahead := func() error {
				put(t, e, "accumulate", "given", v+1, 2*v+2, 0)
				return e.Upload("accumulate")
			}
			if i == 2 { // this time it is only filled
				ahead = func() error {
					put(t, e, "accumulate", "given", v+1, 2*v+2, 0)
					return nil
				}
			}
			if err := e.RunAhead(t.Context(), ahead, "accumulate"); err != nil {
				t.Fatal(err)
			}
			if got, _ := e.Output("accumulate", "total"); !slices.Equal(got, []float32{1 + v, 1 + 2*v, 1}) {
				t.Errorf("%s, run %d: %v", name, i, got)
			}
		}
	}
}

// batching is a toy that fills buffers in pairs.
type batching struct {
	*toy
	batches *int
}

func (b batching) BindBatch(calls []kernels.Call) (int, kernels.Launch, error) {
	if calls[0].Desc.Code != kernels.FillConst {
		return 0, nil, nil
	}
	var launches [2]kernels.Launch
	for i := range launches {
		var err error
		if launches[i], err = b.Bind(calls[i].Desc, calls[i].Out, calls[i].In, calls[i].Workspace); err != nil {
			return 0, nil, err
		}
	}
	*b.batches++
	return 2, func() error { return errors.Join(launches[0](), launches[1]()) }, nil
}

func TestCallsAreBatched(t *testing.T) {
	w := newWriter(0, 1)
	var all []uint32
	for range 5 {
		all = append(all, w.floats("part", 2))
	}
	total, again := w.floats("total", 2), w.floats("again", 2)
	w.section("accumulate", w.fill(all[0], 1), w.fill(all[1], 2), w.fill(all[2], 3), w.fill(all[3], 4), w.fill(all[4], 5),
		w.sum(total, all...), w.sum(again, total, all[0]))
	w.output("accumulate", "again", again)
	b := batching{newToy(), new(int)}
	e, err := New(w.p, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := errors.Join(e.Start(t.Context()), e.Run(t.Context(), "accumulate")); err != nil {
		t.Fatal(err)
	}
	if got, _ := e.Output("accumulate", "again"); !slices.Equal(got, []float32{16, 16}) || *b.batches != 2 || b.launches != 7 {
		t.Errorf("%v, %d batches, %d launches", got, *b.batches, b.launches)
	}
}
