package op

import (
	"slices"
	"strings"
	"testing"

	"cleave/layout"
)

func span(lo, hi int) layout.Span { return layout.Span{Lo: lo, Hi: hi} }

// Reach and need of a convolution of 2 groups, 4 to 6 channels, where spans cut groups
// and cross their border.
func TestConvAcrossGroups(t *testing.T) {
	g := Geometry{Groups: 2, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}}
	x, f, y := layout.Shape{5, 4, 3, 3}, layout.Shape{6, 2, 1, 1}, layout.Shape{5, 6, 3, 3}
	fwd, back, filter := Conv{Geometry: g}, ConvDataGrad{Geometry: g}, ConvFilterGrad{Geometry: g}
	for _, c := range []struct {
		out, red, reach, sum, rows, cols layout.Span
		macs                             int64
	}{
		{span(0, 6), span(0, 4), span(0, 6), span(0, 4), span(0, 6), span(0, 2), 12},
		{span(0, 6), span(1, 3), span(0, 6), span(1, 3), span(0, 6), span(0, 2), 6},
		{span(0, 6), span(0, 1), span(0, 3), span(0, 1), span(0, 3), span(0, 1), 3},
		{span(0, 6), span(3, 4), span(3, 6), span(3, 4), span(3, 6), span(1, 2), 3},
		{span(2, 4), span(1, 4), span(2, 4), span(1, 4), span(2, 4), span(0, 2), 3},
		{span(4, 6), span(0, 4), span(4, 6), span(2, 4), span(4, 6), span(0, 2), 4},
		{span(4, 6), span(0, 2), span(0, 0), span(0, 0), span(0, 0), span(0, 0), 0},
	} {
		in := []layout.Shape{x, f}
		w := layout.Work{Out: y.Box().With(0, span(1, 3)).With(1, c.out), Red: c.red}
		w.Out = fwd.Reach(in, w)
		if w.Out[1] != c.reach {
			t.Errorf("%+v: reach %v", c, w.Out)
		}
		if n := fwd.Need(in, w, 0); !slices.Equal(n, boxes(w, planes(x, span(1, 3), c.sum))) {
			t.Errorf("%+v: needs %v of x", c, n)
		}
		if n := fwd.Need(in, w, 1); !slices.Equal(n, boxes(w, planes(f, c.rows, c.cols))) {
			t.Errorf("%+v: needs %v of w", c, n)
		}
		if m := fwd.Cost(in, w).MACs; m != c.macs*2*9 {
			t.Errorf("%+v: %d multiply-adds", c, m)
		}
	}
	in := []layout.Shape{x, f, y}
	w := layout.Work{Out: x.Box().With(1, span(1, 3)), Red: span(2, 3)}
	w.Out = back.Reach(in, w)
	if w.Out[1] != span(1, 2) {
		t.Errorf("data gradient reaches %v", w.Out)
	}
	if n := back.Need(in, w, 1); !slices.Equal(n, []layout.Box{planes(f, span(2, 3), span(1, 2))}) {
		t.Errorf("data gradient needs %v of w", n)
	}
	if n := back.Need(in, w, 2); !slices.Equal(n, []layout.Box{planes(y, span(0, 5), span(2, 3))}) {
		t.Errorf("data gradient needs %v of dy", n)
	}
	w = layout.Work{Out: f.Box().With(0, span(2, 4)), Red: span(1, 2)}
	if n := filter.Need(in, w, 0); !slices.Equal(n, []layout.Box{planes(x, span(1, 2), span(0, 4))}) {
		t.Errorf("filter gradient needs %v of x", n)
	}
	for _, o := range []Op{back, filter} {
		donor := o.Like()
		if n := o.Need(in, w, donor); n != nil {
			t.Errorf("%s needs %v of the input that gives its shape", o.Kind(), n)
		}
		if out, err := o.Out(in); err != nil || out != in[donor] {
			t.Errorf("%s is %v, %v, want the shape of input %d", o.Kind(), out, err, donor)
		}
	}
}

// Multiply-adds of AlexNet 2012's layers (Krizhevsky et al. 2012, §3.5).
func TestConvCost(t *testing.T) {
	one := [2]int{1, 1}
	for _, c := range []struct {
		o    Conv
		x, w layout.Shape
		want int64
	}{
		{Conv{Geometry: Geometry{1, [2]int{4, 4}, one, [4]int{2, 2, 2, 2}}}, layout.Shape{1, 3, 224, 224}, layout.Shape{96, 3, 11, 11}, 105415200},
		{Conv{Geometry: Geometry{2, one, one, [4]int{2, 2, 2, 2}}}, layout.Shape{1, 96, 27, 27}, layout.Shape{256, 48, 5, 5}, 223948800},
		{Linear(), layout.Shape{1, 9216, 1, 1}, layout.Shape{4096, 9216, 1, 1}, 37748736},
	} {
		in := []layout.Shape{c.x, c.w}
		w, err := Whole(c.o, in)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.o.Cost(in, w); got.MACs != c.want || got.Elements != int64(c.x.Volume()+c.w.Volume()+w.Out.Volume()) {
			t.Errorf("%v: %+v, want %d multiply-adds", in, got, c.want)
		}
		in = append(in, w.Out.Shape())
		for _, o := range []Op{ConvDataGrad{Geometry: c.o.Geometry}, ConvFilterGrad{Geometry: c.o.Geometry}} {
			w, err := Whole(o, in)
			if err != nil {
				t.Fatal(err)
			}
			if got := o.Cost(in, w).MACs; got != c.want {
				t.Errorf("%s: %d multiply-adds, want %d", o.Kind(), got, c.want)
			}
		}
	}
}

func TestWindowsAreClippedToTowers(t *testing.T) {
	l := LRN{N: 5, Towers: 2, K: 2, Alpha: 1, Beta: 1}
	x := layout.Shape{1, 16, 1, 1}
	w := layout.Work{Out: x.Box().With(1, span(3, 5)), Red: span(0, 1)}
	for _, c := range []struct {
		need []layout.Box
		want layout.Span
	}{
		{l.Need([]layout.Shape{x}, w, 0), span(1, 7)},
		{LRNGrad(l).Need([]layout.Shape{x, x}, w, 0), span(0, 8)},
		{LRNGrad(l).Need([]layout.Shape{x, x}, w, 1), span(1, 7)},
	} {
		if len(c.need) != 1 || c.need[0][1] != c.want {
			t.Errorf("needs %v, want channels %v", c.need, c.want)
		}
	}
}

// A shuffle needs one range of each group, not their hull.
func TestShuffleNeedsExactChannels(t *testing.T) {
	x := layout.Shape{2, 12, 1, 1}
	w := layout.Work{Out: x.Box().With(1, span(2, 7)), Red: span(0, 1)}
	o, in := Shuffle{Groups: 3}, []layout.Shape{x}
	want := []layout.Box{x.Box().With(1, span(1, 3)), x.Box().With(1, span(5, 6)), x.Box().With(1, span(8, 10))}
	if got := o.Need(in, w, 0); !slices.Equal(got, want) {
		t.Errorf("needs %v, want %v", got, want)
	}
	w.Out = x.Box()
	if got := o.Need(in, w, 0); !slices.Equal(got, []layout.Box{x.Box()}) {
		t.Errorf("the whole needs %v", got)
	}
}

// What follows which input, and what may share its memory.
func TestHomesAndMemory(t *testing.T) {
	like := map[string]int{
		"conv": -1, "concat": -1, "shuffle": -1, "shuffle-grad": -1, "row-max": -1, "exp-sum": -1, "count-above": -1, "loss": -1, "hits": -1,
		"conv-filter-grad": 1, "bn-gamma-grad": 1,
	}
	inPlace := map[string][]int{
		"bias": {0}, "relu": {0}, "relu-grad": {1, 0}, "add": {0, 1}, "bn": {0}, "bn-grad": {6, 0}, "loss-grad": {0}, "dropout": {0}, "dropout-grad": {0},
		"running-stat": {0}, "sgd": {0},
	}
	for _, c := range cases {
		s := c(generator(2))
		if got := s.op.Like(); got != like[s.op.Kind()] {
			t.Errorf("%s is like input %d", s.op.Kind(), got)
		}
		if got := s.op.InPlace(); !slices.Equal(got, inPlace[s.op.Kind()]) {
			t.Errorf("%s may run in place of %v", s.op.Kind(), got)
		}
		out, err := s.op.Out(s.in)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range s.op.InPlace() {
			if s.in[i] != out {
				t.Errorf("%s cannot run in place of %v", s.op.Kind(), s.in[i])
			}
		}
	}
}

func TestShapeErrors(t *testing.T) {
	one := [2]int{1, 1}
	g := Geometry{Groups: 2, Stride: one, Dilation: one}
	img, vec := layout.Shape{2, 4, 5, 5}, layout.Shape{4, 1, 1, 1}
	with := func(change func(*Geometry)) Conv {
		h := g
		change(&h)
		return Conv{Geometry: h}
	}
	pool := Pool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}}
	rows, per, es := layout.Shape{3, 7, 1, 1}, layout.Shape{3, 1, 1, 1}, layout.Shape{3, 2, 1, 1}
	for name, c := range map[string]struct {
		o    Op
		in   []layout.Shape
		want string
	}{
		"one input":           {Conv{Geometry: g}, []layout.Shape{img}, "1 inputs, want 2"},
		"empty input":         {ReLU{}, []layout.Shape{{2, 0, 1, 1}}, "holds no element"},
		"channels":            {Conv{Geometry: g}, []layout.Shape{img, {4, 3, 1, 1}}, "input has 4 channels"},
		"filters":             {Conv{Geometry: g}, []layout.Shape{img, {5, 2, 1, 1}}, "5 filters cannot be divided into 2 groups"},
		"kernel too large":    {Conv{Geometry: g}, []layout.Shape{img, {4, 2, 6, 1}}, "smaller than filters"},
		"no groups":           {with(func(g *Geometry) { g.Groups = 0 }), []layout.Shape{img, {4, 2, 1, 1}}, "must be at least 1"},
		"no stride":           {with(func(g *Geometry) { g.Stride[1] = 0 }), []layout.Shape{img, {4, 2, 1, 1}}, "must be at least 1"},
		"negative padding":    {with(func(g *Geometry) { g.Pad[3] = -1 }), []layout.Shape{img, {4, 2, 1, 1}}, "negative"},
		"dy of another shape": {ConvDataGrad{Geometry: g}, []layout.Shape{img, {4, 2, 2, 2}, img}, "input 2 is"},
		"dy of filters":       {ConvFilterGrad{Geometry: g}, []layout.Shape{img, {4, 2, 2, 2}, img}, "input 2 is"},
		"bias":                {Bias{}, []layout.Shape{img, {5, 1, 1, 1}}, "input 1 is 5x1x1x1, want 4x1x1x1"},
		"add":                 {Add{}, []layout.Shape{img, {2, 4, 5, 6}}, "input 1 is"},
		"max-pool's y":        {MaxPoolGrad{Pool: pool}, []layout.Shape{img, img, {2, 4, 2, 2}}, "input 1 is"},
		"avg-pool's dy":       {AvgPoolGrad{Pool: pool}, []layout.Shape{img, img}, "input 1 is"},
		"even window":         {LRN{N: 4, Towers: 1}, []layout.Shape{img}, "odd"},
		"towers":              {LRNGrad{N: 5, Towers: 3}, []layout.Shape{img, img}, "3 towers"},
		"no tower":            {LRN{N: 5}, []layout.Shape{img}, "0 towers"},
		"variance's mean":     {BNVar{}, []layout.Shape{img, img}, "input 1 is"},
		"gamma":               {BN{}, []layout.Shape{img, vec, vec, {3, 1, 1, 1}, vec}, "input 3 is"},
		"bn's dy":             {BNGrad{}, []layout.Shape{img, vec, vec, vec, vec, vec, vec}, "input 6 is"},
		"dgamma's dy":         {BNGammaGrad{}, []layout.Shape{img, vec, vec, {1, 4, 5, 5}}, "input 3 is"},
		"running":             {RunningStat{}, []layout.Shape{vec, {3, 1, 1, 1}}, "input 1 is"},
		"rate":                {SGD{}, []layout.Shape{vec, vec, vec, vec}, "scalar rate"},
		"momentum":            {SGD{}, []layout.Shape{vec, img, vec, scalar}, "input 1 is"},
		"probability":         {Dropout{P: 1}, []layout.Shape{img, scalar}, "probability 1"},
		"step":                {Dropout{P: 0.5}, []layout.Shape{img, vec}, "input 1 is"},
		"unflatten":           {Unflatten{}, []layout.Shape{img, {2, 99, 1, 1}}, "want 2x100x1x1"},
		"concat of nothing":   {Concat{}, nil, "no inputs"},
		"concat":              {Concat{}, []layout.Shape{img, {2, 3, 5, 4}}, "more than channels"},
		"slice":               {Slice{Lo: 2, Hi: 5}, []layout.Shape{{2, 3, 5, 5}, img}, "channels 2 to 5 of 4"},
		"slice's shape":       {Slice{Lo: 2, Hi: 4}, []layout.Shape{{2, 3, 5, 5}, img}, "input 0 is"},
		"shuffle":             {Shuffle{Groups: 3}, []layout.Shape{img}, "3 groups"},
		"logits of images":    {RowMax{}, []layout.Shape{img}, "input 0 is"},
		"labels":              {ExpSum{}, []layout.Shape{rows, {4, 1, 1, 1}, per}, "input 1 is"},
		"max":                 {CountAbove{}, []layout.Shape{rows, per, es, es}, "input 2 is"},
		"sums":                {Loss{}, []layout.Shape{rows, per, per, per}, "input 3 is"},
		"seed":                {LossGrad{}, []layout.Shape{rows, per, per, es, per}, "input 4 is"},
		"hits":                {Hits{}, []layout.Shape{es, es}, "want one a sample"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.o.Out(c.in)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), c.o.Kind()+": ") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
