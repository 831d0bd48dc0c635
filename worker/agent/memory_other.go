//go:build !linux

package agent

// machineMemory returns the bytes of memory that this machine has, 0 if unknown.
func machineMemory() uint64 { return 0 }
