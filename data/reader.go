package data

import (
	"context"
	"errors"

	"cleave/layout"
)

var errClosed = errors.New("the loader is closed")

// place names a batch.
type place struct{ epoch, batch uint64 }

// batch is one rank's part of a batch.
type batch struct {
	pixels []byte
	labels []int32
}

func newBatch(imageBytes int, images, labels layout.Span) *batch {
	return &batch{make([]byte, images.Len()*imageBytes), make([]int32, labels.Len())}
}

// reader fills batches in a goroutine of its own, one ahead of the one that is used. Its
// methods are called by one goroutine at a time.
type reader struct {
	used, other *batch // the caller's, and the one that is filled or waits to be used
	ahead       place  // what other holds, or is being filled with, if holds
	holds       bool
	filling     bool
	closed      bool

	// At most one request and one answer are under way, and each waits in its channel, so
	// neither side ever blocks on a send.
	ask  chan request
	full chan struct{}
	done chan struct{} // closed by the goroutine as it ends
}

type request struct {
	place place
	to    *batch
}

func newReader(imageBytes int, images, labels layout.Span, fill func(place, *batch)) *reader {
	r := &reader{
		used:  newBatch(imageBytes, images, labels),
		other: newBatch(imageBytes, images, labels),
		ask:   make(chan request, 1),
		full:  make(chan struct{}, 1),
		done:  make(chan struct{}),
	}
	go func() {
		defer close(r.done)
		for q := range r.ask {
			fill(q.place, q.to)
			r.full <- struct{}{}
		}
	}()
	return r
}

// read returns the batch at p, valid until the next call, and starts on the following
// one, if any. A call that ctx ends leaves the reader usable.
func (r *reader) read(ctx context.Context, p place, following *place) (*batch, error) {
	if r.closed {
		return nil, errClosed
	}
	for {
		if r.filling {
			select {
			case <-r.full:
				r.filling = false
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		if r.holds && r.ahead == p {
			break
		}
		r.start(p) // nothing read ahead, or something else than is wanted
	}
	r.used, r.other = r.other, r.used
	r.holds = false
	if following != nil {
		r.start(*following)
	}
	return r.used, nil
}

func (r *reader) start(p place) {
	r.ahead, r.holds, r.filling = p, true, true
	r.ask <- request{p, r.other}
}

// close ends the goroutine and waits for it.
func (r *reader) close() {
	if !r.closed {
		r.closed = true
		close(r.ask)
	}
	<-r.done
}
