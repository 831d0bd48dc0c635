package job

import "fmt"

// Action is something that the server does for the Machine.
type Action interface{ action() }

// Refuse answers a stream's registration with a reason and ends the stream.
type Refuse struct {
	Conn   Conn
	Reason string
}

// Welcome answers a registration that is accepted.
type Welcome struct{ Conn Conn }

// Compile asks for the Programs of these workers, in rank order.
type Compile struct{ Workers []Worker }

// Load sends a worker its Program.
type Load struct {
	Conn Conn
	Rank int
}

// SendStep sends a step to all workers.
type SendStep struct{ Step Step }

// SendEvaluate asks all workers for an evaluation after a step.
type SendEvaluate struct{ Step uint64 }

// SendStop tells all workers that are still there to leave. An empty reason: training is done.
type SendStop struct{ Reason string }

// Drop ends the stream of a worker that is lost.
type Drop struct{ Conn Conn }

// Grace asks for a GraceOver after a moment in which a worker that another has lost may
// still say why.
type Grace struct{}

// Show passes on what the workers measured.
type (
	ShowStep struct{ Step StepReport }
	ShowEval struct{ Eval EvalReport }
)

// Note is a line for the user.
type Note struct{ Text string }

// Finish ends the job. A nil Err: all steps are done.
type Finish struct{ Err error }

func (Refuse) action()       {}
func (Welcome) action()      {}
func (Compile) action()      {}
func (Load) action()         {}
func (SendStep) action()     {}
func (SendEvaluate) action() {}
func (SendStop) action()     {}
func (Drop) action()         {}
func (Grace) action()        {}
func (ShowStep) action()     {}
func (ShowEval) action()     {}
func (Note) action()         {}
func (Finish) action()       {}

// WorkerError says which worker ended a job, and how.
type WorkerError struct {
	Name string
	What string // "is lost after step 7: its connection ended"
}

func (e *WorkerError) Error() string { return e.Name + " " + e.What }

// LossError says at which step a loss was not finite.
type LossError struct {
	Step uint64
	Loss float32
}

func (e *LossError) Error() string {
	return fmt.Sprintf("step %d: the loss is %v: try a smaller learning rate or a warmup", e.Step, e.Loss)
}

// Interrupted says that the user ended a job early.
type Interrupted struct{ Step, Steps uint64 }

func (e *Interrupted) Error() string {
	if e.Step == 0 {
		return "interrupted before the first step"
	}
	return fmt.Sprintf("interrupted after step %d of %d", e.Step, e.Steps)
}
