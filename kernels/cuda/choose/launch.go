package choose

import "math"

// Launch is one launch of a CUDA kernel on the compute stream. Launches of a call run in
// their order, each sees what those before it wrote.
type Launch struct {
	Kernel string // an extern "C" function of a .cu file
	Grid   [3]int // blocks; at most 2³¹−1, 65535, 65535
	Block  [3]int // threads; at most MaxThreads in all
	Shared int    // bytes of dynamic shared memory; at most MaxShared with the kernel's own
	Args   []Arg  // the kernel's parameters, in order
}

const (
	MaxThreads = 1024
	MaxShared  = 48 << 10 // bytes a block: what every device gives without being asked
)

// Arg is a kernel's parameter: of eight bytes or fewer, which lie first in Bits.
type Arg struct {
	Kind ArgKind
	Bits uint64
}

// ArgKind says what an Arg's bits are.
type ArgKind uint8

const (
	Pointer ArgKind = iota // a byte offset in the arena: the kernel gets the address
	Int                    // int
	Long                   // long long
	Float                  // float
	Double                 // double
)

// at is a pointer to a byte of the arena.
func at(offset int64) Arg { return Arg{Pointer, uint64(offset)} }

func num(v int) Arg        { return Arg{Int, uint64(uint32(int32(v)))} }
func long(v uint64) Arg    { return Arg{Long, v} }
func float(v float64) Arg  { return Arg{Float, uint64(math.Float32bits(float32(v)))} }
func double(v float64) Arg { return Arg{Double, math.Float64bits(v)} }
func null() Arg            { return Arg{Long, 0} }
func nums(vs ...int) []Arg {
	args := make([]Arg, len(vs))
	for i, v := range vs {
		args[i] = num(v)
	}
	return args
}
