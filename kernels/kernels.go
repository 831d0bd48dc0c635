// Package kernels is the contract between the worker's engine and the devices: plain
// descriptors of the kernels that a Program calls (Desc), the Backend that runs them on a
// device, and the Sizer that tells the planner, without a device, what they take.
//
// A kernel reads and writes regions of buffers. How a buffer lies in memory is its
// Format; regions are boxes in the buffer's own coordinates, so one buffer can serve
// several kernels that each use a part of it. Regions may start and end anywhere: a
// backend may be slow where they are not aligned to its blocks, never wrong.
package kernels

import "cleave/layout"

// DType is the type of a buffer's elements.
type DType uint8

const (
	F32 DType = iota // IEEE 754 single precision
	U8               // image bytes
	I32              // labels and step numbers
)

// Size returns the bytes of one element.
func (d DType) Size() int64 {
	if d == U8 {
		return 1
	}
	return 4
}

// Format is how a buffer's elements lie in memory.
type Format uint8

const (
	NCHW Format = iota // row-major in axis order, nothing between the elements
	NHWC               // channels innermost, nothing between the elements: the wire's format
)

// Use is what a buffer holds; a backend may store each use in a format of its own, and
// memory is reported by it.
type Use uint8

const (
	Input      Use = iota // images, labels, scalars: the host fills them in NCHW
	Weights               // parameters and running statistics
	Momentum              // the optimiser's state
	Activation            // forward values
	Gradient              // gradients of activations and parameters, and their summands
	Staging               // a transfer's bytes on their way to or from another rank
	Report                // loss, counts and norms that are read by the host, in NCHW
)

// Region is a byte range of the arena.
type Region struct{ Offset, Bytes int64 }

// Operand is a region of a buffer that a kernel reads or writes.
type Operand struct {
	Region Region       // where the whole buffer lies
	DType  DType        // of the buffer
	Format Format       // of the buffer
	Shape  layout.Shape // extents of the whole buffer
	Box    layout.Box   // what is read or written, in the buffer's own coordinates
}

// Launch runs a bound kernel. On an asynchronous device it returns when the work is
// queued, behind all that was queued before.
type Launch func() error

// Call is a kernel call: what Backend.Bind takes.
type Call struct {
	Desc      Desc
	Out       Operand
	In        []Operand
	Workspace Region
}

// Batcher is a Backend that runs some calls of one kernel at once, such as the updates of
// all parameters.
type Batcher interface {
	// BindBatch binds the first n of calls, which would run one after the other, have one
	// Code and each other's outputs as no input, to one Launch with the same results. n is 0
	// where there is nothing to gain.
	BindBatch(calls []Call) (n int, l Launch, err error)
}

// Backend runs kernels on one device. It is used by one goroutine at a time.
type Backend interface {
	Sizer
	// Memory returns the bytes of memory that the device has, 0 if unknown.
	Memory() uint64
	// Alloc reserves the device memory in which all buffers lie. It is called once,
	// before anything is bound.
	Alloc(bytes int64) error
	// Bind checks a kernel call and prepares it; the Launch allocates nothing. The
	// workspace is at least Sizer.Workspace of the call and is overwritten. An output may
	// share an input's region where both boxes are equal and the kernel is element-wise
	// (see Desc.InPlace).
	Bind(d Desc, out Operand, in []Operand, workspace Region) (Launch, error)
	// Export prepares a region of the arena to be read by the host.
	Export(r Region) (Export, error)
	// Import prepares a region of the arena to be written by the host.
	Import(r Region) (Import, error)
	// Sync returns when everything launched so far is done.
	Sync() error
	// Close frees the device.
	Close() error
}

// Export is a region on its way from the device to the host.
type Export interface {
	// Start queues the copy behind the kernels launched so far.
	Start() error
	// Bytes returns the host's memory; what Copied counts of it is valid until the region
	// is written.
	Bytes() []byte
	// Copied returns how many bytes, the first ones, have arrived since Start. It waits
	// until they are more than have, or all; with −1 it does not wait. Any goroutine may
	// call it, one at a time.
	Copied(have int64) (int64, error)
}

// Read copies an export's region to the host and returns it.
func Read(e Export) ([]byte, error) {
	if err := e.Start(); err != nil {
		return nil, err
	}
	for have, all := int64(0), int64(len(e.Bytes())); have < all; {
		var err error
		if have, err = e.Copied(have); err != nil {
			return nil, err
		}
	}
	return e.Bytes(), nil
}

// Import is a region on its way from the host to the device.
type Import interface {
	// Start lets the region be overwritten, behind the kernels launched so far. When it
	// returns, the host's memory may be filled.
	Start() error
	// Bytes returns the host's memory.
	Bytes() []byte
	// Filled says that the first n bytes are filled, and may queue their copy. Any
	// goroutine may call it, one at a time.
	Filled(n int64) error
	// Finish lets kernels launched later see the region, which is filled.
	Finish() error
}

// Write lets fill fill an import's region and copies it to the device.
func Write(i Import, fill func([]byte)) error {
	if err := i.Start(); err != nil {
		return err
	}
	fill(i.Bytes())
	return i.Finish()
}

// Sizer tells what a device's kernels take. It is pure: it needs no device, so plans for
// a device are made anywhere.
type Sizer interface {
	// Device names the kind of device, such as "cpu".
	Device() string
	// Overlaps reports whether copies from the host run beside kernels, so that inputs are
	// worth memory of their own: those of a step can come while the step before is computed.
	Overlaps() bool
	// Format returns the format in which the device keeps a buffer.
	Format(u Use, d DType, s layout.Shape) Format
	// Bytes returns the memory of a buffer, padding and alignment included.
	Bytes(f Format, d DType, s layout.Shape) int64
	// Contiguous returns the bytes that a box of a buffer takes if they lie in one range,
	// in the order that a buffer of just that box has in the same format.
	Contiguous(f Format, d DType, s layout.Shape, b layout.Box) (Region, bool)
	// Workspace returns the scratch memory of a kernel call in bytes; shapes are those of
	// the operands' boxes.
	Workspace(d Desc, out layout.Shape, in []layout.Shape) int64
	// Seconds predicts the time of a kernel call.
	Seconds(d Desc, out layout.Shape, in []layout.Shape) float64
	// Kernel names the kernel that a call runs and says how it is divided: a line for
	// people, in words of the device's own.
	Kernel(d Desc, out layout.Shape, in []layout.Shape) string
}
