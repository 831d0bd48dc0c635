package job

import "time"

// clock adds up what a job has done and how long it took, evaluations apart.
type clock struct {
	first    time.Time // when the first step was sent
	since    time.Time // when training went on after the last pause; zero: paused
	trained  time.Duration
	last     StepReport
	lastEval *EvalReport
	images   int
	received uint64
}

func (c *clock) run(now time.Time) {
	if c.first.IsZero() {
		c.first = now
	}
	if c.since.IsZero() {
		c.since = now
	}
}

func (c *clock) pause(now time.Time) {
	if !c.since.IsZero() {
		c.trained += now.Sub(c.since)
		c.since = time.Time{}
	}
}

func (c *clock) step(r StepReport) {
	c.last = r
	c.images += r.Images
	c.received += r.Received
}

func (c *clock) eval(r EvalReport) { c.lastEval = &r }

func (c *clock) done(now time.Time) DoneReport {
	c.pause(now)
	d := DoneReport{Step: c.last.Step, Epoch: c.last.Epoch, TrainTime: c.trained, Images: c.images,
		Received: c.received, Loss: c.last.Loss, Eval: c.lastEval}
	if !c.first.IsZero() {
		d.Time = now.Sub(c.first)
	}
	return d
}
