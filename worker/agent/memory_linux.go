package agent

import "golang.org/x/sys/unix"

// machineMemory returns the bytes of memory that this machine has, 0 if unknown. More than
// that cannot be allocated: the runtime would end the process.
func machineMemory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return (uint64(info.Totalram) + uint64(info.Totalswap)) * uint64(info.Unit)
}
