package main

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"cleave/coordinator/job"
	"cleave/kernels"
	"cleave/kernels/cpu"
	"cleave/kernels/cuda/choose"
)

// sizer returns what is known, without the device, of a device such as cpu or cuda:0.
func sizer(device string, threads int) (kernels.Sizer, error) {
	switch kind, unit, numbered := strings.Cut(device, ":"); {
	case kind == "cpu" && !numbered:
		return cpu.Sizer{Threads: threads}, nil
	case kind == "cuda" && (unit != "" || !numbered):
		return choose.Sizer{}, nil
	}
	return nil, fmt.Errorf("unknown device %q: it is cpu, cuda or cuda:NUMBER", device)
}

// deviceList returns the devices of n workers on one machine. list names one for all, or one
// for each, between commas; cuda alone for all takes the GPUs from number 0 on.
func deviceList(list string, n int) ([]string, error) {
	names := strings.Split(list, ",")
	for _, name := range names {
		if _, err := sizer(name, 1); err != nil {
			return nil, err
		}
	}
	if len(names) != 1 && len(names) != n {
		return nil, fmt.Errorf("%d devices for %s: name one for all, or one for each", len(names), plural(n, "worker"))
	}
	for len(names) < n {
		names = append(names, names[0])
	}
	if list == "cuda" {
		for i := range names {
			names[i] = fmt.Sprintf("cuda:%d", i)
		}
	}
	return names, nil
}

// sharing says which workers compute on one GPU: that is allowed, but seldom meant.
func sharing(workers []job.Worker) (lines []string) {
	on := map[string][]string{}
	for _, w := range workers {
		kind, unit, _ := strings.Cut(w.Device, ":")
		host, _, err := net.SplitHostPort(w.Address)
		if kind != "cuda" || err != nil {
			continue
		}
		if unit == "" {
			unit = "0"
		}
		gpu := "GPU " + unit + " of " + host
		on[gpu] = append(on[gpu], w.Name)
	}
	for _, gpu := range slices.Sorted(maps.Keys(on)) {
		if names := on[gpu]; len(names) > 1 {
			lines = append(lines, fmt.Sprintf("warning: %s share %s: each gets a part of its time and memory", strings.Join(names, ", "), gpu))
		}
	}
	return lines
}
