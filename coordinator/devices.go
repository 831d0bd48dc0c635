package main

import (
	"fmt"

	"cleave/kernels"
	"cleave/kernels/cpu"
)

// sizer returns what is known without the device of a kind of device.
func sizer(device string, threads int) (kernels.Sizer, error) {
	if device != "cpu" {
		return nil, fmt.Errorf("unknown device %q: it is cpu", device)
	}
	return cpu.Sizer{Threads: threads}, nil
}
