package op

import (
	"math"
	"testing"

	"cleave/layout"
	"cleave/random"
)

// compute runs o whole on values of the shapes given.
func compute(t *testing.T, o Op, in []layout.Shape, values ...[]float64) []float64 {
	t.Helper()
	w, err := Whole(o, in)
	if err != nil {
		t.Fatal(err)
	}
	var x []Frag
	for i, v := range values {
		if len(v) != in[i].Volume() {
			t.Fatalf("input %d: %d values for %v", i, len(v), in[i])
		}
		x = append(x, Frag{Box: in[i].Box(), Data: v})
	}
	y := filled(w.Out, guard)
	o.Run(in, w, y, x)
	return y.Data
}

func wantValues(t *testing.T, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-14 {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

func TestConvValues(t *testing.T) {
	one := [2]int{1, 1}
	for name, c := range map[string]struct {
		g    Geometry
		x, w layout.Shape
		a, b []float64
		want []float64
	}{
		"dilated, padded on the left": {
			Geometry{1, one, [2]int{1, 2}, [4]int{0, 0, 1, 0}}, layout.Shape{1, 1, 1, 4}, layout.Shape{1, 1, 1, 2},
			[]float64{1, 2, 3, 4}, []float64{1, 10}, []float64{20, 31, 42},
		},
		"two groups": {
			Geometry{2, one, one, [4]int{}}, layout.Shape{1, 4, 1, 1}, layout.Shape{2, 2, 1, 1},
			[]float64{1, 2, 3, 4}, []float64{1, 1, 1, 10}, []float64{3, 43},
		},
		"stride of rows, padded at the bottom": {
			Geometry{1, [2]int{2, 1}, one, [4]int{0, 1, 0, 0}}, layout.Shape{1, 1, 3, 1}, layout.Shape{1, 1, 2, 1},
			[]float64{1, 2, 3}, []float64{1, 10}, []float64{21, 3},
		},
		"linear": {Linear().Geometry, layout.Shape{2, 2, 1, 1}, layout.Shape{1, 2, 1, 1}, []float64{1, 2, 3, 4}, []float64{1, 10}, []float64{21, 43}},
	} {
		t.Run(name, func(t *testing.T) {
			wantValues(t, compute(t, Conv{Geometry: c.g}, []layout.Shape{c.x, c.w}, c.a, c.b), c.want)
		})
	}
}

// Sizes that PyTorch's pooling_output_shape gives.
func TestPoolSizes(t *testing.T) {
	for _, c := range []struct {
		in, k, s, lo, hi int
		ceil             bool
		want             int // 0: refused
	}{
		{55, 3, 2, 0, 0, false, 27}, {27, 3, 2, 0, 0, false, 13}, {13, 3, 2, 0, 0, false, 6}, // AlexNet
		{112, 3, 2, 1, 1, false, 56}, // ResNeXt
		{32, 3, 2, 1, 1, false, 16}, {32, 3, 2, 1, 1, true, 17},
		{5, 2, 2, 0, 0, false, 2}, {5, 2, 2, 0, 0, true, 3},
		{6, 3, 2, 0, 0, false, 2}, {6, 3, 2, 0, 0, true, 3},
		{3, 2, 3, 0, 0, true, 1}, // a second window would start outside
		{4, 2, 3, 0, 0, true, 2},
		{3, 2, 3, 1, 1, true, 2}, {2, 2, 3, 1, 1, true, 1}, // nor in the padding on the right
		{2, 3, 2, 0, 0, true, 1}, // one window that reaches beyond
		{2, 3, 2, 0, 0, false, 0}, {1, 3, 1, 0, 0, true, 0},
		{5, 3, 1, 0, 2, false, 5}, {5, 3, 1, 2, 0, false, 5},
		{5, 3, 1, 3, 0, false, 0}, {5, 3, 0, 0, 0, false, 0}, {5, 3, 1, -1, 0, false, 0},
	} {
		p := Pool{Kernel: [2]int{c.k, 1}, Stride: [2]int{c.s, 1}, Pad: [4]int{c.lo, c.hi}, Ceil: c.ceil}
		q := Pool{Kernel: [2]int{1, c.k}, Stride: [2]int{1, c.s}, Pad: [4]int{2: c.lo, 3: c.hi}, Ceil: c.ceil}
		y, err := MaxPool{Pool: p}.Out([]layout.Shape{{1, 1, c.in, 1}})
		z, err2 := AvgPool{Pool: q}.Out([]layout.Shape{{1, 1, 1, c.in}})
		if (err != nil) != (c.want == 0) || (err2 != nil) != (c.want == 0) || y[2] != c.want || z[3] != c.want {
			t.Errorf("%+v: %v, %v, %v, %v", c, y, err, z, err2)
		}
	}
}

func TestPoolValues(t *testing.T) {
	row := func(k, s, lo, hi int, ceil, count bool) Pool {
		return Pool{Kernel: [2]int{1, k}, Stride: [2]int{1, s}, Pad: [4]int{0, 0, lo, hi}, Ceil: ceil, CountPad: count}
	}
	five, four := []float64{1, 2, 3, 4, 5}, []float64{1, 2, 3, 4}
	for name, c := range map[string]struct {
		o    Op
		x    []float64
		want []float64
	}{
		"mean without padding":            {AvgPool{Pool: row(3, 2, 1, 1, false, false)}, five, []float64{1.5, 3, 4.5}},
		"mean with padding":               {AvgPool{Pool: row(3, 2, 1, 1, false, true)}, five, []float64{1, 3, 3}},
		"ceil counts no further":          {AvgPool{Pool: row(3, 2, 0, 0, true, true)}, four, []float64{2, 3.5}},
		"ceil counts the padding":         {AvgPool{Pool: row(3, 2, 1, 1, true, true)}, four, []float64{1, 3, 2}},
		"ceil, padding does not count":    {AvgPool{Pool: row(3, 2, 1, 1, true, false)}, four, []float64{1.5, 3, 4}},
		"ceil, padding on the left alone": {AvgPool{Pool: row(3, 2, 1, 0, true, true)}, five, []float64{1, 3, 4.5}},
		"max of overlapping windows":      {MaxPool{Pool: row(3, 2, 0, 0, false, false)}, []float64{1, 5, 2, 3, 4}, []float64{5, 4}},
		"padding never wins":              {MaxPool{Pool: row(3, 2, 1, 1, true, false)}, []float64{-4, -3, -2, -1}, []float64{-3, -1, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			wantValues(t, compute(t, c.o, []layout.Shape{{1, 1, 1, len(c.x)}}, c.x), c.want)
		})
	}
}

// A window's gradient goes to the first of equal maxima, and windows add up.
func TestMaxPoolGradValues(t *testing.T) {
	o := MaxPoolGrad{Pool: Pool{Kernel: [2]int{2, 2}, Stride: [2]int{1, 1}}}
	x := []float64{1, 7, 0, 7, 7, 7}
	got := compute(t, o, []layout.Shape{{1, 1, 2, 3}, {1, 1, 1, 2}, {1, 1, 1, 2}}, x, []float64{7, 7}, []float64{10, 100})
	wantValues(t, got, []float64{0, 110, 0, 0, 0, 0})
}

func TestReLUGradValues(t *testing.T) {
	in := layout.Shape{1, 4, 1, 1}
	wantValues(t, compute(t, ReLUGrad{}, []layout.Shape{in, in}, []float64{-1, 0, 2, 0.5}, []float64{5, 6, 7, -8}), []float64{0, 0, 7, -8})
}

func TestAvgPoolGradValues(t *testing.T) {
	o := AvgPoolGrad{Pool: Pool{Kernel: [2]int{1, 3}, Stride: [2]int{1, 2}, Pad: [4]int{0, 0, 1, 1}, CountPad: true}}
	got := compute(t, o, []layout.Shape{{1, 1, 1, 5}, {1, 1, 1, 3}}, make([]float64, 5), []float64{3, 6, 9})
	wantValues(t, got, []float64{1, 3, 2, 5, 3})
}

func TestLRNValues(t *testing.T) {
	x, in := []float64{1, 2, 3, 4}, []layout.Shape{{1, 4, 1, 1}}
	wantValues(t, compute(t, LRN{N: 3, Towers: 1, K: 1, Alpha: 1, Beta: 1}, in, x), []float64{1. / 6, 2. / 15, 3. / 30, 4. / 26})
	wantValues(t, compute(t, LRN{N: 3, Towers: 2, K: 1, Alpha: 1, Beta: 1}, in, x), []float64{1. / 6, 2. / 6, 3. / 26, 4. / 26})
	// the paper's: k 2, n 5, α 1e-4, β 0.75; PyTorch with α 5e-4
	wantValues(t, compute(t, LRN{N: 5, Towers: 1, K: 2, Alpha: 1e-4, Beta: 0.75}, in, x)[:1], []float64{math.Pow(2.0014, -0.75)})
}

func TestBatchNormValues(t *testing.T) {
	x, in := []float64{1, 10, 2, 20, 3, 30, 6, 40}, layout.Shape{4, 2, 1, 1}
	vec := layout.Shape{2, 1, 1, 1}
	mean := compute(t, BNMean{}, []layout.Shape{in}, x)
	wantValues(t, mean, []float64{3, 25})
	variance := compute(t, BNVar{}, []layout.Shape{in, vec}, x, mean)
	wantValues(t, variance, []float64{3.5, 125})
	y := compute(t, BN{Eps: 0.5}, []layout.Shape{in, vec, vec, vec, vec}, x, mean, []float64{3.5, 24.5}, []float64{2, 1}, []float64{0, 1})
	wantValues(t, y, []float64{-2, -2, -1, 0, 0, 2, 3, 4})
	wantValues(t, compute(t, RunningStat{Rate: 0.1, Unbias: 4. / 3}, []layout.Shape{vec, vec}, []float64{1, 0}, variance),
		[]float64{0.9 + 0.35*4/3, 12.5 * 4 / 3})
}

func TestSoftmaxValues(t *testing.T) {
	in := []layout.Shape{{6, 4, 1, 1}, {6, 1, 1, 1}, {6, 1, 1, 1}, {6, 2, 1, 1}, scalar}
	var x []float64
	for range 6 {
		x = append(x, 1, 3, 3, 2)
	}
	labels := []float64{0, 1, 2, 3, -1, 1}
	top := compute(t, RowMax{}, in[:1], x)
	wantValues(t, top, []float64{3, 3, 3, 3, 3, 3})
	es := compute(t, ExpSum{}, in[:3], x, labels, top)
	sum := math.Exp(-2) + 2 + math.Exp(-1)
	wantValues(t, es, []float64{sum, -2, sum, 0, sum, 0, sum, -1, sum, 0, sum, 0})
	above := compute(t, CountAbove{}, in[:4], x, labels, top, es)
	wantValues(t, above, []float64{3, 0, 1, 2, 0, 0})
	wantValues(t, compute(t, Hits{}, in[1:3], labels, above), []float64{2, 5})
	wantValues(t, compute(t, Hits{}, in[1:3], labels, []float64{0, 4, 5, 9, 0, 1}), []float64{1, 3})
	wantValues(t, compute(t, Loss{}, in[:4], x, labels, top, es), []float64{(5*math.Log(sum) + 3) / 6})
	grad := compute(t, LossGrad{}, in, x, labels, top, es, []float64{12})
	p := []float64{math.Exp(-2) / sum, 1 / sum, 1 / sum, math.Exp(-1) / sum}
	wantValues(t, grad[4:8], []float64{2 * p[0], 2 * (p[1] - 1), 2 * p[2], 2 * p[3]})
	wantValues(t, grad[16:20], []float64{0, 0, 0, 0})
}

// PyTorch's SGD with momentum and weight decay, two steps by hand.
func TestSGDValues(t *testing.T) {
	v := layout.Shape{1, 1, 1, 1}
	in := []layout.Shape{v, v, v, scalar}
	m := []float64{0}
	w := compute(t, SGD{Mu: 0.9, Decay: 0.1}, in, []float64{2}, m, []float64{1}, []float64{0.5})
	wantValues(t, m, []float64{1.2})
	wantValues(t, w, []float64{1.4})
	w = compute(t, SGD{Mu: 0.9, Decay: 0.1}, in, w, m, []float64{-1}, []float64{0.25})
	wantValues(t, m, []float64{0.22})
	wantValues(t, w, []float64{1.345})
}

func TestMovingValues(t *testing.T) {
	six := []float64{0, 1, 2, 3, 4, 5}
	in := []layout.Shape{{1, 6, 1, 1}}
	wantValues(t, compute(t, Shuffle{Groups: 2}, in, six), []float64{0, 3, 1, 4, 2, 5})
	wantValues(t, compute(t, Shuffle{Groups: 3}, in, []float64{0, 3, 1, 4, 2, 5}), six)
	wantValues(t, compute(t, Flatten{}, []layout.Shape{{1, 3, 1, 2}}, six), six)
	wantValues(t, compute(t, Concat{}, []layout.Shape{{2, 1, 1, 1}, {2, 2, 1, 1}}, []float64{0, 3}, []float64{1, 2, 4, 5}), six)
	wantValues(t, compute(t, Slice{Lo: 1, Hi: 3}, []layout.Shape{{2, 2, 1, 1}, {2, 3, 1, 1}}, make([]float64, 4), six), []float64{1, 2, 4, 5})
	wantValues(t, compute(t, Normalize{Mean: [4]float64{0, 0.5, 0, 1}, Dev: [4]float64{1, 0.5, 1, 2}}, []layout.Shape{{1, 5, 1, 1}}, []float64{0, 255, 51, 255, 0}),
		[]float64{0, 1, 0.2, 0, -0.5})
}

func TestDropout(t *testing.T) {
	shape := layout.Shape{4, 5, 30, 20}
	in := []layout.Shape{shape, scalar}
	ones := filled(shape.Box(), 1).Data
	o := Dropout{P: 0.25, Key: random.Key(1, "drop6")}
	y := compute(t, o, in, ones, []float64{1})
	zeros := 0
	for i, v := range y {
		if drop := random.Uniform(random.Bits(o.Key, 1, uint64(i))) < 0.25; drop != (v == 0) || !drop && v != 1/0.75 {
			t.Fatalf("element %d is %v, dropped: %v", i, v, drop)
		}
		if v == 0 {
			zeros++
		}
	}
	if n := float64(shape.Volume()); math.Abs(float64(zeros)/n-0.25) > 4*math.Sqrt(0.25*0.75/n) {
		t.Errorf("%d of %v dropped", zeros, n)
	}
	o.Grad = true
	if !same(y, compute(t, o, in, ones, []float64{1})) {
		t.Error("the gradient drops other elements")
	}
	if same(y, compute(t, o, in, ones, []float64{2})) {
		t.Error("another step drops the same elements")
	}
}
