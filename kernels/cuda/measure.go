//go:build gpu

package cuda

import (
	"fmt"
	"time"

	"gorgonia.org/cu"

	"cleave/kernels/cuda/choose"
)

// Time runs f and returns the time between its first and its last kernel, on the device: a
// nanosecond at least.
func (b *Backend) Time(f func() error) (time.Duration, error) {
	defer b.leave()
	if err := b.enter(); err != nil {
		return 0, err
	}
	var events [2]cu.Event
	for i := range events {
		var err error
		if events[i], err = cu.MakeEvent(cu.DefaultEvent); err != nil {
			return 0, named(err)
		}
		defer cu.DestroyEvent(&events[i])
	}
	if err := events[0].Record(b.compute); err != nil {
		return 0, named(err)
	}
	if err := f(); err != nil {
		return 0, err
	}
	if err := events[1].Record(b.compute); err != nil {
		return 0, named(err)
	}
	if err := events[1].Synchronize(); err != nil {
		return 0, b.lost(named(err))
	}
	ms, err := events[0].Elapsed(events[1])
	return max(time.Nanosecond, time.Duration(ms*float64(time.Millisecond))), named(err)
}

// flushBytes is more than any GPU's cache holds.
const flushBytes = 256 << 20

// Flush leaves nothing of the arena in the device's cache: it writes other memory.
func (b *Backend) Flush() error {
	defer b.leave()
	if err := b.enter(); err != nil {
		return err
	}
	if b.flushed == 0 {
		var err error
		if b.flushed, err = cu.MemAlloc(flushBytes); err != nil {
			return fmt.Errorf("%d bytes to flush the cache with: %w", flushBytes, named(err))
		}
		b.tables = append(b.tables, b.flushed)
	}
	return named(cu.MemsetD8Async(b.flushed, 0, flushBytes, b.compute))
}

// Peaks measures what the device does at most: fused multiply-adds in single precision,
// which count two, and bytes copied within its memory, read and written, a second.
func (b *Backend) Peaks() (flops, bytes float64, err error) {
	defer b.leave()
	if err := b.enter(); err != nil {
		return 0, 0, err
	}
	processors, err := b.device.Attribute(cu.MultiprocessorCount)
	if err != nil {
		return 0, 0, named(err)
	}
	var mem [2]cu.DevicePtr
	for i := range mem {
		if mem[i], err = cu.MemAlloc(flushBytes); err != nil {
			return 0, 0, named(err)
		}
		defer cu.MemFree(mem[i])
	}
	f, err := b.function("peak_ffma_f32")
	if err != nil {
		return 0, 0, err
	}
	blocks := 8 * processors
	compute := func(rounds int) func() error {
		l := b.newLaunch(f, choose.Launch{Kernel: "peak_ffma_f32", Grid: [3]int{blocks, 1, 1}, Block: [3]int{256, 1, 1},
			Args: choose.PeakArgs(uint64(mem[0]-b.arena), rounds)})
		return func() error { return l.run(b.compute) }
	}
	rounds := 1 // a few milliseconds' worth
	for begin := time.Now(); time.Since(begin) < 50*time.Millisecond; rounds *= 2 {
		if t, err := b.Time(compute(rounds)); err != nil || t > 2*time.Millisecond {
			if err != nil {
				return 0, 0, err
			}
			break
		}
	}
	best := func(work float64, f func() error) (float64, error) {
		most := 0.0
		for begin, n := time.Now(), 0; n == 0 || n < 10 && time.Since(begin) < 500*time.Millisecond; n++ {
			t, err := b.Time(f)
			if err != nil {
				return 0, err
			}
			most = max(most, work/t.Seconds())
		}
		return most, nil
	}
	if flops, err = best(2*64*256*float64(blocks)*float64(rounds), compute(rounds)); err != nil {
		return 0, 0, err
	}
	bytes, err = best(2*flushBytes, func() error { return named(cu.MemcpyDtoDAsync(mem[1], mem[0], flushBytes, b.compute)) })
	return flops, bytes, err
}
