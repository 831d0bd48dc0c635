package cpu

import (
	"math/rand/v2"
	"testing"

	"cleave/kernels"
	"cleave/kernels/kernelbench"
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
	for _, name := range []string{"alexnet-conv1", "alexnet-conv2", "alexnet-conv3", "alexnet-conv5", "alexnet-fc6"} {
		l, ok := kernelbench.Find(name)
		if !ok {
			t.Fatalf("there is no layer %s", name)
		}
		l.Batch = 128
		for _, p := range kernelbench.Passes() {
			d, out, in, err := l.Call(p)
			if err != nil {
				t.Fatal(err)
			}
			one, four := Sizer{1}.Workspace(d, out, in), Sizer{4}.Workspace(d, out, in)
			if one <= 0 || one > 12<<20 || four > 24<<20 {
				t.Errorf("%s %s: %d bytes for one thread, %d for four", name, p, one, four)
			}
			if again := (Sizer{4}).Workspace(d, out, in); again != four {
				t.Errorf("%s %s: %d bytes, then %d", name, p, four, again)
			}
			if s := (Sizer{4}).Seconds(d, out, in); !(s > 0 && s < 10) {
				t.Errorf("%s %s: %v s", name, p, s)
			}
		}
	}
}
