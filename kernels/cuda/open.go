//go:build gpu

package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"

	"gorgonia.org/cu"

	"cleave/kernels"
)

const (
	oldestDriver     = 12010 // CUDA version of the PTX: 1000·major + 10·minor
	oldestCapability = 60
)

// Open opens the GPU of that number; empty means 0. The calling goroutine keeps its thread
// until it closes the backend.
func Open(unit string) (kernels.Backend, error) {
	index := 0
	if unit != "" {
		var err error
		if index, err = strconv.Atoi(unit); err != nil || index < 0 {
			return nil, fmt.Errorf("%q is no number of a GPU, such as 0", unit)
		}
	}
	count, err := devices()
	if err != nil {
		return nil, err
	}
	if index >= count {
		return nil, fmt.Errorf("there is no GPU %d: the driver knows %d, from 0 on (see worker devices)", index, count)
	}
	d := cu.Device(index)
	major, minor, err := d.ComputeCapability()
	if err != nil {
		return nil, named(err)
	}
	b := &Backend{index: index, capability: 10*major + minor, modules: map[string]cu.Module{}, functions: map[string]cu.Function{}}
	if b.capability < oldestCapability {
		name, _ := d.Name()
		return nil, fmt.Errorf("GPU %d (%s) has compute capability %d.%d, needs %d.%d at least", index, name, major, minor, oldestCapability/10, oldestCapability%10)
	}
	runtime.LockOSThread()
	if err := b.open(d); err != nil {
		b.Close()
		return nil, fmt.Errorf("GPU %d: %w", index, err)
	}
	return b, nil
}

// devices counts the GPUs, or says why there are none to use.
func devices() (int, error) {
	if why := loadError(); why != "" {
		return 0, errors.New(why)
	}
	if v := cu.Version(); v < oldestDriver {
		return 0, fmt.Errorf("the driver is too old: it supports CUDA %d.%d, needs %d.%d at least (driver 530 or newer)", v/1000, v%1000/10, oldestDriver/1000, oldestDriver%1000/10)
	}
	count, err := cu.NumDevices()
	if err != nil {
		return 0, named(err)
	}
	if count == 0 {
		return 0, errors.New("the CUDA driver knows no GPU")
	}
	return count, nil
}

// open makes the streams.
func (b *Backend) open(d cu.Device) (err error) {
	if b.context, err = retain(d); err != nil {
		return err
	}
	b.retained = true
	if err := b.attach(); err != nil {
		return err
	}
	for _, s := range []*cu.Stream{&b.compute, &b.in, &b.out} {
		if *s, err = cu.MakeStream(cu.NonBlocking); err != nil {
			return named(err)
		}
		b.streams = append(b.streams, s)
	}
	return b.marks.open()
}

// Devices lists the machine's GPUs.
func Devices() ([]Info, error) {
	count, err := devices()
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all []Info
	for i := range count {
		v, err := describe(i)
		if err != nil {
			return nil, fmt.Errorf("GPU %d: %w", i, named(err))
		}
		all = append(all, v)
	}
	return all, nil
}

func describe(index int) (v Info, err error) {
	d := cu.Device(index)
	v.Index = index
	version := cu.Version()
	v.Driver = [2]int{version / 1000, version % 1000 / 10}
	if v.Name, err = d.Name(); err != nil {
		return v, err
	}
	if v.Capability[0], v.Capability[1], err = d.ComputeCapability(); err != nil {
		return v, err
	}
	ctx, err := retain(d)
	if err != nil {
		return v, err
	}
	defer ctx.release()
	if err := ctx.attach(); err != nil {
		return v, err
	}
	v.Free, v.Total, err = cu.MemInfo()
	return v, err
}
