//go:build !linux

package cpu

// hugePages does nothing: this system has no call for it, or pages of its own choice.
func hugePages([]byte) {}
