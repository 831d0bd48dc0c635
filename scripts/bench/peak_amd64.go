//go:build amd64 && !purego

package main

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// fmaAVX2 does n times 12 multiply-adds of 8 lanes that do not wait for one another.
//
//go:noescape
func fmaAVX2(n int, a, b float32)

// fmaAVX512 does n times 24 multiply-adds of 16 lanes that do not wait for one another.
//
//go:noescape
func fmaAVX512(n int, a, b float32)

// readAVX2 reads lines of 64 bytes, a multiple of four.
//
//go:noescape
func readAVX2(p *byte, lines int)

func init() {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return
	}
	multiplyAdds = []multiplyAdd{{func(n int) { fmaAVX2(n, 1e-3, 1e-3) }, 12 * 8}}
	if x.HasAVX512F {
		multiplyAdds = append(multiplyAdds, multiplyAdd{func(n int) { fmaAVX512(n, 1e-3, 1e-3) }, 24 * 16})
	}
	read = func(mem []byte) { readAVX2(unsafe.SliceData(mem), len(mem)/64) }
}
