package main

import (
	"fmt"
	"strings"
	"time"

	"cleave/kernels"
	"cleave/kernels/cpu"
	"cleave/kernels/cuda"
	"cleave/kernels/cuda/choose"
	"cleave/kernels/kernelbench"
)

// device is what is measured: where, and which layers and steps.
type device struct {
	name   string // for people: the CPU's tier, or the GPU
	sizer  kernels.Sizer
	open   func() (kernels.Backend, error)
	peaks  func() (peaks, error)
	layers []kernelbench.Layer
	steps  []trainee
}

// gpu is what a GPU's backend can do beside a Backend's work.
type gpu interface {
	// Time runs f and returns the time between its first and its last kernel.
	Time(f func() error) (time.Duration, error)
	// Flush leaves nothing of the arena in the GPU's cache.
	Flush() error
	// Peaks measures multiply-adds, which count two, and bytes copied, read and written, a
	// second.
	Peaks() (flops, bytes float64, err error)
}

func newDevice(name string, threads int) (*device, error) {
	kind, unit, _ := strings.Cut(name, ":")
	switch {
	case name == "cpu" && threads < 1:
		return nil, fmt.Errorf("%d threads", threads)
	case name == "cpu":
		return &device{
			name: cpu.Tier(), sizer: cpu.Sizer{Threads: threads},
			open:   func() (kernels.Backend, error) { return cpu.Open(threads) },
			peaks:  func() (peaks, error) { return measurePeaks(threads), nil },
			layers: kernelbench.Layers(), steps: steps(),
		}, cpu.Check()
	case kind == "cuda":
		d := &device{
			sizer:  choose.Sizer{},
			open:   func() (kernels.Backend, error) { return cuda.Open(unit) },
			layers: kernelbench.GPULayers(), steps: gpuSteps(),
		}
		d.peaks = d.gpuPeaks
		var err error
		d.name, err = cuda.Name(unit)
		return d, err
	}
	return nil, fmt.Errorf("unknown device %q: it is cpu or cuda:NUMBER", name)
}

// rebatch sets the images of every layer and step.
func (d *device) rebatch(n int) {
	for i := range d.layers {
		d.layers[i].Batch = n
	}
	for i := range d.steps {
		d.steps[i].batch = n
	}
}

func (d *device) gpuPeaks() (p peaks, err error) {
	b, err := d.open()
	if err != nil {
		return p, err
	}
	defer b.Close()
	p.FLOPs, p.Bytes, err = b.(gpu).Peaks()
	return p, err
}

// timed returns what runs a launch once and how long it took.
func (d *device) timed(b kernels.Backend, launch kernels.Launch) func() (time.Duration, error) {
	g, ok := b.(gpu)
	if !ok {
		return clocked(launch)
	}
	return func() (time.Duration, error) {
		if err := g.Flush(); err != nil {
			return 0, err
		}
		return g.Time(launch)
	}
}

// clocked measures by the host's clock.
func clocked(run func() error) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		begin := time.Now()
		err := run()
		return time.Since(begin), err
	}
}
