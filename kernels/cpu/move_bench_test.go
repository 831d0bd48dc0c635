package cpu

import (
	"testing"
	"time"

	"cleave/kernels"
	"cleave/layout"
	"cleave/random"
)

// BenchmarkMoves times, on one thread, what moves memory about; the rate counts the bytes
// that are read and written. The fastest run counts.
func BenchmarkMoves(b *testing.B) {
	shuffled := layout.Shape{16, 60, 28, 28}
	third := shuffled.Box().With(1, layout.Span{Lo: 20, Hi: 40})
	part := func(s layout.Shape, box layout.Box) func(kernels.Operand) kernels.Operand {
		return func(o kernels.Operand) kernels.Operand { o.Shape, o.Box = s, box; return o }
	}
	whole := func(n ...int) func(kernels.Operand) kernels.Operand {
		s := layout.Shape{1, 1, 1, 1}
		copy(s[:], n)
		return part(s, s.Box())
	}
	planar := func(f func(kernels.Operand) kernels.Operand) func(kernels.Operand) kernels.Operand {
		return func(o kernels.Operand) kernels.Operand { o = f(o); o.Format = kernels.NCHW; return o }
	}
	bytes := func(f func(kernels.Operand) kernels.Operand) func(kernels.Operand) kernels.Operand {
		return func(o kernels.Operand) kernels.Operand { o = f(o); o.DType = kernels.U8; return o }
	}
	drop := func(n ...int) kernels.Desc {
		return kernels.Desc{Code: kernels.Dropout, P: 0.5, Random: kernels.Random{Key: random.Key(1, "bench"), Global: whole(n...)(kernels.Operand{}).Shape}}
	}
	every := shuffled.Box().With(1, layout.Span{Lo: 1, Hi: 59})
	for _, c := range []struct {
		name    string
		d       kernels.Desc
		out, in func(kernels.Operand) kernels.Operand
	}{
		{"copy", kernels.Desc{Code: kernels.Copy}, whole(16, 60, 28, 28), whole(16, 60, 28, 28)},
		{"copy-channels", kernels.Desc{Code: kernels.Copy}, part(shuffled, third), whole(16, 20, 28, 28)},
		{"relu", kernels.Desc{Code: kernels.ReLU}, whole(16, 60, 28, 28), whole(16, 60, 28, 28)},
		{"relu-6-channels", kernels.Desc{Code: kernels.ReLU}, part(shuffled, third.With(1, layout.Span{Lo: 5, Hi: 11})), whole(16, 6, 28, 28)},
		{"relu-20-channels", kernels.Desc{Code: kernels.ReLU}, part(shuffled, third), whole(16, 20, 28, 28)},
		{"spread-3", kernels.Desc{Code: kernels.Copy, Step: [2]int{1, 3}}, part(shuffled, every), part(shuffled, third)},
		{"gather-3", kernels.Desc{Code: kernels.Copy, Step: [2]int{3, 1}}, part(shuffled, third), part(shuffled, every)},
		{"shuffle-3", kernels.Desc{Code: kernels.Shuffle, Groups: 3}, whole(16, 60, 28, 28), whole(16, 60, 28, 28)},
		{"shuffle-20", kernels.Desc{Code: kernels.Shuffle, Groups: 20}, whole(16, 60, 28, 28), whole(16, 60, 28, 28)},
		{"shuffle-4", kernels.Desc{Code: kernels.Shuffle, Groups: 4}, whole(16, 60, 28, 28), whole(16, 60, 28, 28)},
		{"nchw", kernels.Desc{Code: kernels.Copy}, planar(whole(16, 60, 28, 28)), whole(16, 60, 28, 28)},
		{"nhwc", kernels.Desc{Code: kernels.Copy}, whole(16, 60, 28, 28), planar(whole(16, 60, 28, 28))},
		{"flatten", kernels.Desc{Code: kernels.Flatten}, whole(64, 9216), whole(64, 256, 6, 6)},
		{"unflatten", kernels.Desc{Code: kernels.Unflatten}, whole(64, 256, 6, 6), whole(64, 9216)},
		{"dropout-4096", drop(64, 4096), whole(64, 4096), whole(64, 4096)},
		{"dropout-16x16", drop(64, 96, 16, 16), whole(64, 96, 16, 16), whole(64, 96, 16, 16)},
		{"dropout-13x13", drop(64, 96, 13, 13), whole(64, 96, 13, 13), whole(64, 96, 13, 13)},
		{"normalize", kernels.Desc{Code: kernels.Normalize, Dev: [4]float64{1, 1, 1, 1}}, whole(64, 3, 224, 224), bytes(planar(whole(64, 3, 224, 224)))},
	} {
		b.Run(c.name, func(b *testing.B) {
			be := New(1)
			defer be.Close()
			if err := be.Alloc(128 << 20); err != nil {
				b.Fatal(err)
			}
			out := c.out(kernels.Operand{Format: kernels.NHWC, Region: kernels.Region{Bytes: 60 << 20}})
			in := []kernels.Operand{c.in(kernels.Operand{Format: kernels.NHWC, Region: kernels.Region{Offset: 60 << 20, Bytes: 60 << 20}})}
			if c.d.Code == kernels.Dropout {
				in = append(in, whole(1)(kernels.Operand{Format: kernels.NHWC, DType: kernels.I32, Region: kernels.Region{Offset: 120 << 20, Bytes: 4}}))
			}
			launch, err := be.Bind(c.d, out, in, kernels.Region{})
			if err != nil {
				b.Fatal(err)
			}
			best := time.Hour
			for b.Loop() {
				begin := time.Now()
				if err := launch(); err != nil {
					b.Fatal(err)
				}
				best = min(best, time.Since(begin))
			}
			n := in[0].Box.Shape()
			if s := c.d.Step[0]; s > 1 {
				n[1] = (n[1] + s - 1) / s
			}
			b.ReportMetric(float64(n.Volume())*float64(in[0].DType.Size()+4)/best.Seconds()/1e9, "GB/s")
			b.ReportMetric(best.Seconds()*1e9/float64(n.Volume()), "ns/elem")
		})
	}
}
