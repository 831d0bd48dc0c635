package job

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cleave/proto/jobpb"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// server is the I/O round a Machine. One goroutine, the loop, owns the machine, the links
// and the reporter; streams and timers only send it events.
type server struct {
	jobpb.UnimplementedCoordinatorServer
	config Config
	timing Timing
	log    *slog.Logger
	start  time.Time
	conns  atomic.Int64
	events chan any      // opened, message, closed
	over   chan struct{} // closed when the loop has ended

	readers sync.WaitGroup // each ends when its stream has

	// The loop's own.
	machine  *Machine
	links    map[Conn]*link
	compiled chan compiled
	programs *Programs
	workers  []Worker // by rank
	peers    []string // their addresses
	begun    bool     // the reporter's Start was called
	job      uint64
	grace    *time.Timer
	clock    clock
	finished bool
	err      error // the job's end
}

type compiled struct {
	programs *Programs
	err      error
}

// maxMessage bounds a Program; gRPC's own default of 4 MiB is too little for large nets.
const maxMessage = 1 << 30

func newServer(c Config) *server {
	return &server{
		config: c, timing: c.Timing, log: c.Log, start: time.Now(),
		events: make(chan any), over: make(chan struct{}),
		machine: NewMachine(c.Rules), links: map[Conn]*link{},
		compiled: make(chan compiled, 1), // so that a plan nobody waits for any more does not block
		job:      rand.Uint64(),
		grace:    newStoppedTimer(),
	}
}

func (s *server) run(ctx context.Context) error {
	g := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	jobpb.RegisterCoordinatorServer(g, s)
	var serving errgroup.Group
	failed := make(chan error, 1)
	serving.Go(func() error {
		err := g.Serve(s.config.Listener)
		if err != nil {
			failed <- err
		}
		return err
	})
	err := s.loop(ctx, failed)
	close(s.over)
	g.Stop()
	_ = serving.Wait() // its error has ended the loop
	s.readers.Wait()
	return err
}

// loop runs until the job is over and every worker has left, or the time to leave is up.
func (s *server) loop(ctx context.Context, failed <-chan error) error {
	check := time.NewTicker(s.timing.Beat / 2)
	defer check.Stop()
	remind := time.NewTicker(s.timing.Remind)
	defer remind.Stop()
	defer s.grace.Stop()
	wait := newStoppedTimer()
	defer wait.Stop()
	if s.config.Wait > 0 {
		wait.Reset(s.config.Wait)
	}
	linger := newStoppedTimer()
	defer linger.Stop()
	lingering := false
	checked := time.Now()
	for {
		select {
		case <-ctx.Done():
			if !s.finished {
				s.conclude(ErrLeft)
			}
			return s.err
		case err := <-failed:
			s.do(s.machine.finish(fmt.Errorf("serve the workers: %w", err)))
		case e := <-s.events:
			s.take(e)
		case now := <-check.C:
			s.checkSilence(now.Sub(checked))
			checked = now
		case <-remind.C:
			if s.machine.Gathering() {
				s.note(fmt.Sprintf("waiting on %s: %s", s.config.Listener.Addr(), s.machine.Missing()))
			}
		case <-wait.C:
			s.do(s.machine.Handle(GiveUp{s.config.Wait.String()}))
		case <-s.config.Interrupt:
			s.do(s.machine.Handle(Interrupt{}))
		case e := <-s.config.Exits:
			s.do(s.machine.Handle(e))
		case c := <-s.compiled:
			s.loadAll(c)
		case <-s.grace.C:
			s.do(s.machine.Handle(GraceOver{}))
		case <-linger.C:
			return s.err
		}
		if s.finished {
			if len(s.links) == 0 {
				return s.err
			}
			if !lingering {
				lingering = true
				d := s.timing.Linger
				if s.err == nil {
					d *= 5
				}
				linger.Reset(d)
			}
		}
	}
}

// take handles an event of a stream.
func (s *server) take(e any) {
	switch e := e.(type) {
	case opened:
		s.links[e.link.conn] = e.link
	case closed:
		delete(s.links, e.link.conn)
		s.hearExits()
		s.do(s.machine.Handle(Lost{e.link.conn, e.why}))
	case message:
		if s.links[e.link.conn] == nil || e.link.shut {
			return // given up already
		}
		ev, err := event(e.link.conn, e.m)
		if err != nil {
			s.do(s.machine.Handle(Lost{e.link.conn, err.Error()}))
			s.drop(e.link.conn)
			return
		}
		s.do(s.machine.Handle(ev))
	}
}

// hearExits waits a moment for processes of this machine that have ended: a stream's end
// comes a little before the process's, which says more ("signal: killed").
func (s *server) hearExits() {
	if s.config.Exits == nil || s.finished {
		return
	}
	limit := time.NewTimer(s.timing.Grace / 5)
	defer limit.Stop()
	select {
	case e := <-s.config.Exits:
		s.do(s.machine.Handle(e))
	case <-limit.C:
	}
}

// checkSilence gives up the workers that have not been heard for too long. passed is the
// time since the last check: if this process itself stood still (a laptop that slept, a
// stopped process), nobody's silence is held against them.
func (s *server) checkSilence(passed time.Duration) {
	now := time.Since(s.start)
	if passed > s.timing.Silence/2 {
		for _, l := range s.links {
			l.last.Store(int64(now))
		}
		return
	}
	for _, c := range slices.Sorted(maps.Keys(s.links)) {
		l := s.links[c]
		if now-time.Duration(l.last.Load()) > s.timing.Silence {
			s.do(s.machine.Handle(Lost{c, fmt.Sprintf("silent for %v", s.timing.Silence)}))
			s.drop(c)
		}
	}
}

// loadAll takes the Programs that the machine asked for.
func (s *server) loadAll(c compiled) {
	if c.err != nil {
		s.do(s.machine.Handle(Compiled{Err: c.err}))
		return
	}
	s.programs = c.programs
	s.do(s.machine.Handle(Compiled{Labels: c.programs.gradientLabels()}))
}

// do carries out actions in order.
func (s *server) do(acts []Action) {
	for _, a := range acts {
		if err := s.act(a); err != nil && !s.finished {
			s.do(s.machine.finish(err))
			return
		}
	}
}

func (s *server) act(a Action) error {
	switch a := a.(type) {
	case Refuse:
		s.send(a.Conn, &jobpb.ToWorker{Kind: &jobpb.ToWorker_Refused{Refused: &jobpb.Refused{Reason: a.Reason}}})
		if l := s.links[a.Conn]; l != nil {
			close(l.out)
			l.shut = true // it leaves the links when the refusal has been sent
		}
	case Welcome:
		s.send(a.Conn, &jobpb.ToWorker{Kind: &jobpb.ToWorker_Welcome{Welcome: &jobpb.Welcome{Workers: uint32(s.config.Rules.Workers)}}})
	case Compile:
		s.compile(a.Workers)
	case Load:
		s.send(a.Conn, s.load(a.Rank))
		if a.Rank == len(s.peers)-1 {
			return s.begin()
		}
	case SendStep:
		s.clock.run(time.Now())
		s.broadcast(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{
			Number: a.Step.Number, Epoch: a.Step.Epoch, Batch: a.Step.Batch, Rate: a.Step.Rate}}})
	case SendEvaluate:
		s.clock.pause(time.Now())
		s.broadcast(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Evaluate{Evaluate: &jobpb.Evaluate{Step: a.Step}}})
	case SendStop:
		s.broadcast(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Stop{Stop: &jobpb.Stop{Reason: a.Reason}}})
	case Drop:
		s.drop(a.Conn)
	case Grace:
		s.grace.Reset(s.timing.Grace)
	case ShowStep:
		s.clock.step(a.Step)
		return s.config.Reporter.Step(a.Step)
	case ShowEval:
		s.clock.eval(a.Eval)
		return s.config.Reporter.Eval(a.Eval)
	case Note:
		s.note(a.Text)
	case Finish:
		s.conclude(a.Err)
	}
	return nil
}

// compile makes the Programs beside the loop: heartbeats go on meanwhile. If the job ends
// first, the plan is left to finish by itself: it is pure and cannot be stopped.
func (s *server) compile(workers []Worker) {
	for _, w := range workers {
		s.peers = append(s.peers, w.Address)
	}
	make := s.config.Compile
	out := s.compiled
	go func() {
		p, err := make(workers)
		out <- compiled{p, err}
	}()
	s.workers = workers
}

func (s *server) load(rank int) *jobpb.ToWorker {
	return &jobpb.ToWorker{Kind: &jobpb.ToWorker_Load{Load: &jobpb.Load{
		Program: s.programs.ByRank[rank], Peers: s.peers, Job: s.job,
		Data: s.config.Data, Seed: s.config.Seed,
		Batch: uint32(s.config.Rules.Batch), EvalBatch: uint32(s.config.Eval),
		Contents: &jobpb.Contents{
			TrainImages: uint64(s.config.Contents.Train), TestImages: uint64(s.config.Contents.Test), Digest: s.config.Contents.Digest,
		},
	}}}
}

// begin tells the reporter that the job has started.
func (s *server) begin() error {
	names := make([]string, len(s.workers))
	for i, w := range s.workers {
		names[i] = w.Name
	}
	s.begun = true
	return s.config.Reporter.Start(StartReport{
		Model: s.config.Model, Policy: s.config.Policy, Workers: names, Course: s.config.Rules.Course,
		Batch: s.config.Rules.Batch, Arenas: s.programs.Arenas(),
	})
}

// conclude records the job's end and tells the reporter.
func (s *server) conclude(err error) {
	s.finished, s.err = true, err
	if !s.begun {
		return
	}
	d := s.clock.done(time.Now())
	d.Err, d.Arenas = err, s.programs.Arenas()
	if e := s.config.Reporter.Done(d); e != nil && s.err == nil {
		s.err = e
	}
}

// send puts a message into a worker's outbox. A full one means that the worker does not
// read what it is sent; its silence ends it.
func (s *server) send(c Conn, m *jobpb.ToWorker) {
	l := s.links[c]
	if l == nil || l.shut {
		return
	}
	select {
	case l.out <- m:
	default:
		s.log.Warn("outbox full", "conn", c)
	}
}

// broadcast sends a message to every worker that has registered.
func (s *server) broadcast(m *jobpb.ToWorker) {
	for _, c := range s.machine.present() {
		s.send(c, m)
	}
}

func (s *server) drop(c Conn) {
	if l := s.links[c]; l != nil {
		close(l.drop)
		delete(s.links, c)
	}
}

func (s *server) note(line string) {
	if s.config.Note != nil {
		s.config.Note(line)
	}
}

// newStoppedTimer returns a timer that does not run.
func newStoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// oneLine makes a message of another process fit for one line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
