package cpu

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"cleave/kernels"
	"cleave/layout"
)

// layers are convolutions of real nets: batch, groups, channels and filters of a group,
// positions, kernel, stride, padding.
var layers = []struct {
	name                                            string
	n, groups, c, k, size, kernel, stride, pad, out int
}{
	{"alexnet-conv1", 8, 1, 3, 96, 224, 11, 4, 2, 55},
	{"alexnet-conv2", 8, 2, 48, 128, 27, 5, 1, 2, 27},
	{"alexnet-conv3", 8, 1, 256, 384, 13, 3, 1, 1, 13},
	{"alexnet-conv5", 8, 2, 192, 128, 13, 3, 1, 1, 13},
	{"alexnet-fc6", 64, 1, 9216, 4096, 1, 1, 1, 0, 1},
	{"cifar-conv2", 64, 2, 16, 32, 16, 5, 1, 2, 16},
	{"resnext-32x4-56", 4, 32, 4, 4, 56, 3, 1, 1, 56},
	{"resnext-32x8-28s2", 4, 32, 8, 8, 56, 3, 2, 1, 28},
	{"resnext-32x16-14", 8, 32, 16, 16, 14, 3, 1, 1, 14},
	{"resnext-32x32-7", 16, 32, 32, 32, 7, 3, 1, 1, 7},
	{"resnext29-8x64-32", 4, 8, 64, 64, 32, 3, 1, 1, 32},
	{"resnext-1x1-256-56", 4, 1, 256, 128, 56, 1, 1, 0, 56},
	{"depthwise-128-56", 4, 128, 1, 1, 56, 3, 1, 1, 56},
}

func BenchmarkConv(b *testing.B) {
	for _, l := range layers {
		x := layout.Shape{l.n, l.groups * l.c, l.size, l.size}
		w := layout.Shape{l.groups * l.k, l.c, l.kernel, l.kernel}
		y := layout.Shape{l.n, l.groups * l.k, l.out, l.out}
		d := kernels.Desc{Groups: l.groups, Window: kernels.Window{Kernel: [2]int{l.kernel, l.kernel}, Stride: [2]int{l.stride, l.stride}, Dilation: [2]int{1, 1}, Pad: [4]int{l.pad, l.pad, l.pad, l.pad}}}
		flops := 2 * float64(y.Volume()) * float64(l.c*l.kernel*l.kernel)
		for _, pass := range []struct {
			code kernels.Code
			out  layout.Shape
			in   [2]layout.Shape
		}{{kernels.ConvForward, y, [2]layout.Shape{x, w}}, {kernels.ConvDataGrad, x, [2]layout.Shape{y, w}}, {kernels.ConvFilterGrad, w, [2]layout.Shape{x, y}}} {
			for _, tier := range available()[len(available())-1:] {
				b.Run(fmt.Sprintf("%s/%s/%s", pass.code, l.name, tier.name), func(b *testing.B) {
					d.Code = pass.code
					launch(b, newBackend(runtime.GOMAXPROCS(0), tier, nil), d, pass.out, pass.in[:], flops)
				})
			}
		}
	}
}

// launch times a kernel on whole buffers; the rate is in thousand millions of operations.
func launch(b *testing.B, be *Backend, d kernels.Desc, out layout.Shape, in []layout.Shape, flops float64) {
	defer be.Close()
	var at int64
	put := func(s layout.Shape) kernels.Operand {
		o := kernels.Operand{Region: kernels.Region{Offset: at, Bytes: be.Bytes(kernels.NCHW, kernels.F32, s)}, Shape: s, Box: s.Box()}
		at += o.Region.Bytes
		return o
	}
	to := put(out)
	var from []kernels.Operand
	for _, s := range in {
		from = append(from, put(s))
	}
	ws := kernels.Region{Offset: at, Bytes: be.Workspace(d, out, in)}
	if err := be.Alloc(at + ws.Bytes); err != nil {
		b.Fatal(err)
	}
	data := of[float32](be.mem[:at])
	for i := range data {
		data[i] = float32(i%17)/16 - 0.5
	}
	l, err := be.Bind(d, to, from, ws)
	if err != nil {
		b.Fatal(err)
	}
	best := time.Hour
	for b.Loop() {
		t := time.Now()
		if err := l(); err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(t))
	}
	b.ReportMetric(flops/best.Seconds()/1e9, "GFLOP/s")
}
