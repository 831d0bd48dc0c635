// Package exchange moves regions of tensors between the ranks of a job.
//
// The Program names every message beforehand: a tag, a peer, a number of bytes. A
// receiver posts the memory that a message may be written to; a sender starts a message,
// which travels as soon as the receiver's post has arrived; both wait for completion when
// they need it. Posting and sending never block. The same tag is used again in every step;
// the n-th send of a tag meets the n-th post of it.
//
// GRPC is the transport between processes, Memory its twin within one process; both pass
// the same tests.
package exchange

import (
	"context"
	"fmt"

	"cleave/layout"
)

// Tag names one message of a Program; unique in the job.
type Tag uint32

// Slot declares a message before the first step.
type Slot struct {
	Tag   Tag
	Peer  layout.Rank
	Bytes int64
	Send  bool // this rank sends; else it receives
	Sink  Sink // if set, learns what of a received message has arrived
}

// Sink learns how much of a message has been written to the posted memory.
type Sink interface {
	// Filled says that the first n bytes have, with growing n up to all, before Wait returns.
	// It must not block; a goroutine of the transport calls it. An error breaks the transport.
	Filled(n int64) error
}

// Transport carries one rank's messages. Its methods are called by one goroutine, Close by
// any. After an error of any method the transport is broken: only Close is left.
type Transport interface {
	// Open declares all messages; it returns when every peer is connected and has declared
	// messages that match. No method but Close may be called before.
	Open(ctx context.Context, slots []Slot) error
	// Post lets the message tag be written to dst, which belongs to the transport until
	// Wait of tag returns.
	Post(tag Tag, dst []byte) error
	// Send starts the message tag; src must not change until Sent of tag returns.
	Send(tag Tag, src []byte) error
	// Begin starts the message tag like Send, but nothing of src is ready to travel yet.
	Begin(tag Tag, src []byte) error
	// Ready says that the first n bytes of the message begun are ready.
	Ready(tag Tag, n int64) error
	// Wait returns when the posted message has arrived in full.
	Wait(ctx context.Context, tag Tag) error
	// Sent returns when the message's bytes may be overwritten.
	Sent(ctx context.Context, tag Tag) error
	// Received returns the payload bytes that have arrived since Open.
	Received() int64
	// Close says goodbye to the peers and frees everything; pending calls return an error.
	Close() error
}

// PeerError says which rank an exchange failed with.
type PeerError struct {
	Rank layout.Rank
	Err  error
}

func (e *PeerError) Error() string { return fmt.Sprintf("exchange with rank %d: %v", e.Rank, e.Err) }
func (e *PeerError) Unwrap() error { return e.Err }
