package main

import (
	"encoding/binary"
	"sync"
	"time"
)

// peaks is the answer to peak: what the machine can do at most, of all threads together.
type peaks struct {
	FLOPs float64 `json:"flops"` // a second; a float32 multiply-add counts two
	Bytes float64 `json:"bytes"` // read from memory, a second
}

// multiplyAdd is a loop of independent float32 multiply-adds in registers.
type multiplyAdd struct {
	run   func(n int)
	count int // of multiply-adds in one of n
}

// multiplyAdds are the loops that this machine can run, read one that reads memory, a
// multiple of 256 bytes. Plain Go's stand for machines without assembly.
var (
	multiplyAdds = []multiplyAdd{{multiplyAddGo, 8}}
	read         = readGo
)

var sink [2]uint64 // what the plain loops computed

func multiplyAddGo(n int) {
	const a, b = 1e-3, 1e-3
	var s [8]float32
	for range n {
		s[0] += a * b * s[0]
		s[1] += a * b * s[1]
		s[2] += a * b * s[2]
		s[3] += a * b * s[3]
		s[4] += a * b * s[4]
		s[5] += a * b * s[5]
		s[6] += a * b * s[6]
		s[7] += a * b * s[7]
	}
	if s[0] > 1 {
		sink[0]++
	}
}

func readGo(mem []byte) {
	var a, b, c, d uint64
	for ; len(mem) >= 32; mem = mem[32:] {
		a |= binary.NativeEndian.Uint64(mem)
		b |= binary.NativeEndian.Uint64(mem[8:])
		c |= binary.NativeEndian.Uint64(mem[16:])
		d |= binary.NativeEndian.Uint64(mem[24:])
	}
	if a|b|c|d != 0 {
		sink[1]++
	}
}

const (
	rounds = 12       // of each measurement, the best of which counts
	chunk  = 96 << 20 // bytes that each thread reads: more than its caches hold
)

// measurePeaks takes about half a second.
func measurePeaks(threads int) peaks {
	var p peaks
	for _, m := range multiplyAdds {
		n := 1 << 10 // a few milliseconds' worth
		for elapsed(1, func(int) { m.run(n) }) < 5*time.Millisecond {
			n *= 2
		}
		p.FLOPs = max(p.FLOPs, best(threads, 2*float64(n)*float64(m.count), func(int) { m.run(n) }))
	}
	mem := make([]byte, threads*chunk)
	for i := 0; i < len(mem); i += 4096 {
		mem[i] = 1 // pages that nobody has written are one and the same
	}
	p.Bytes = best(threads, chunk, func(t int) { read(mem[t*chunk:][:chunk]) })
	return p
}

// best returns the highest rate at which all threads together do work, of which f does the
// given amount for each.
func best(threads int, work float64, f func(thread int)) float64 {
	least := time.Hour
	for range rounds {
		least = min(least, elapsed(threads, f))
	}
	return work * float64(threads) / least.Seconds()
}

// elapsed is the time that threads need to run f once each, side by side.
func elapsed(threads int, f func(thread int)) time.Duration {
	var done sync.WaitGroup
	begin := time.Now()
	for t := 1; t < threads; t++ {
		done.Go(func() { f(t) })
	}
	f(0)
	done.Wait()
	return time.Since(begin)
}
