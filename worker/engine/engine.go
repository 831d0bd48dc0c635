// Package engine runs one rank's Program on a device.
//
// New checks the Program, reserves its arena on the backend and binds every instruction;
// what is left for a step is to walk a flat list. A Program comes from another process, so
// New believes nothing of it: whatever is wrong with it is an error that names the section,
// the instruction and the operands, never a crash.
//
// An Engine is used by one goroutine at a time. It owns neither the backend nor the
// transport: whoever made them closes them, the transport first.
package engine

import (
	"context"
	"fmt"
	"time"

	"cleave/kernels"
	"cleave/layout"
	"cleave/proto/programpb"
	"cleave/worker/exchange"
)

// Engine is a Program that is ready to run.
type Engine struct {
	program   *programpb.Program // for messages
	backend   kernels.Backend
	transport exchange.Transport
	sections  map[string]*section
	slots     []exchange.Slot
	copies    []copying // sends under way from the device, in order
	clock     deadline
	waited    time.Duration
	started   bool
	broken    error // of the first Run that failed: what the arena holds is unknown since
}

// section is one section of the Program, bound.
type section struct {
	index    int // in the Program
	name     string
	steps    []step
	inputs   []*input
	outputs  []*output
	deadline time.Duration // of one wait for a peer
}

// action says what a step does.
type action uint8

const (
	run action = iota
	post
	send
	wait
	sent
)

// step is one bound instruction.
type step struct {
	action action
	first  int            // the instruction, or the first of them
	launch kernels.Launch // run
	last   []*input       // run: the inputs that nothing reads after it (see ahead.go)
	in     kernels.Import // post, wait
	out    kernels.Export // send
	tag    exchange.Tag   // all but run
	peer   layout.Rank    // all but run
}

// New makes p ready to run on b: it checks p, reserves its arena and binds its kernels.
// b must be fresh. t may be nil if p has no transfers. Nothing runs and nothing is sent
// before Start.
func New(p *programpb.Program, b kernels.Backend, t exchange.Transport) (*Engine, error) {
	e, err := load(p, b)
	if err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	if t == nil && len(e.slots) > 0 {
		return nil, fmt.Errorf("load program: it has %d messages and there is no exchange", len(e.slots))
	}
	e.transport = t
	return e, nil
}

// Start opens the transport with the messages of all sections and returns when all peers
// are there. It runs nothing. ctx bounds the waiting for the peers only.
func (e *Engine) Start(ctx context.Context) error {
	if e.started {
		return fmt.Errorf("engine is already started")
	}
	if e.transport != nil {
		if err := e.transport.Open(ctx, e.slots); err != nil {
			return fmt.Errorf("open exchange: %w", err)
		}
	}
	e.started = true
	return nil
}

// Has reports whether the Program has the section.
func (e *Engine) Has(section string) bool { return e.sections[section] != nil }

// Received returns the payload bytes that peers have sent since Start.
func (e *Engine) Received() int64 {
	if e.transport == nil {
		return 0
	}
	return e.transport.Received()
}

// Waited returns the time spent in waits for peers since New.
func (e *Engine) Waited() time.Duration { return e.waited }

// Close lets go of the context of the last Run. The arena goes with the backend.
func (e *Engine) Close() { e.clock.close() }
