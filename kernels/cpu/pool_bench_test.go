package cpu

import (
	"testing"
	"time"

	"cleave/kernels"
	"cleave/layout"
)

// BenchmarkMaxPools times, on one thread, the max pools of AlexNet and ResNet with and
// without an index. The fastest run counts.
func BenchmarkMaxPools(b *testing.B) {
	overlapping := kernels.Window{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}}
	padded := overlapping
	padded.Pad = [4]int{1, 1, 1, 1}
	for _, l := range []struct {
		name string
		w    kernels.Window
		x, y layout.Shape
	}{
		{"alexnet-pool1", overlapping, layout.Shape{16, 96, 55, 55}, layout.Shape{16, 96, 27, 27}},
		{"resnet-pool1", padded, layout.Shape{8, 64, 112, 112}, layout.Shape{8, 64, 56, 56}},
	} {
		for _, code := range []kernels.Code{kernels.MaxPool, kernels.MaxPoolIndex, kernels.MaxPoolGrad, kernels.MaxPoolIndexGrad} {
			b.Run(l.name+"/"+code.String(), func(b *testing.B) {
				be := New(1)
				defer be.Close()
				if err := be.Alloc(256 << 20); err != nil {
					b.Fatal(err)
				}
				at := int64(0)
				of := func(s layout.Shape, d kernels.DType) kernels.Operand {
					bytes := be.Bytes(kernels.NHWC, d, s)
					at += bytes
					return kernels.Operand{Format: kernels.NHWC, DType: d, Region: kernels.Region{Offset: at - bytes, Bytes: bytes}, Shape: s, Box: s.Box()}
				}
				x, y, dy, index := of(l.x, kernels.F32), of(l.y, kernels.F32), of(l.y, kernels.F32), of(l.y, kernels.U8)
				dx := of(l.x, kernels.F32)
				fill, err := be.Bind(kernels.Desc{Code: kernels.FillNormal, Std: 1, Random: kernels.Random{Global: l.x}}, x, nil, kernels.Region{})
				if err != nil {
					b.Fatal(err)
				}
				run := map[kernels.Code]kernels.Launch{}
				for code, c := range map[kernels.Code]struct {
					out kernels.Operand
					in  []kernels.Operand
				}{
					kernels.MaxPool:          {y, []kernels.Operand{x}},
					kernels.MaxPoolIndex:     {y, []kernels.Operand{x, index}},
					kernels.MaxPoolGrad:      {dx, []kernels.Operand{x, y, dy}},
					kernels.MaxPoolIndexGrad: {dx, []kernels.Operand{dy, index}},
				} {
					if run[code], err = be.Bind(kernels.Desc{Code: code, Window: l.w}, c.out, c.in, kernels.Region{}); err != nil {
						b.Fatal(err)
					}
				}
				for _, launch := range []kernels.Launch{fill, run[kernels.MaxPoolIndex]} {
					if err := launch(); err != nil {
						b.Fatal(err)
					}
				}
				best := time.Hour
				for b.Loop() {
					begin := time.Now()
					if err := run[code](); err != nil {
						b.Fatal(err)
					}
					best = min(best, time.Since(begin))
				}
				b.ReportMetric(best.Seconds()*1e6, "us")
			})
		}
	}
}
