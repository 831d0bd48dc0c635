package choose

import (
	"fmt"
	"strings"

	"cleave/kernels"
	"cleave/layout"
)

// Sizer is the kernels.Sizer of GPUs.
type Sizer struct{}

var _ kernels.Sizer = Sizer{}

// Device implements kernels.Sizer.
func (Sizer) Device() string { return "cuda" }

// Overlaps implements kernels.Sizer.
func (Sizer) Overlaps() bool { return true }

// Format implements kernels.Sizer: channels are innermost in every buffer.
func (Sizer) Format(kernels.Use, kernels.DType, layout.Shape) kernels.Format { return kernels.NHWC }

// Bytes implements kernels.Sizer.
func (Sizer) Bytes(_ kernels.Format, d kernels.DType, s layout.Shape) int64 {
	return (int64(s.Volume())*d.Size() + align - 1) / align * align
}

// Workspace implements kernels.Sizer. Shapes that do not fit together need none; Bind says
// what is wrong with them.
func (Sizer) Workspace(d kernels.Desc, out layout.Shape, in []layout.Shape) int64 {
	c := whole(d, out, in)
	if c.choose() != nil {
		return 0
	}
	return c.used
}

// Kernel implements kernels.Sizer: each launch's kernel and grid.
func (Sizer) Kernel(d kernels.Desc, out layout.Shape, in []layout.Shape) string {
	c := whole(d, out, in)
	if err := c.choose(); err != nil {
		return err.Error()
	}
	var all []string
	for _, l := range c.launches {
		all = append(all, fmt.Sprintf("%s %d×%d×%d blocks of %d threads", l.Kernel, l.Grid[0], l.Grid[1], l.Grid[2], l.Block[0]*l.Block[1]*l.Block[2]))
	}
	return strings.Join(all, ", ")
}

// Contiguous implements kernels.Sizer.
func (Sizer) Contiguous(f kernels.Format, d kernels.DType, s layout.Shape, b layout.Box) (kernels.Region, bool) {
	return kernels.Contiguous(f, d, s, b)
}

// What a GPU is expected to reach, for predictions: about an RTX 3090 in single precision.
// They order plans; nothing else depends on them.
const (
	macsPerSecond  = 10e12 // multiply-adds of a convolution
	bytesPerSecond = 700e9 // read and written by all other kernels
	launchSeconds  = 4e-6
)

// Seconds implements kernels.Sizer: multiply-adds or bytes, whichever takes longer.
func (Sizer) Seconds(d kernels.Desc, out layout.Shape, in []layout.Shape) float64 {
	macs, elements := d.Work(out, in)
	return launchSeconds + max(macs/macsPerSecond, 4*elements/bytesPerSecond)
}
