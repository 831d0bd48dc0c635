package main

import (
	"errors"

	"cleave/kernels"
	"cleave/kernels/cpu"
	"cleave/worker/command"

	"github.com/spf13/cobra"
)

// devices are what the hidden worker can compute on.
var devices = command.Devices{
	"cpu": {Open: command.Single(cpu.Open), List: cpu.List},
	"cuda": {
		Open: func(string, int) (kernels.Backend, error) { return nil, errNoGPU },
		List: func() ([]string, error) { return nil, errNoGPU },
	},
}

// errNoGPU says why a worker within this executable has no GPU.
var errNoGPU = errors.New("for GPUs there must be a worker beside the coordinator: build both with scripts/build-gpu.sh")

// workerCommand is the worker's command line within this executable: train --local starts
// it where no worker executable lies beside this one, as under go run.
func (a *app) workerCommand() *cobra.Command {
	c := command.New(devices)
	c.Hidden = true
	live := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := live(c, args); err != nil {
			return &workerError{err}
		}
		return nil
	}
	return c
}

// workerError is the end of a worker, which has exit statuses of its own.
type workerError struct{ error }

func (e *workerError) Unwrap() error { return e.error }
