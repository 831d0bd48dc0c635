package choose

import (
	"math/rand/v2"
	"testing"

	"cleave/kernels"
	"cleave/layout"
)

// randomConv returns a data gradient's shapes and window; rows and columns differ.
func randomConv(r *rand.Rand, most int) (d kernels.Desc, x, w, y layout.Shape) {
	groups, c, k := 1+r.IntN(20), 1+r.IntN(40), 1+r.IntN(40)
	d = kernels.Desc{Code: kernels.ConvDataGrad, Groups: groups}
	x, w, y = layout.Shape{1 + r.IntN(130), groups * c}, layout.Shape{groups * k, c}, layout.Shape{0, groups * k}
	y[0] = x[0]
	for a := range 2 {
		win := &d.Window
		win.Kernel[a], win.Stride[a], win.Dilation[a] = 1+r.IntN(5), 1+r.IntN(3), 1+r.IntN(3)
		win.Pad[2*a], win.Pad[2*a+1] = r.IntN(win.Kernel[a]+1), r.IntN(win.Kernel[a]+1)
		reach := win.Dilation[a]*(win.Kernel[a]-1) + 1
		x[2+a], w[2+a] = reach+r.IntN(most), win.Kernel[a]
		y[2+a] = (x[2+a]+win.Pad[2*a]+win.Pad[2*a+1]-reach)/win.Stride[a] + 1
	}
	return d, x, w, y
}

// TestPhases wants every position of x in one phase, and each of its taps that meets a
// position of dy once, at that position.
func TestPhases(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		d, x, w, y := randomConv(r, 12)
		g, err := whole(d, x, []layout.Shape{y, w}).conv()
		if err != nil {
			t.Fatal(err)
		}
		for a := range 2 {
			type pair struct{ h, tap int }
			got := map[pair]int{}
			seen := map[int]bool{}
			for _, f := range g.phases() {
				for i := range f.size[a] {
					h := f.from[a] + i*f.every[a]
					seen[h] = true
					for b := range f.taps[a] {
						got[pair{h, f.first[a] + b*f.step[a]}] = i*f.stride[a] - f.pad[a] + b*f.dilation[a]
					}
				}
			}
			if len(seen) != x[2+a] {
				t.Fatalf("%+v: %d of %d positions", d.Window, len(seen), x[2+a])
			}
			for h := range x[2+a] {
				for tap := range d.Window.Kernel[a] {
					at := h + d.Window.Pad[2*a] - tap*d.Window.Dilation[a]
					p, ok := got[pair{h, tap}]
					meets := at%d.Window.Stride[a] == 0 && meetsAny(d.Window, 1-a, x[3-a])
					if ok != meets || ok && p*d.Window.Stride[a] != at {
						t.Fatalf("%+v: position %d, tap %d: at %d (%v)", d.Window, h, tap, p, ok)
					}
				}
			}
		}
	}
}

// meetsAny reports whether a tap of an axis meets a position of dy from any of x, at least.
func meetsAny(win kernels.Window, a, positions int) bool {
	for h := range positions {
		for tap := range win.Kernel[a] {
			if (h+win.Pad[2*a]-tap*win.Dilation[a])%win.Stride[a] == 0 {
				return true
			}
		}
	}
	return false
}

// TestPackedShapes checks every launch for shapes at large, which no device runs here.
func TestPackedShapes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	packed := 0
	for range 300 {
		d, x, w, y := randomConv(r, 120)
		for code, operands := range map[kernels.Code][]layout.Shape{
			kernels.ConvForward: {y, x, w}, kernels.ConvDataGrad: {x, y, w}, kernels.ConvFilterGrad: {w, x, y},
		} {
			d.Code = code
			c := whole(d, operands[0], operands[1:])
			g, err := c.conv()
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range packWays(g) {
				c.launches = nil
				v.launch(c, 0)
				for _, l := range c.launches {
					if err := l.check(); err != nil {
						t.Errorf("%+v, %v and %v: %v", d, operands[1], operands[2], err)
					}
				}
				packed++
			}
		}
	}
	if packed < 1000 {
		t.Errorf("only %d were packed", packed)
	}
}
