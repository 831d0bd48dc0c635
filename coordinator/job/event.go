package job

import (
	"fmt"

	"cleave/proto/jobpb"
)

// Conn names one worker's stream. The server numbers them from 1.
type Conn int

func (c Conn) String() string { return fmt.Sprintf("c%d", int(c)) }

// Worker is what a worker says of itself when it registers.
type Worker struct {
	Name        string
	Address     string // where other workers reach its exchange
	Device      string
	Threads     int
	MemoryLimit int64 // bytes, 0: none
	Protocol    uint32
	Version     string
}

// Event is something that happened to a job.
type Event interface{ event() }

// Registered: the worker on a stream asks to take part.
type Registered struct {
	Conn   Conn
	Worker Worker
}

// Compiled: the Programs that a Compile action asked for are there, or cannot be made.
type Compiled struct {
	Labels [][]string // by rank: the parameters whose squared gradients it reports
	Err    error
}

// Loaded: a worker is ready for steps.
type Loaded struct{ Conn Conn }

// StepDone: a worker has done a step.
type StepDone struct {
	Conn     Conn
	Number   uint64
	Measures *jobpb.Measures
}

// EvalDone: a worker has done an evaluation.
type EvalDone struct {
	Conn Conn
	Done *jobpb.EvalDone
}

// Failed: a worker's last word.
type Failed struct {
	Conn    Conn
	Message string
	Peer    int // the rank that it lost, if that is why, else -1
}

// Lost: a stream has ended or is silent.
type Lost struct {
	Conn   Conn
	Reason string // "its connection ended"
}

// Exited: a worker's process has ended; only known of processes on this machine.
type Exited struct {
	Name   string
	Reason string // "signal: killed"
}

// GraceOver: the time that a Grace action asked for is over.
type GraceOver struct{}

// GiveUp: the workers have not come in time.
type GiveUp struct{ Waited string }

// Interrupt: the user wants the job to end after the steps under way.
type Interrupt struct{}

func (Registered) event() {}
func (Compiled) event()   {}
func (Loaded) event()     {}
func (StepDone) event()   {}
func (EvalDone) event()   {}
func (Failed) event()     {}
func (Lost) event()       {}
func (Exited) event()     {}
func (GraceOver) event()  {}
func (GiveUp) event()     {}
func (Interrupt) event()  {}
