package cpu

import "golang.org/x/sys/unix"

// Memory implements kernels.Backend. More than the machine has cannot be allocated: the
// runtime would end the process.
func (*Backend) Memory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return (uint64(info.Totalram) + uint64(info.Totalswap)) * uint64(info.Unit)
}
