package cpu

import (
	"bytes"
	"fmt"
	"testing"

	"cleave/kernels"
	"cleave/layout"
)

// A max pool with an index and its gradient give the bits of those without one, where windows
// hang over the borders and values are equal, as zeros behind a ReLU are.
func TestIndexedMaxPoolsGiveTheSameBits(t *testing.T) {
	for _, tier := range available() {
		for _, c := range []struct {
			w    kernels.Window
			x, y layout.Shape
		}{
			{kernels.Window{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}}, layout.Shape{3, 21, 13, 11}, layout.Shape{3, 21, 6, 5}},
			{kernels.Window{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pad: [4]int{1, 1, 1, 1}}, layout.Shape{2, 48, 14, 14}, layout.Shape{2, 48, 7, 7}},
			{kernels.Window{Kernel: [2]int{2, 5}, Stride: [2]int{1, 3}, Pad: [4]int{1, 0, 2, 2}}, layout.Shape{1, 7, 5, 9}, layout.Shape{1, 7, 5, 3}},
			{kernels.Window{Kernel: [2]int{15, 17}, Stride: [2]int{15, 17}}, layout.Shape{1, 8, 15, 17}, layout.Shape{1, 8, 1, 1}},
		} {
			t.Run(fmt.Sprintf("%s/%v", tier.name, c.w.Kernel), func(t *testing.T) {
				b := newBackend(2, tier, nil)
				defer b.Close()
				at := int64(0)
				of := func(s layout.Shape, d kernels.DType) kernels.Operand {
					n := b.Bytes(kernels.NHWC, d, s)
					at += n
					return kernels.Operand{Format: kernels.NHWC, DType: d, Region: kernels.Region{Offset: at - n, Bytes: n}, Shape: s, Box: s.Box()}
				}
				x, dy, index := of(c.x, kernels.F32), of(c.y, kernels.F32), of(c.y, kernels.U8)
				y, dx := [2]kernels.Operand{of(c.y, kernels.F32), of(c.y, kernels.F32)}, [2]kernels.Operand{of(c.x, kernels.F32), of(c.x, kernels.F32)}
				if err := b.Alloc(at); err != nil {
					t.Fatal(err)
				}
				normal := func(o kernels.Operand) kernels.Desc {
					return kernels.Desc{Code: kernels.FillNormal, Std: 1, Random: kernels.Random{Key: 5, Global: o.Shape}}
				}
				for _, k := range []struct {
					d   kernels.Desc
					out kernels.Operand
					in  []kernels.Operand
				}{
					{normal(x), x, nil},
					{kernels.Desc{Code: kernels.ReLU}, x, []kernels.Operand{x}},
					{normal(dy), dy, nil},
					{kernels.Desc{Code: kernels.MaxPool, Window: c.w}, y[0], []kernels.Operand{x}},
					{kernels.Desc{Code: kernels.MaxPoolGrad, Window: c.w}, dx[0], []kernels.Operand{x, y[0], dy}},
					{kernels.Desc{Code: kernels.MaxPoolIndex, Window: c.w}, y[1], []kernels.Operand{x, index}},
					{kernels.Desc{Code: kernels.MaxPoolIndexGrad, Window: c.w}, dx[1], []kernels.Operand{dy, index}},
				} {
					launch, err := b.Bind(k.d, k.out, k.in, kernels.Region{})
					if err != nil {
						t.Fatal(err)
					}
					if err := launch(); err != nil {
						t.Fatal(err)
					}
				}
				for name, pair := range map[string][2]kernels.Operand{"y": y, "dx": dx} {
					var got [2][]byte
					for i, o := range pair {
						out, err := b.Export(o.Region)
						if err != nil {
							t.Fatal(err)
						}
						if got[i], err = kernels.Read(out); err != nil {
							t.Fatal(err)
						}
					}
					n := 4 * pair[0].Shape.Volume()
					if !bytes.Equal(got[0][:n], got[1][:n]) {
						t.Errorf("%s differs", name)
					}
				}
			})
		}
	}
}

// A window of more pixels than a byte counts has no index.
func TestIndexOfALargeWindow(t *testing.T) {
	b := New(1)
	defer b.Close()
	if err := b.Alloc(4096); err != nil {
		t.Fatal(err)
	}
	x, y := layout.Shape{1, 1, 16, 16}, layout.Shape{1, 1, 1, 1}
	of := func(at int64, s layout.Shape, d kernels.DType) kernels.Operand {
		return kernels.Operand{Format: kernels.NHWC, DType: d, Region: kernels.Region{Offset: at, Bytes: 1024}, Shape: s, Box: s.Box()}
	}
	d := kernels.Desc{Code: kernels.MaxPoolIndex, Window: kernels.Window{Kernel: [2]int{16, 16}, Stride: [2]int{16, 16}}}
	if _, err := b.Bind(d, of(0, y, kernels.F32), []kernels.Operand{of(1024, x, kernels.F32), of(2048, y, kernels.U8)}, kernels.Region{}); err == nil {
		t.Error("an index of 256 pixels is not refused")
	}
}
