package job

import (
	"errors"
	"time"
)

// Reporter is told what happens in a job, by one goroutine, in order: Start once, then
// steps and evaluations, then Done once, whatever the end. An error ends the job.
type Reporter interface {
	Start(StartReport) error
	Step(StepReport) error
	Eval(EvalReport) error
	Done(DoneReport) error
}

// StartReport says what is about to run.
type StartReport struct {
	Model   string
	Policy  string
	Workers []string // names by rank
	Course  Course
	Batch   int
	Arenas  []int64 // planned bytes by rank
}

// StepReport is what all ranks together measured of one training step.
type StepReport struct {
	Step     uint64 // from 1
	Epoch    uint64 // from 1
	Loss     float32
	Top1     float64 // share of the batch that was right, 0 to 1
	Rate     float32
	GradNorm float64       // L2 norm of all gradients
	Images   int           // in the batch
	Time     time.Duration // of the slowest rank
	Received uint64        // payload bytes of exchanges, all ranks
	Wait     time.Duration // for exchanges, of the rank that waited longest
	Tensors  []TensorNorm  // by name; only in step 1, only if asked for
}

// ImagesPerSecond returns the step's throughput.
func (r StepReport) ImagesPerSecond() float64 { return perSecond(r.Images, r.Time) }

func perSecond(images int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(images) / d.Seconds()
}

// TensorNorm is the L2 norm of one parameter's gradient.
type TensorNorm struct {
	Name string
	Norm float64
}

// EvalReport is the result of one pass over the test set.
type EvalReport struct {
	Step     uint64 // after which it was made
	Epoch    uint64 // of that step, from 1
	Loss     float64
	Top1     float64 // shares, 0 to 1
	Top5     float64
	Images   int
	Received uint64 // payload bytes of exchanges, all ranks
}

// DoneReport closes a job.
type DoneReport struct {
	Err       error         // nil: all steps are done
	Step      uint64        // the last that was done, 0: none
	Epoch     uint64        // of that step, from 1
	Time      time.Duration // from the first step to the end, evaluations included
	TrainTime time.Duration // the part of it outside evaluations
	Images    int           // trained on
	Received  uint64        // payload bytes of all steps' exchanges, all ranks
	Loss      float32       // of the last step
	Eval      *EvalReport   // the last one; nil: none
	Arenas    []int64       // planned bytes by rank
}

// Reporters tells each of several reporters.
type Reporters []Reporter

func (rs Reporters) Start(x StartReport) error {
	return rs.all(func(r Reporter) error { return r.Start(x) })
}
func (rs Reporters) Step(x StepReport) error {
	return rs.all(func(r Reporter) error { return r.Step(x) })
}
func (rs Reporters) Eval(x EvalReport) error {
	return rs.all(func(r Reporter) error { return r.Eval(x) })
}
func (rs Reporters) Done(x DoneReport) error {
	return rs.all(func(r Reporter) error { return r.Done(x) })
}

func (rs Reporters) all(do func(Reporter) error) error {
	var errs []error
	for _, r := range rs {
		errs = append(errs, do(r))
	}
	return errors.Join(errs...)
}

// ImagesPerSecond returns the run's throughput outside evaluations.
func (r DoneReport) ImagesPerSecond() float64 { return perSecond(r.Images, r.TrainTime) }
