package command

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"cleave/kernels"

	"github.com/spf13/cobra"
)

// Opener opens a device of one kind. unit is what follows the colon of --device, such as 0
// of cuda:0; empty if there is none.
type Opener func(unit string, threads int) (kernels.Backend, error)

// Kind is a kind of device that a build has.
type Kind struct {
	Open Opener
	List func() ([]string, error) // a line for each device that this machine has
}

// Devices maps the names of kinds to them.
type Devices map[string]Kind

// String lists the kinds.
func (d Devices) String() string {
	return strings.Join(slices.Sorted(maps.Keys(d)), ", ")
}

// opener returns what opens the device that --device names, such as cpu or cuda:0.
func (d Devices) opener(device string, threads int) (func() (kernels.Backend, error), error) {
	name, unit, _ := strings.Cut(device, ":")
	kind, ok := d[name]
	if !ok {
		return nil, fmt.Errorf("this build has no %q, it has %s", device, d)
	}
	return func() (kernels.Backend, error) { return kind.Open(unit, threads) }, nil
}

// Single makes an Opener of a kind of which a machine has one.
func Single(open func(threads int) (kernels.Backend, error)) Opener {
	return func(unit string, threads int) (kernels.Backend, error) {
		if unit != "" {
			return nil, fmt.Errorf("there is one only, it has no number %q", unit)
		}
		return open(threads)
	}
}

// listCommand returns the command `worker devices`.
func listCommand(d Devices) *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "list the devices of this machine that worker --device can name",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d.list(c.OutOrStdout())
			return nil
		},
	}
}

// list writes a line for each device, and why there is none of a kind.
func (d Devices) list(w io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(d)) {
		lines, err := d[name].List()
		if err != nil {
			fmt.Fprintf(w, "%s: none: %v\n", name, err)
		}
		for _, line := range lines {
			fmt.Fprintln(w, line)
		}
	}
}
