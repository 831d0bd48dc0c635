package job

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"cleave/data"
	"cleave/proto/programpb"
)

// Config is one training job as Run takes it.
type Config struct {
	Rules    Rules
	Listener net.Listener // for the workers; Run closes it
	Model    string       // for reports
	Policy   string       // for reports
	Data     string       // for the workers: they read their images themselves
	Contents data.Contents
	Seed     uint64
	Eval     int // images of an evaluation batch

	// Compile makes the Programs for the workers, which are given in rank order. It runs
	// once, on a goroutine of its own.
	Compile func([]Worker) (*Programs, error)

	Reporter  Reporter
	Note      func(line string) // shows the user a line
	Log       *slog.Logger
	Wait      time.Duration   // for the workers to come; 0: without end
	Interrupt <-chan struct{} // a value: end after the steps under way
	Exits     <-chan Exited   // processes of this machine that have ended

	Timing Timing
}

// Programs is what a job's workers run.
type Programs struct {
	ByRank []*programpb.Program
}

// Arenas returns the planned bytes of each rank.
func (p *Programs) Arenas() []int64 {
	a := make([]int64, len(p.ByRank))
	for i, q := range p.ByRank {
		a[i] = int64(q.ArenaBytes)
	}
	return a
}

// gradientLabels returns by rank the parameters whose squared gradients it reports.
func (p *Programs) gradientLabels() [][]string {
	labels := make([][]string, len(p.ByRank))
	for i, q := range p.ByRank {
		for _, o := range q.Outputs {
			if o.Name == "gradient_squares" {
				labels[i] = append(labels[i], o.Labels...)
			}
		}
	}
	return labels
}

// Timing holds the durations of a job's liveness; zero fields are set to the defaults.
type Timing struct {
	Beat    time.Duration // between heartbeats, both ways: 0.5 s
	Silence time.Duration // after which a worker is lost: 3 s
	Grace   time.Duration // for the last word of a worker that another has lost: 0.5 s
	Remind  time.Duration // between the lines that say who is missing: 10 s
	Linger  time.Duration // for the workers to leave at the end: 1 s, 5 s if training is done
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Beat, 500*time.Millisecond)
	set(&t.Silence, 3*time.Second)
	set(&t.Grace, 500*time.Millisecond)
	set(&t.Remind, 10*time.Second)
	set(&t.Linger, time.Second)
	return t
}

// ErrLeft is returned by Run when its context ends: the job was left as it stood.
var ErrLeft = errors.New("left at once, the step under way was not finished")

// Run runs a job to its end: it returns nil when all steps are done, else an error of one
// line, such as *WorkerError, *LossError or *Interrupted. When ctx ends it leaves at once
// with ErrLeft. Every worker's stream is closed when it returns.
func Run(ctx context.Context, c Config) error {
	c.Timing = c.Timing.withDefaults()
	s := newServer(c)
	return s.run(ctx)
}
