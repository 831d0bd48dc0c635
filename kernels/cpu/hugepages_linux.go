package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePages asks for the memory in pages of two megabytes: channels of neighbouring pixels
// lie far apart, and with small pages looking up their addresses takes longer than loading
// them from the caches. Where the system refuses, nothing is lost but time.
func hugePages(mem []byte) {
	const page = 2 << 20
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(mem))) % page
	if uintptr(len(mem)) >= skip+page {
		_ = unix.Madvise(mem[skip:], unix.MADV_HUGEPAGE)
	}
}
