// Worker computes one part of a net for a coordinator; see worker --help.
package main

import (
	"fmt"
	"os"
	"strings"

	"cleave/kernels"
	"cleave/kernels/cpu"
	"cleave/worker/command"
)

func main() {
	devices := command.Devices{
		"cpu": command.Single(func(threads int) (kernels.Backend, error) {
			if err := cpu.Check(); err != nil {
				return nil, err
			}
			return cpu.New(threads), nil
		}),
	}
	err := command.New(devices).Execute()
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(os.Stderr, "worker:", strings.TrimSpace(line))
		}
	}
	os.Exit(command.Status(err))
}
