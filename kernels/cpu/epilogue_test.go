package cpu

import (
	"math"
	"testing"

	"cleave/kernels"
	"cleave/layout"
)

// A 1×1 convolution has its positions in one row where y's lie evenly apart. Where those of z do
// not, as in a box of a larger buffer, z takes a pass of its own; the result is the same.
func TestWhatIsAddedMayLieOtherwise(t *testing.T) {
	y := layout.Shape{2, 24, 5, 7}
	run := func(z kernels.Operand) []float32 {
		b := newBackend(1, tiers[0], nil)
		defer b.Close()
		if err := b.Alloc(1 << 20); err != nil {
			t.Fatal(err)
		}
		operand := func(at int64, s layout.Shape) kernels.Operand {
			return kernels.Operand{Region: kernels.Region{Offset: at, Bytes: 4 * int64(s.Volume())}, Format: kernels.NHWC, Shape: s, Box: s.Box()}
		}
		d := kernels.Desc{Code: kernels.ConvForward, Groups: 1, Eps: 1e-5, Epilogue: kernels.Epilogue{Norm: true, Add: true, ReLU: true},
			Window: kernels.Window{Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}}}
		out, in := operand(0, y), []kernels.Operand{operand(1<<14, y), operand(1<<15, layout.Shape{24, 24, 1, 1})}
		for i := range 4 {
			in = append(in, operand(int64(1<<16+i<<10), layout.Shape{24, 1, 1, 1}))
		}
		in = append(in, z)
		for i, o := range in {
			v, err := b.view(o)
			if err != nil {
				t.Fatal(err)
			}
			for n := range v.n[0] {
				for c := range v.n[1] {
					for h := range v.n[2] {
						for w := range v.n[3] {
							v.f[v.pos(n, c, h, w)] = float32(math.Abs(math.Sin(float64(1 + i + 3*n + 5*c + 7*h + 11*w))))
						}
					}
				}
			}
		}
		l, err := b.Bind(d, out, in, kernels.Region{Offset: 1 << 19, Bytes: 1 << 19})
		if err != nil {
			t.Fatal(err)
		}
		if err := l(); err != nil {
			t.Fatal(err)
		}
		v, err := b.view(out)
		if err != nil {
			t.Fatal(err)
		}
		return append([]float32(nil), v.f...)
	}
	whole := y.Box()
	wide := layout.Shape{2, 24, 6, 9}
	inset := whole.With(2, layout.Span{Lo: 1, Hi: 6}).With(3, layout.Span{Lo: 2, Hi: 9})
	want := run(kernels.Operand{Region: kernels.Region{Offset: 1 << 17, Bytes: 4 * int64(y.Volume())}, Format: kernels.NHWC, Shape: y, Box: whole})
	got := run(kernels.Operand{Region: kernels.Region{Offset: 1 << 17, Bytes: 4 * int64(wide.Volume())}, Format: kernels.NHWC, Shape: wide, Box: inset})
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); d > 1e-6*(1+math.Abs(float64(want[i]))) {
			t.Fatalf("element %d is %v, want %v", i, got[i], want[i])
		}
	}
}
