// Worker computes one part of a net for a coordinator; see worker --help.
package main

import (
	"fmt"
	"os"
	"strings"

	"cleave/kernels"
	"cleave/kernels/cpu"
	"cleave/kernels/cuda"
	"cleave/worker/command"
)

func main() {
	devices := command.Devices{
		"cpu": {Open: command.Single(cpu.Open), List: cpu.List},
		"cuda": {
			Open: func(unit string, _ int) (kernels.Backend, error) { return cuda.Open(unit) },
			List: cuda.List,
		},
	}
	err := command.New(devices).Execute()
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(os.Stderr, "worker:", strings.TrimSpace(line))
		}
	}
	os.Exit(command.Status(err))
}
