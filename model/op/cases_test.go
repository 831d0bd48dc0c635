package op

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"cleave/layout"
)

// sample is an op with inputs of random odd shapes.
type sample struct {
	op Op
	in []layout.Shape
	x  []Frag
}

// normals returns a tensor of normal values.
func normals(rng *rand.Rand, s layout.Shape) Frag {
	f := Frag{Box: s.Box(), Data: make([]float64, s.Volume())}
	for i := range f.Data {
		f.Data[i] = rng.NormFloat64()
	}
	return f
}

// drawn fills the inputs of an op with normal values.
func drawn(rng *rand.Rand, o Op, in ...layout.Shape) sample {
	s := sample{op: o, in: in}
	for _, shape := range in {
		s.x = append(s.x, normals(rng, shape))
	}
	return s
}

// positive makes the values of input i usable as variances.
func (s sample) positive(i int) sample {
	for j, v := range s.x[i].Data {
		s.x[i].Data[j] = v*v + 0.1
	}
	return s
}

// labels makes the values of input i classes below n, or −1.
func (s sample) labels(rng *rand.Rand, i, n int) sample {
	for j := range s.x[i].Data {
		s.x[i].Data[j] = float64(rng.IntN(n+1) - 1)
	}
	return s
}

// run replaces the values of input i by what o computes of the inputs from.
func (s sample) run(o Op, i int, from ...int) sample {
	var in []layout.Shape
	var x []Frag
	for _, j := range from {
		in, x = append(in, s.in[j]), append(x, s.x[j])
	}
	w, err := Whole(o, in)
	if err != nil {
		panic(err)
	}
	o.Run(in, w, s.x[i], x)
	return s
}

func upTo(rng *rand.Rand, n int) int { return 1 + rng.IntN(n) }

func activation(rng *rand.Rand) layout.Shape {
	return layout.Shape{upTo(rng, 5), upTo(rng, 9), upTo(rng, 4), upTo(rng, 4)}
}

// convolution draws a geometry and shapes of x, w and y that fit.
func convolution(rng *rand.Rand) (g Geometry, x, w, y layout.Shape) {
	g = Geometry{
		Groups:   upTo(rng, 4),
		Stride:   [2]int{upTo(rng, 3), upTo(rng, 3)},
		Dilation: [2]int{upTo(rng, 2), upTo(rng, 2)},
		Pad:      [4]int{rng.IntN(3), rng.IntN(3), rng.IntN(3), rng.IntN(3)},
	}
	c, k := upTo(rng, 4), upTo(rng, 4)
	w = layout.Shape{g.Groups * k, c, upTo(rng, 3), upTo(rng, 3)}
	x = layout.Shape{upTo(rng, 3), g.Groups * c, 0, 0}
	for i := range 2 {
		x[2+i] = max(1, g.Dilation[i]*(w[2+i]-1)+1-g.Pad[2*i]-g.Pad[2*i+1]) + rng.IntN(4)
	}
	y, err := Conv{Geometry: g}.Out([]layout.Shape{x, w})
	if err != nil {
		panic(err)
	}
	return g, x, w, y
}

// pooling draws a pool and shapes of x and y that fit.
func pooling(rng *rand.Rand) (p Pool, x, y layout.Shape) {
	for {
		p = Pool{
			Kernel:   [2]int{upTo(rng, 4), upTo(rng, 4)},
			Stride:   [2]int{upTo(rng, 3), upTo(rng, 3)},
			Ceil:     rng.IntN(2) == 0,
			CountPad: rng.IntN(2) == 0,
		}
		for i := range p.Pad {
			p.Pad[i] = rng.IntN(p.Kernel[i/2])
		}
		x = layout.Shape{upTo(rng, 3), upTo(rng, 5), upTo(rng, 7), upTo(rng, 7)}
		var err error
		if y, err = p.check(MaxPool{}, x); err == nil {
			return p, x, y
		}
	}
}

func responses(rng *rand.Rand) (LRN, layout.Shape) {
	l := LRN{N: 2*rng.IntN(4) + 1, Towers: upTo(rng, 3), K: 2, Alpha: 0.3, Beta: 0.75}
	x := activation(rng)
	x[1] = l.Towers * upTo(rng, 6)
	return l, x
}

func channelsOf(x layout.Shape) layout.Shape { return layout.Shape{x[1], 1, 1, 1} }

// logits draws logits, labels, maxima and sums as shapes.
func logits(rng *rand.Rand) (n int, in []layout.Shape) {
	n = upTo(rng, 9)
	b := upTo(rng, 5)
	return n, []layout.Shape{{b, n, 1, 1}, {b, 1, 1, 1}, {b, 1, 1, 1}, {b, 2, 1, 1}}
}

// chained makes max and sums those of the logits, and some logits equal.
func chained(rng *rand.Rand, o Op, in []layout.Shape, classes int, extra ...layout.Shape) sample {
	s := drawn(rng, o, append(in[:4:4], extra...)...).labels(rng, 1, classes)
	for i, v := range s.x[0].Data {
		s.x[0].Data[i] = math.Round(2*v) / 2
	}
	return s.run(RowMax{}, 2, 0).run(ExpSum{}, 3, 0, 1, 2)
}

// cases draws a sample of every op there is.
var cases = []func(*rand.Rand) sample{
	func(r *rand.Rand) sample {
		return drawn(r, Normalize{Mean: [4]float64{.1, .2, .3, .4}, Dev: [4]float64{1, 2, 3, 4}}, activation(r))
	},
	func(r *rand.Rand) sample {
		g, x, w, _ := convolution(r)
		return drawn(r, Conv{Geometry: g}, x, w)
	},
	func(r *rand.Rand) sample {
		n, c, k := upTo(r, 4), upTo(r, 7), upTo(r, 7)
		return drawn(r, Linear(), layout.Shape{n, c, 1, 1}, layout.Shape{k, c, 1, 1})
	},
	func(r *rand.Rand) sample {
		g, x, w, y := convolution(r)
		return drawn(r, ConvDataGrad{Geometry: g}, x, w, y)
	},
	func(r *rand.Rand) sample {
		g, x, w, y := convolution(r)
		return drawn(r, ConvFilterGrad{Geometry: g}, x, w, y)
	},
	func(r *rand.Rand) sample { x := activation(r); return drawn(r, Bias{}, x, channelsOf(x)) },
	func(r *rand.Rand) sample { return drawn(r, BiasGrad{}, activation(r)) },
	func(r *rand.Rand) sample { return drawn(r, ReLU{}, activation(r)) },
	func(r *rand.Rand) sample { x := activation(r); return drawn(r, ReLUGrad{}, x, x) },
	func(r *rand.Rand) sample { x := activation(r); return drawn(r, Add{}, x, x) },
	func(r *rand.Rand) sample { p, x, _ := pooling(r); return drawn(r, MaxPool{Pool: p}, x) },
	func(r *rand.Rand) sample {
		p, x, y := pooling(r)
		return drawn(r, MaxPoolGrad{Pool: p}, x, y, y).run(MaxPool{Pool: p}, 1, 0)
	},
	func(r *rand.Rand) sample { p, x, _ := pooling(r); return drawn(r, AvgPool{Pool: p}, x) },
	func(r *rand.Rand) sample { p, x, y := pooling(r); return drawn(r, AvgPoolGrad{Pool: p}, x, y) },
	func(r *rand.Rand) sample { l, x := responses(r); return drawn(r, l, x) },
	func(r *rand.Rand) sample { l, x := responses(r); return drawn(r, LRNGrad(l), x, x) },
	func(r *rand.Rand) sample { return drawn(r, BNMean{}, activation(r)) },
	func(r *rand.Rand) sample { x := activation(r); return drawn(r, BNVar{}, x, channelsOf(x)) },
	func(r *rand.Rand) sample {
		x := activation(r)
		c := channelsOf(x)
		return drawn(r, BN{Eps: 1e-5}, x, c, c, c, c).positive(2)
	},
	func(r *rand.Rand) sample {
		x := activation(r)
		c := channelsOf(x)
		return drawn(r, BNGammaGrad{Eps: 1e-5}, x, c, c, x).positive(2)
	},
	func(r *rand.Rand) sample {
		x := activation(r)
		c := channelsOf(x)
		return drawn(r, BNGrad{Eps: 1e-5}, x, c, c, c, c, c, x).positive(2)
	},
	func(r *rand.Rand) sample {
		c := layout.Shape{upTo(r, 9), 1, 1, 1}
		return drawn(r, RunningStat{Rate: 0.1, Unbias: 1.5}, c, c)
	},
	func(r *rand.Rand) sample {
		s := drawn(r, Dropout{P: 0.4, Key: r.Uint64(), Grad: r.IntN(2) == 0}, activation(r), scalar)
		s.x[1].Data[0] = 7
		return s
	},
	func(r *rand.Rand) sample { return drawn(r, Flatten{}, activation(r)) },
	func(r *rand.Rand) sample { x := activation(r); return drawn(r, Unflatten{}, x, flat(x)) },
	func(r *rand.Rand) sample {
		x := activation(r)
		in := []layout.Shape{x}
		for range r.IntN(3) {
			x[1] = upTo(r, 5)
			in = append(in, x)
		}
		return drawn(r, Concat{}, in...)
	},
	func(r *rand.Rand) sample {
		dy := activation(r)
		lo := r.IntN(dy[1])
		x := dy
		x[1] = upTo(r, dy[1]-lo)
		return drawn(r, Slice{Lo: lo, Hi: lo + x[1]}, x, dy)
	},
	func(r *rand.Rand) sample {
		g, x := upTo(r, 5), activation(r)
		x[1] = g * upTo(r, 5)
		return drawn(r, Shuffle{Groups: g, Grad: r.IntN(2) == 0}, x)
	},
	func(r *rand.Rand) sample { _, in := logits(r); return drawn(r, RowMax{}, in[0]) },
	func(r *rand.Rand) sample {
		n, in := logits(r)
		return drawn(r, ExpSum{}, in[:3]...).labels(r, 1, n).run(RowMax{}, 2, 0)
	},
	func(r *rand.Rand) sample { n, in := logits(r); return chained(r, CountAbove{}, in, n) },
	func(r *rand.Rand) sample { n, in := logits(r); return chained(r, Loss{}, in, n) },
	func(r *rand.Rand) sample { n, in := logits(r); return chained(r, LossGrad{}, in, n, scalar) },
	func(r *rand.Rand) sample {
		_, in := logits(r)
		return drawn(r, Hits{}, in[1], in[1]).labels(r, 0, 5).labels(r, 1, 8)
	},
	func(r *rand.Rand) sample {
		_, _, w, _ := convolution(r)
		return drawn(r, SGD{Mu: 0.9, Decay: 0.01}, w, w, w, scalar)
	},
}

func generator(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// Every type of this package that has a Kind is in cases, so no op escapes the tests that
// go over them.
func TestCasesHoldEveryOp(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range cases {
		tested[reflect.TypeOf(c(generator(1)).op).Name()] = true
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range files {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			m, ok := d.(*ast.FuncDecl)
			if !ok || m.Recv == nil || m.Name.Name != "Kind" {
				continue
			}
			found++
			if name := m.Recv.List[0].Type.(*ast.Ident).Name; !tested[name] {
				t.Errorf("%s is in no test case", name)
			}
		}
	}
	if found < 30 {
		t.Errorf("found only %d ops: is this test looking in the right place?", found)
	}
}

// Kinds of different ops differ.
func TestKindsDiffer(t *testing.T) {
	of := map[string]string{}
	for _, c := range cases {
		o := c(generator(1)).op
		name := reflect.TypeOf(o).Name()
		if other, ok := of[o.Kind()]; ok && other != name {
			t.Errorf("%s and %s are both called %q", name, other, o.Kind())
		}
		of[o.Kind()] = name
	}
}
