package cpu

import (
	"math/rand/v2"
	"testing"

	"cleave/kernels"
	"cleave/layout"
)

// A region that Contiguous returns must hold the box's elements in order, and it must find
// one where there is one.
func TestContiguousAgainstEveryElement(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	for range 4000 {
		var s layout.Shape
		var b layout.Box
		for a := range s {
			s[a] = 1 + r.IntN(3)
			lo := r.IntN(s[a])
			b[a] = layout.Span{Lo: lo, Hi: lo + 1 + r.IntN(s[a]-lo)}
		}
		for _, f := range []kernels.Format{kernels.NCHW, kernels.NHWC} {
			st, err := strides(f, s)
			if err != nil {
				t.Fatal(err)
			}
			own, _ := strides(f, b.Shape())
			index := func(n, c, h, w int, st [4]int) int { return n*st[0] + c*st[1] + h*st[2] + w*st[3] }
			first := index(b[0].Lo, b[1].Lo, b[2].Lo, b[3].Lo, st)
			together := true
			for n := range b[0].Len() {
				for c := range b[1].Len() {
					for h := range b[2].Len() {
						for w := range b[3].Len() {
							together = together && index(n, c, h, w, st) == index(n, c, h, w, own)
						}
					}
				}
			}
			got, ok := Sizer{}.Contiguous(f, kernels.F32, s, b)
			want := kernels.Region{}
			if together {
				want = kernels.Region{Offset: int64(4 * first), Bytes: int64(4 * b.Volume())}
			}
			if ok != together || got != want {
				t.Fatalf("format %d, %v in %v: %+v %v, want %+v %v", f, b, s, got, ok, want, together)
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		d    kernels.DType
		s    layout.Shape
		want int64
	}{{kernels.F32, layout.Shape{1, 1, 1, 1}, 64}, {kernels.F32, layout.Shape{2, 3, 3, 1}, 128}, {kernels.U8, layout.Shape{1, 64, 1, 1}, 64}, {kernels.I32, layout.Shape{0, 1, 1, 1}, 0}} {
		if got := (Sizer{}).Bytes(kernels.NCHW, c.d, c.s); got != c.want {
			t.Errorf("%v takes %d bytes, want %d", c.s, got, c.want)
		}
	}
}

// The workspace of AlexNet's layers at batch 128 stays small beside their operands.
func TestWorkspaceOfAlexNet(t *testing.T) {
	for _, l := range layers[:5] {
		x, w, y := layout.Shape{128, l.groups * l.c, l.size, l.size}, layout.Shape{l.groups * l.k, l.c, l.kernel, l.kernel}, layout.Shape{128, l.groups * l.k, l.out, l.out}
		d := kernels.Desc{Groups: l.groups, Window: kernels.Window{Kernel: [2]int{l.kernel, l.kernel}, Stride: [2]int{l.stride, l.stride}, Pad: [4]int{l.pad, l.pad, l.pad, l.pad}}}
		if l.stride == 4 {
			d.Window.Pad = [4]int{2, 1, 2, 1}
		}
		for _, c := range []struct {
			code kernels.Code
			out  layout.Shape
			in   []layout.Shape
		}{{kernels.ConvForward, y, []layout.Shape{x, w}}, {kernels.ConvDataGrad, x, []layout.Shape{y, w}}, {kernels.ConvFilterGrad, w, []layout.Shape{x, y}}} {
			d.Code = c.code
			one, four := Sizer{1}.Workspace(d, c.out, c.in), Sizer{4}.Workspace(d, c.out, c.in)
			if one <= 0 || one > 12<<20 || four > 24<<20 {
				t.Errorf("%s %v: %d bytes for one thread, %d for four", l.name, c.code, one, four)
			}
			if again := (Sizer{4}).Workspace(d, c.out, c.in); again != four {
				t.Errorf("%s %v: %d bytes, then %d", l.name, c.code, four, again)
			}
			if s := (Sizer{4}).Seconds(d, c.out, c.in); !(s > 0 && s < 10) {
				t.Errorf("%s %v: %v s", l.name, c.code, s)
			}
		}
	}
}
