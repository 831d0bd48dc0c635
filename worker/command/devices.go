package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cleave/kernels"
)

// Opener opens a device of one kind. unit is what follows the colon of --device, such as 0
// of cuda:0; empty if there is none.
type Opener func(unit string, threads int) (kernels.Backend, error)

// Devices maps the kinds of device that a build has to how they are opened.
type Devices map[string]Opener

// String lists the kinds.
func (d Devices) String() string {
	return strings.Join(slices.Sorted(maps.Keys(d)), ", ")
}

// opener returns what opens the device that --device names, such as cpu or cuda:0.
func (d Devices) opener(device string, threads int) (func() (kernels.Backend, error), error) {
	kind, unit, _ := strings.Cut(device, ":")
	open := d[kind]
	if open == nil {
		return nil, fmt.Errorf("this build has no %q, it has %s", device, d)
	}
	return func() (kernels.Backend, error) { return open(unit, threads) }, nil
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
