// Package job runs one training job: it gathers the workers, sends each its Program,
// streams the steps, collects what the ranks report and ends the job when the last step
// is done, when it is told to, or when a worker is lost.
//
// Machine decides: a pure state machine without a clock, I/O or goroutines. Run is the
// thin server round it: gRPC streams, heartbeats and timers become events, the machine's
// actions become messages and reports. Course is the arithmetic of steps, epochs,
// evaluations and learning rates. Blueprint is the chain from a model's name to the
// Programs of all ranks. A Reporter shows or records what happens.
package job
