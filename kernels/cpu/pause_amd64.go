//go:build !purego

package cpu

// pause tells the processor that the thread spins.
//
//go:noescape
func pause()
