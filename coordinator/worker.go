package main

import (
	"cleave/kernels"
	"cleave/kernels/cpu"
	"cleave/worker/command"

	"github.com/spf13/cobra"
)

// devices are what the hidden worker can compute on.
var devices = command.Devices{
	"cpu": command.Single(func(threads int) (kernels.Backend, error) {
		if err := cpu.Check(); err != nil {
			return nil, err
		}
		return cpu.New(threads), nil
	}),
}

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
