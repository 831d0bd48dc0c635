package engine

import (
	"context"
	"fmt"
	"time"

	"cleave/worker/exchange"
)

// Run runs sections one after the other: it uploads a section's inputs, runs its
// instructions in order and reads its outputs. When it returns the device is idle. After the
// first Run with a context, further Runs with the same one allocate nothing. An error leaves
// the arena half-written: the engine refuses to go on. An error of an exchange wraps an
// exchange.PeerError.
func (e *Engine) Run(ctx context.Context, sections ...string) error {
	return e.RunAhead(ctx, nil, sections...)
}

// RunAhead is Run, and calls ahead before it waits for the device to finish: what the next
// Run is fed with can be prepared meanwhile, and go to the device (Upload).
func (e *Engine) RunAhead(ctx context.Context, ahead func() error, sections ...string) error {
	for _, name := range sections {
		switch {
		case e.sections[name] == nil:
			return fmt.Errorf("the program has no section %q", name)
		case !e.started:
			return fmt.Errorf("run section %q: the engine is not started", name)
		case e.broken != nil:
			return fmt.Errorf("run section %q: an earlier run failed: %w", name, e.broken)
		}
	}
	e.broken = e.runAll(ctx, ahead, sections)
	return e.broken
}

func (e *Engine) runAll(ctx context.Context, ahead func() error, sections []string) error {
	e.clock.follow(ctx)
	for _, name := range sections {
		if err := e.run(ctx, e.sections[name]); err != nil {
			return err
		}
	}
	if ahead != nil {
		if err := ahead(); err != nil {
			return err
		}
	}
	for _, name := range sections {
		s := e.sections[name]
		for _, out := range s.outputs {
			if err := out.finish(); err != nil {
				return fmt.Errorf("section %q, output %q: %w", s.name, out.name, err)
			}
		}
	}
	if err := e.backend.Sync(); err != nil {
		return fmt.Errorf("section %q: %w", sections[len(sections)-1], err)
	}
	return nil
}

// run launches all of a section.
func (e *Engine) run(ctx context.Context, s *section) error {
	for _, in := range s.inputs {
		if err := in.bring(); err != nil {
			return fmt.Errorf("section %q, input %q: %w", s.name, in.name, err)
		}
	}
	for i := range s.steps {
		if ctx.Err() != nil {
			return e.at(s.index, s.steps[i].first, context.Cause(ctx))
		}
		if err := e.do(ctx, s, &s.steps[i]); err != nil {
			return e.at(s.index, s.steps[i].first, err)
		}
	}
	if err := e.handOver(true); err != nil {
		return fmt.Errorf("section %q: %w", s.name, err)
	}
	for _, out := range s.outputs {
		if err := out.device.Start(); err != nil {
			return fmt.Errorf("section %q, output %q: %w", s.name, out.name, err)
		}
	}
	return nil
}

func (e *Engine) do(ctx context.Context, s *section, n *step) error {
	switch n.action {
	case run:
		if err := n.launch(); err != nil {
			return err
		}
		for _, in := range n.last {
			if err := in.release(); err != nil {
				return err
			}
		}
		return e.handOver(false)
	case post:
		if err := n.in.Start(); err != nil {
			return err
		}
		return e.transport.Post(n.tag, n.in.Bytes())
	case send:
		return e.send(n)
	}
	if err := e.handOver(true); err != nil {
		return err
	}
	begin := time.Now()
	e.clock.start(s.deadline)
	var err error
	if n.action == wait {
		err = e.transport.Wait(e.clock.ctx, n.tag)
	} else {
		err = e.transport.Sent(e.clock.ctx, n.tag)
	}
	e.clock.stop()
	e.waited += time.Since(begin)
	switch {
	case err == nil && n.action == wait:
		return n.in.Finish()
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case e.clock.expired():
		return &exchange.PeerError{Rank: n.peer, Err: fmt.Errorf("not done within %v", s.deadline)}
	}
	return err
}

// deadline bounds each wait for a peer. It keeps one derived context for as long as the
// caller's stays the same, so that a wait allocates nothing.
type deadline struct {
	parent context.Context // only to be compared: is ctx still derived from it?
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// errExpired is the cause of a context whose deadline has passed.
var errExpired = fmt.Errorf("deadline of an exchange: %w", context.DeadlineExceeded)

// follow makes d.ctx end when parent does.
func (d *deadline) follow(parent context.Context) {
	if d.ctx != nil && d.parent == parent {
		return
	}
	d.close()
	d.parent = parent
	ctx, cancel := context.WithCancelCause(parent)
	d.ctx, d.cancel = ctx, cancel
	d.timer = time.AfterFunc(time.Hour, func() { cancel(errExpired) })
	d.timer.Stop()
}

func (d *deadline) start(limit time.Duration) { d.timer.Reset(limit) }
func (d *deadline) stop()                     { d.timer.Stop() }

// expired reports whether d.ctx ended because the time was up.
func (d *deadline) expired() bool { return context.Cause(d.ctx) == errExpired }

func (d *deadline) close() {
	if d.ctx == nil {
		return
	}
	d.timer.Stop()
	d.cancel(nil)
	*d = deadline{}
}
