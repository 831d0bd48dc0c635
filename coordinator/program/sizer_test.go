package program_test

import (
	"cleave/kernels"
	"cleave/layout"
)

// flat is a Sizer of a device that keeps everything planar, rounds to cache lines and
// takes a nanosecond an element.
type flat struct{}

func (flat) Overlaps() bool { return false }

func (flat) Device() string                                                 { return "flat" }
func (flat) Format(kernels.Use, kernels.DType, layout.Shape) kernels.Format { return kernels.NCHW }

func (flat) Bytes(_ kernels.Format, d kernels.DType, s layout.Shape) int64 {
	return (int64(s.Volume())*d.Size() + 63) / 64 * 64
}

// Contiguous: once an axis is cut, those before it must have one index.
func (flat) Contiguous(f kernels.Format, d kernels.DType, s layout.Shape, b layout.Box) (kernels.Region, bool) {
	order := [4]int{0, 1, 2, 3}
	if f == kernels.NHWC {
		order = [4]int{0, 2, 3, 1}
	}
	stride, offset := 1, 0
	volume := b.Volume()
	reach := 1 // elements between the first and the last, both counted
	for i := 3; i >= 0; i-- {
		a := order[i]
		offset += b[a].Lo * stride
		reach += (b[a].Len() - 1) * stride
		stride *= s[a]
	}
	if volume == 0 || reach != volume {
		return kernels.Region{}, false
	}
	return kernels.Region{Offset: int64(offset) * d.Size(), Bytes: int64(volume) * d.Size()}, true
}

func (flat) Workspace(d kernels.Desc, out layout.Shape, _ []layout.Shape) int64 {
	switch d.Code {
	case kernels.ConvForward, kernels.ConvDataGrad, kernels.ConvFilterGrad:
		return int64(out.Volume())
	}
	return 0
}

func (flat) Kernel(d kernels.Desc, _ layout.Shape, _ []layout.Shape) string { return d.Code.String() }

func (flat) Seconds(_ kernels.Desc, out layout.Shape, in []layout.Shape) float64 {
	n := out.Volume()
	for _, s := range in {
		n += s.Volume()
	}
	return 1e-9 * float64(n)
}
