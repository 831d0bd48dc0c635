//go:build !amd64 || purego

package cpu

// pause does nothing where no instruction says that a thread spins.
func pause() {}
