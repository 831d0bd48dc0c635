package choose

import "fmt"

// Kernel is what is known of a CUDA kernel without a device.
type Kernel struct {
	Source  string // the .cu file that it is in, without the extension
	Params  string // a letter each: p pointer, i int, l long long, f float, d double
	Threads int    // most threads a block, __launch_bounds__
	Shared  int    // bytes of static shared memory a block
}

// letters are what Kernel.Params has for each ArgKind.
var letters = [...]byte{Pointer: 'p', Int: 'i', Long: 'l', Float: 'f', Double: 'd'}

// Limits of a grid, CUDA C++ Programming Guide, "Technical Specifications per Compute Capability".
const (
	maxGridX  = 1<<31 - 1
	maxGridYZ = 1<<16 - 1
)

// check reports an error unless the launch's kernel exists, takes these arguments and may
// run on such a grid on every device. A null pointer is a Long that is zero.
func (l Launch) check() error {
	k, ok := Kernels[l.Kernel]
	if !ok {
		return fmt.Errorf("there is no kernel %s", l.Kernel)
	}
	if len(l.Args) != len(k.Params) {
		return fmt.Errorf("%s: %d arguments, takes %d (%s)", l.Kernel, len(l.Args), len(k.Params), k.Params)
	}
	for i, a := range l.Args {
		null := a == Arg{Long, 0} && k.Params[i] == 'p'
		if int(a.Kind) >= len(letters) || letters[a.Kind] != k.Params[i] && !null {
			return fmt.Errorf("%s: argument %d is of kind %d, takes %c", l.Kernel, i, a.Kind, k.Params[i])
		}
	}
	for i, most := range [3]int{maxGridX, maxGridYZ, maxGridYZ} {
		if l.Grid[i] < 1 || l.Grid[i] > most {
			return fmt.Errorf("%s: a grid of %v blocks", l.Kernel, l.Grid)
		}
	}
	if b := l.Block; b[0] < 1 || b[1] < 1 || b[2] < 1 || b[2] > 64 || b[0]*b[1]*b[2] > min(k.Threads, MaxThreads) {
		return fmt.Errorf("%s: blocks of %v threads, takes %d", l.Kernel, b, k.Threads)
	}
	if l.Shared < 0 || l.Shared+k.Shared > MaxShared {
		return fmt.Errorf("%s: %d bytes of shared memory beside its own %d", l.Kernel, l.Shared, k.Shared)
	}
	return nil
}
