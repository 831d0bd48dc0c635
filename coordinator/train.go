package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"cleave/coordinator/job"
	"cleave/data"
	"cleave/model"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func (a *app) trainCommand() *cobra.Command {
	s := defaultSettings()
	c := &cobra.Command{
		Use:   "train",
		Short: "Train a net over several workers",
		Long: `Train a net over several workers.

Without flags: alexnet-mini on generated images, with two workers on this machine.
With --workers N --listen ADDR the workers come from elsewhere; start each with
"worker --coordinator ADDR", in any order.

Ctrl-C finishes the step under way and leaves with status 130; a second one leaves at once.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.train(c.Context(), &s) },
	}
	s.flags(c.Flags())
	return c
}

// train runs a training from the flags to the end.
func (a *app) train(ctx context.Context, s *settings) error {
	t, err := prepare(s)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", t.address())
	if err != nil {
		return fmt.Errorf("wait for workers: %w", err)
	}
	defer listener.Close() // again, if the job has had it
	reporters := job.Reporters{}
	if s.metrics != "" {
		f, err := os.Create(s.metrics)
		if err != nil {
			return fmt.Errorf("--metrics: %w", err)
		}
		defer f.Close() // each line has been written and its error seen
		reporters = append(reporters, job.NewMetrics(f))
	}
	show, notes, end := a.screen(s.noProgress)
	defer end()
	reporters = append(reporters, show)
	signals, stop := a.signals()
	defer stop()

	sp := newSpeech(notes)
	var workers *crew
	exits := (<-chan job.Exited)(nil)
	if s.remote() {
		announce(notes, s, listener.Addr())
	} else {
		if workers, err = a.hire(s, listener.Addr(), sp); err != nil {
			return err
		}
		exits = workers.exits
	}

	t.note = func(line string) { fmt.Fprintln(notes, line) }
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	interrupt, over := make(chan struct{}, 1), make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() { obey(signals, over, interrupt, leave, notes) })
	err = job.Run(ctx, job.Config{
		Rules:    job.Rules{Workers: s.ranks(), Course: t.course, Batch: s.batch, Tensors: s.tensors},
		Listener: listener, Model: s.model, Policy: s.policy, Data: s.data, Contents: t.contents, Seed: s.seed, Eval: s.batch,
		Compile: t.compile, Reporter: reporters, Note: t.note,
		Log:  slog.New(slog.NewTextHandler(notes, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Wait: s.wait, Interrupt: interrupt, Exits: exits,
	})
	close(over)
	listening.Wait()
	sp.settle(err)
	if workers != nil {
		workers.dismiss(patience(err))
	}
	return err
}

// patience is how long local workers have to leave by themselves when a job has ended.
func patience(end error) time.Duration {
	switch {
	case end == nil:
		return 5 * time.Second
	case errors.Is(end, job.ErrLeft):
		return 0
	}
	return 250 * time.Millisecond
}

// obey passes on what the user wants: the first signal interrupts, the second leaves.
func obey(signals <-chan os.Signal, over <-chan struct{}, interrupt chan<- struct{}, leave func(), notes io.Writer) {
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		case <-signals:
		}
		if n == 0 {
			fmt.Fprintln(notes, "finishing the step under way; once more leaves at once")
			interrupt <- struct{}{}
			continue
		}
		leave()
	}
}

// training is what the flags of a run come to.
type training struct {
	settings  *settings
	course    job.Course
	contents  data.Contents
	limit     int64 // bytes a worker, 0: none
	blueprint *job.Blueprint
	note      func(line string) // for the user
}

// prepare checks the flags and plans the run: all that can be wrong without workers is
// found here.
func prepare(s *settings) (*training, error) {
	rates, limit, faults := s.validate()
	src, err := data.Open(s.data, s.seed)
	if len(faults) > 0 {
		return nil, usageFaults(append(faults, err))
	}
	if err != nil {
		return nil, err
	}
	t := &training{settings: s, limit: limit, contents: src.Contents()}
	if t.course, err = job.NewCourse(src.Train.Len(), s.batch, s.length(), s.evalEvery, rates); err != nil {
		return nil, &usageError{err.Error()}
	}
	tests := src.Test != nil && src.Test.Len() > 0
	if !tests && t.course.EvalEvery > 0 {
		if s.changed("eval-every") {
			return nil, &usageError{fmt.Sprintf("data %q has no test images to evaluate on", s.data)}
		}
		t.course.EvalEvery = 0
	}
	t.blueprint, err = job.Draw(job.Design{
		Model: s.model, Net: netOf(src, s.batch, s.groups, s.seed), Optimizer: s.optimizer(),
		Policy: s.policy, Workers: s.ranks(), Evaluate: tests,
	})
	return t, err
}

// netOf returns the configuration of a net for a source's images.
func netOf(src *data.Source, batch, groups int, seed uint64) model.Config {
	c, h, w := src.Train.Shape()
	return model.Config{Batch: batch, Height: h, Width: w, Channels: c, Classes: src.Train.Classes(), Groups: groups, Seed: seed, Mean: src.Mean, Dev: src.Dev}
}

// compile makes the Programs of the workers that have come.
func (t *training) compile(workers []job.Worker) (*job.Programs, error) {
	for i := range workers {
		if l := &workers[i].MemoryLimit; t.limit > 0 && (*l == 0 || *l > t.limit) {
			*l = t.limit
		}
	}
	for _, line := range sharing(workers) {
		t.note(line)
	}
	return t.blueprint.Compile(workers, sizer)
}

// address returns where to wait for workers.
func (t *training) address() string {
	if t.settings.remote() {
		return t.settings.listen
	}
	return "127.0.0.1:0"
}

// hire starts the local workers.
func (a *app) hire(s *settings, coordinator net.Addr, sp *speech) (*crew, error) {
	command, err := workerCommandLine()
	if err != nil {
		return nil, err
	}
	command = append(command, "--coordinator", coordinator.String(), "--listen", "127.0.0.1:0",
		"--threads", strconv.Itoa(s.threadsEach()), "--wait", s.wait.String(), "--ignore-interrupt")
	if s.memory != "" {
		command = append(command, "--memory-limit", s.memory)
	}
	devices, err := deviceList(s.device, s.local)
	if err != nil {
		return nil, err
	}
	return hire(devices, command, sp)
}

// announce says how workers find this coordinator.
func announce(w io.Writer, s *settings, at net.Addr) {
	address := at.String()
	if tcp, ok := at.(*net.TCPAddr); ok {
		if !tcp.IP.IsLoopback() {
			fmt.Fprintf(w, "warning: %s is not loopback: traffic is plain text, and whoever reaches it can take part\n", at)
		}
		if tcp.IP.IsUnspecified() { // nobody can dial it
			address = "HOST:" + strconv.Itoa(tcp.Port)
			if host, err := os.Hostname(); err == nil {
				address = net.JoinHostPort(host, strconv.Itoa(tcp.Port))
			}
		}
	}
	if s.advertise != "" {
		address = s.advertise
	}
	fmt.Fprintf(w, "waiting for %s on %s: start each with: worker --coordinator %s\n", plural(s.workers, "worker"), at, address)
}

// screen returns what shows the run: a bar if the output is a terminal, else lines; where
// to write notes; and what to call at the end.
func (a *app) screen(quiet bool) (job.Reporter, io.Writer, func()) {
	if f, ok := a.stdout.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		b := job.NewBar(f)
		return b, b, b.Close
	}
	every := 2 * time.Second
	if quiet {
		every = -1
	}
	return job.NewLines(a.stdout, every), &lockedWriter{w: a.stderr}, func() {}
}

// lockedWriter is written by several goroutines, whole lines at a time.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
