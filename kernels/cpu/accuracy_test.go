package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"cleave/kernels"
	"cleave/kernels/kernelbench"
	"cleave/layout"
)

// worstError is the relative L2 error against double precision that a tensor may have.
// Four times PyTorch's own error is allowed, but no less than this is asked for.
const worstError = 1e-6

// Whole layers of real nets sum up to a hundred thousand products. A few hundred elements
// of every result are compared with sums in double precision.
func TestRealLayersAreAccurate(t *testing.T) {
	if testing.Short() || race {
		t.Skip("slow")
	}
	for _, tier := range available() {
		for _, l := range append(kernelbench.Layers(), kernelbench.Others()...) {
			if tier == &generic && l.FLOPs() > 2e8 {
				continue // minutes
			}
			t.Run(tier.name+"/"+l.Name, func(t *testing.T) { checkLayer(t, tier, l) })
		}
	}
}

func checkLayer(t *testing.T, tier *tier, l kernelbench.Layer) {
	b := newBackend(2, tier, nil)
	defer b.Close()
	operands, space := place(t, b, l, 0)
	r := rand.New(rand.NewPCG(1, uint64(len(l.Name))))
	for _, pass := range kernelbench.Passes() {
		result := roles[pass][0]
		views := compute(t, b, l, pass, operands, space, r)
		var wrong, all float64
		for range 300 {
			var at [4]int
			for a, n := range views[result].n {
				at[a] = r.IntN(n)
			}
			want := exact(l, result, at, &views)
			got := views[result].f[views[result].pos(at[0], at[1], at[2], at[3])]
			wrong += (float64(got) - want) * (float64(got) - want)
			all += want * want
		}
		if e := math.Sqrt(wrong / all); !(e <= worstError) {
			t.Errorf("%s: relative L2 error %.3g", pass, e)
		} else {
			t.Logf("%s: relative L2 error %.3g", pass, e)
		}
	}
}

// A job of a 1×1 convolution in groups has several blocks of pixels, the last job fewer.
func TestBlocksOfPixelsAreAllComputed(t *testing.T) {
	l := kernelbench.Layer{Name: "1x1", Batch: 3, Channels: 60, Filters: 36, Groups: 3, Size: 31, Kernel: 1, Stride: 1}
	for _, tier := range available() {
		d, out, in, err := l.Call(kernelbench.Forward)
		if err != nil {
			t.Fatal(err)
		}
		g, _ := convGeometry(d, out, in)
		g = g.whole(d.Code)
		if c := g.choose(d.Code, tier, 1); c.blocking.batch < 2 {
			t.Errorf("%s: a job has %d blocks", tier.name, c.blocking.batch)
		}
		b := newBackend(1, tier, nil)
		defer b.Close()
		operands, space := place(t, b, l, 0)
		views := compute(t, b, l, kernelbench.Forward, operands, space, rand.New(rand.NewPCG(1, 2)))
		y := &views[2]
		for i := range y.n.Volume() {
			at := [4]int{i / y.n[3] / y.n[2] / y.n[1], i / y.n[3] / y.n[2] % y.n[1], i / y.n[3] % y.n[2], i % y.n[3]}
			if got, want := float64(y.f[y.pos(at[0], at[1], at[2], at[3])]), exact(l, 2, at, &views); math.Abs(got-want) > 1e-5 {
				t.Fatalf("%s: element %v is %v, want %v", tier.name, at, got, want)
			}
		}
	}
}

// roles are a pass's result and its inputs among x, w and y.
var roles = map[kernelbench.Pass][3]int{kernelbench.Forward: {2, 0, 1}, kernelbench.DataGrad: {0, 2, 1}, kernelbench.FilterGrad: {1, 0, 2}}

// place allocates a layer's x, w and y, each with gap bytes behind it, and a workspace for all
// passes.
func place(t *testing.T, b *Backend, l kernelbench.Layer, gap int64) (operands [3]kernels.Operand, space kernels.Region) {
	for i, s := range []layout.Shape{l.X(), l.W(), l.Y()} {
		bytes := b.Bytes(kernels.NHWC, kernels.F32, s)
		operands[i] = kernels.Operand{Region: kernels.Region{Offset: space.Offset, Bytes: bytes}, Format: kernels.NHWC, Shape: s, Box: s.Box()}
		space.Offset += bytes + gap
	}
	for _, p := range kernelbench.Passes() {
		d, out, in, err := l.Call(p)
		if err != nil {
			t.Fatal(err)
		}
		space.Bytes = max(space.Bytes, b.Workspace(d, out, in))
	}
	if err := b.Alloc(space.Offset + space.Bytes); err != nil {
		t.Fatal(err)
	}
	return operands, space
}

// compute runs a layer's pass on random numbers and returns x, w and y.
func compute(t *testing.T, b *Backend, l kernelbench.Layer, pass kernelbench.Pass, operands [3]kernels.Operand, space kernels.Region, r *rand.Rand) (views [3]view) {
	t.Helper()
	for i, o := range operands {
		var err error
		if views[i], err = b.view(o); err != nil {
			t.Fatal(err)
		}
	}
	d, _, _, err := l.Call(pass)
	if err != nil {
		t.Fatal(err)
	}
	role := roles[pass]
	var in []kernels.Operand
	for _, i := range role[1:] {
		for j := range views[i].f {
			views[i].f[j] = r.Float32()*2 - 1
		}
		in = append(in, operands[i])
	}
	launch, err := b.Bind(d, operands[role[0]], in, space)
	if err != nil {
		t.Fatal(err)
	}
	if err := launch(); err != nil {
		t.Fatal(err)
	}
	return views
}

// exact returns an element of a layer's input gradient (result 0), filter gradient (1) or
// output (2) in double precision.
func exact(l kernelbench.Layer, result int, at [4]int, v *[3]view) float64 {
	x, w, y := &v[0], &v[1], &v[2]
	c, k := l.Channels/l.Groups, l.Filters/l.Groups
	var sum float64
	add := func(n, ch, f, h, col, r, s, oh, ow int) { // of the products, those that there are
		if oh < 0 || ow < 0 || oh >= y.n[2] || ow >= y.n[3] || h < 0 || col < 0 || h >= x.n[2] || col >= x.n[3] {
			return
		}
		g := float64(1)
		if result != 0 {
			g *= float64(x.f[x.pos(n, f/k*c+ch, h, col)])
		}
		if result != 1 {
			g *= float64(w.f[w.pos(f, ch, r, s)])
		}
		if result != 2 {
			g *= float64(y.f[y.pos(n, f, oh, ow)])
		}
		sum += g
	}
	switch result {
	case 0:
		for f := at[1] / c * k; f < (at[1]/c+1)*k; f++ {
			for r := range l.Kernel {
				for s := range l.Kernel {
					if h, col := at[2]+l.Pad-r, at[3]+l.Pad-s; h%l.Stride == 0 && col%l.Stride == 0 {
						add(at[0], at[1]%c, f, at[2], at[3], r, s, h/l.Stride, col/l.Stride)
					}
				}
			}
		}
	case 1:
		for n := range l.Batch {
			for oh := range y.n[2] {
				for ow := range y.n[3] {
					add(n, at[1], at[0], oh*l.Stride-l.Pad+at[2], ow*l.Stride-l.Pad+at[3], at[2], at[3], oh, ow)
				}
			}
		}
	case 2:
		for ch := range c {
			for r := range l.Kernel {
				for s := range l.Kernel {
					add(at[0], ch, at[1], at[2]*l.Stride-l.Pad+r, at[3]*l.Stride-l.Pad+s, r, s, at[2], at[3])
				}
			}
		}
	}
	return sum
}
