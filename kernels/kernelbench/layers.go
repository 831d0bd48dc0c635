// Package kernelbench holds the convolutions of real nets whose speed is measured, and
// runs them on any backend through the kernels.Backend contract alone: buffers in the
// backend's own formats, whole boxes, filled with random numbers.
package kernelbench

import (
	"fmt"
	"slices"

	"cleave/kernels"
	"cleave/layout"
)

// Layer is a square convolution without bias.
type Layer struct {
	Name     string
	Batch    int
	Channels int // over all groups
	Filters  int // over all groups
	Groups   int
	Size     int // rows and columns of the input
	Kernel   int
	Stride   int
	Pad      int
}

// Layers returns the layers that scripts/bench-cpu compares with PyTorch and sets bars for:
// those of ResNeXt-50 and ResNeXt-29 (Xie et al. 2017), AlexNet (Krizhevsky et al. 2012),
// MobileNet's depthwise ones, ShuffleNet's 1×1 in three groups (Zhang et al. 2018) and
// NIN's second in 1 to 16 groups (Ioannou et al. 2017). A name says the net, the positions
// and groups×(channels of a group).
func Layers() []Layer {
	return []Layer{
		{"resnext50-56x56-32x4", 8, 128, 128, 32, 56, 3, 1, 1},
		{"resnext50-28x28-32x8", 8, 256, 256, 32, 28, 3, 1, 1},
		{"resnext50-56x56-32x8-stride2", 8, 256, 256, 32, 56, 3, 2, 1},
		{"resnext50-14x14-32x16", 8, 512, 512, 32, 14, 3, 1, 1},
		{"resnext50-7x7-32x32", 8, 1024, 1024, 32, 7, 3, 1, 1},
		{"resnext29-32x32-8x64", 32, 512, 512, 8, 32, 3, 1, 1},
		{"resnext29-32x32-8x16", 32, 128, 128, 8, 32, 3, 1, 1},
		{"resnext29-32x32-4x16", 32, 64, 64, 4, 32, 3, 1, 1},
		{"alexnet-conv2", 16, 96, 256, 2, 27, 5, 1, 2},
		{"alexnet-conv3", 16, 256, 384, 1, 13, 3, 1, 1},
		{"alexnet-conv4", 16, 384, 384, 2, 13, 3, 1, 1},
		{"alexnet-conv5", 16, 384, 256, 2, 13, 3, 1, 1},
		{"depthwise-56x56-128", 8, 128, 128, 128, 56, 3, 1, 1},
		{"depthwise-14x14-512", 8, 512, 512, 512, 14, 3, 1, 1},
		{"shufflenet-28x28-3g-240to60", 16, 240, 60, 3, 28, 1, 1, 0},
		{"shufflenet-28x28-3g-60to240", 16, 60, 240, 3, 28, 1, 1, 0},
		{"nin-conv2-1g", 64, 96, 192, 1, 16, 5, 1, 2},
		{"nin-conv2-2g", 64, 96, 192, 2, 16, 5, 1, 2},
		{"nin-conv2-4g", 64, 96, 192, 4, 16, 5, 1, 2},
		{"nin-conv2-8g", 64, 96, 192, 8, 16, 5, 1, 2},
		{"nin-conv2-16g", 64, 96, 192, 16, 16, 5, 1, 2},
	}
}

// GPULayers returns the layers that scripts/bench-gpu compares with PyTorch: those of
// Layers' nets at the batches of GPUs.
func GPULayers() []Layer {
	return []Layer{
		{"resnext50-56x56-32x4", 128, 128, 128, 32, 56, 3, 1, 1},
		{"resnext50-28x28-32x8", 128, 256, 256, 32, 28, 3, 1, 1},
		{"resnext50-56x56-32x8-stride2", 128, 256, 256, 32, 56, 3, 2, 1},
		{"resnext50-14x14-32x16", 128, 512, 512, 32, 14, 3, 1, 1},
		{"resnext50-28x28-32x16-stride2", 128, 512, 512, 32, 28, 3, 2, 1},
		{"resnext50-7x7-32x32", 128, 1024, 1024, 32, 7, 3, 1, 1},
		{"resnext50-14x14-32x32-stride2", 128, 1024, 1024, 32, 14, 3, 2, 1},
		{"resnext29-32x32-8x64", 128, 512, 512, 8, 32, 3, 1, 1},
		{"resnext29-16x16-8x128", 128, 1024, 1024, 8, 16, 3, 1, 1},
		{"resnext29-8x8-8x256", 128, 2048, 2048, 8, 8, 3, 1, 1},
		{"depthwise-56x56-128", 128, 128, 128, 128, 56, 3, 1, 1},
		{"depthwise-14x14-512", 128, 512, 512, 512, 14, 3, 1, 1},
		{"alexnet-conv1", 128, 3, 96, 1, 224, 11, 4, 2},
		{"alexnet-conv2", 128, 96, 256, 2, 27, 5, 1, 2},
		{"alexnet-conv3", 128, 256, 384, 1, 13, 3, 1, 1},
		{"alexnet-conv4", 128, 384, 384, 2, 13, 3, 1, 1},
		{"alexnet-conv5", 128, 384, 256, 2, 13, 3, 1, 1},
		{"shufflenet-28x28-3g-240to60", 128, 240, 60, 3, 28, 1, 1, 0},
		{"shufflenet-28x28-3g-60to240", 128, 60, 240, 3, 28, 1, 1, 0},
		{"nin-conv2-4g", 128, 96, 192, 4, 16, 5, 1, 2},
		{"nin-conv2-8g", 128, 96, 192, 8, 16, 5, 1, 2},
		{"nin-conv2-16g", 128, 96, 192, 16, 16, 5, 1, 2},
		{"nin-conv3-8g", 128, 192, 192, 8, 8, 3, 1, 1},
		{"resnext50-56x56-1x1-256to128", 128, 256, 128, 1, 56, 1, 1, 0},
		{"resnext50-7x7-1x1-1024to2048", 128, 1024, 2048, 1, 7, 1, 1, 0},
	}
}

// Others returns layers without a bar, for the benchmarks alone: first layers, dense 1×1
// and fully connected ones, and those of the nets for small images.
func Others() []Layer {
	return []Layer{
		{"alexnet-conv1", 16, 3, 96, 1, 224, 11, 4, 2},
		{"alexnet-fc6", 64, 9216, 4096, 1, 1, 1, 1, 0},
		{"alexnet-cifar-conv1", 64, 3, 32, 1, 32, 5, 1, 2},
		{"alexnet-cifar-conv2", 64, 32, 64, 2, 16, 5, 1, 2},
		{"resnext50-conv1", 8, 3, 64, 1, 224, 7, 2, 3},
		{"resnext50-56x56-1x1-256to128", 8, 256, 128, 1, 56, 1, 1, 0},
		{"resnext50-14x14-1x1-1024to512", 8, 1024, 512, 1, 14, 1, 1, 0},
		{"resnext29-32x32-1x1-64to256", 32, 64, 256, 1, 32, 1, 1, 0},
		{"resnext29-32x32-1x1-256to64", 32, 256, 64, 1, 32, 1, 1, 0},
		{"resnext29-conv1", 32, 3, 64, 1, 32, 3, 1, 1},
	}
}

// Find returns the layer of that name.
func Find(name string) (Layer, bool) {
	all := append(Layers(), Others()...)
	i := slices.IndexFunc(all, func(l Layer) bool { return l.Name == name })
	if i < 0 {
		return Layer{}, false
	}
	return all[i], true
}

// Pass is one of a convolution's three kernels.
type Pass string

const (
	Forward    Pass = "forward"
	DataGrad   Pass = "data-gradient"
	FilterGrad Pass = "weight-gradient"
)

// Passes returns all of them, in the order of a training step.
func Passes() []Pass { return []Pass{Forward, DataGrad, FilterGrad} }

// X returns the input's shape, N×C×H×W.
func (l Layer) X() layout.Shape { return layout.Shape{l.Batch, l.Channels, l.Size, l.Size} }

// W returns the filters' shape, K×(C/G)×R×S.
func (l Layer) W() layout.Shape {
	return layout.Shape{l.Filters, l.Channels / l.Groups, l.Kernel, l.Kernel}
}

// Y returns the output's shape, N×K×H×W.
func (l Layer) Y() layout.Shape {
	out := (l.Size+2*l.Pad-l.Kernel)/l.Stride + 1
	return layout.Shape{l.Batch, l.Filters, out, out}
}

// FLOPs returns the operations of each pass: two for a multiply-add, the products with
// padding counted as is usual.
func (l Layer) FLOPs() float64 {
	return 2 * float64(l.Y().Volume()) * float64(l.Channels/l.Groups*l.Kernel*l.Kernel)
}

// Call returns the kernel of a pass and the shapes of its output and inputs.
func (l Layer) Call(p Pass) (d kernels.Desc, out layout.Shape, in []layout.Shape, err error) {
	d = kernels.Desc{Groups: l.Groups, Window: kernels.Window{
		Kernel:   [2]int{l.Kernel, l.Kernel},
		Stride:   [2]int{l.Stride, l.Stride},
		Dilation: [2]int{1, 1},
		Pad:      [4]int{l.Pad, l.Pad, l.Pad, l.Pad},
	}}
	x, w, y := l.X(), l.W(), l.Y()
	switch p {
	case Forward:
		d.Code, out, in = kernels.ConvForward, y, []layout.Shape{x, w}
	case DataGrad:
		d.Code, out, in = kernels.ConvDataGrad, x, []layout.Shape{y, w}
	case FilterGrad:
		d.Code, out, in = kernels.ConvFilterGrad, w, []layout.Shape{x, y}
	default:
		err = fmt.Errorf("there is no pass %q", p)
	}
	return d, out, in, err
}

// uses says what a pass's output and inputs hold.
var uses = map[Pass][3]kernels.Use{
	Forward:    {kernels.Activation, kernels.Activation, kernels.Weights},
	DataGrad:   {kernels.Gradient, kernels.Gradient, kernels.Weights},
	FilterGrad: {kernels.Gradient, kernels.Activation, kernels.Gradient},
}
