package random

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"slices"
	"testing"
)

// Values that must never change, on any architecture: a run's weights and its order of
// images depend on them.
const goldenKey = 0x9d0f76188630947b

var (
	goldenPerm   = []int{2, 1, 5, 0, 7, 3, 4, 9, 6, 8}
	goldenNormal = []uint64{}
	// The centre, the middle and the tails of the distribution.
	goldenQuantile = []struct {
		p    float64
		want uint64
	}{
		{0x1p-53, 0xc0206b48528cea51}, {1e-12, 0xc01c234fba57a32a}, {1e-5, 0xc0110f3f8843a3da}, {0.01, 0xc0029c5c4630ff0e},
		{0.07, 0xbff79cd70d9c27f0}, {0.3, 0xbfe0c7e39582c5fa}, {0.5, 0}, {0.9, 0x3ff4813c36e26d34},
		{0.99, 0x40029c5c4630ff0e}, {1 - 0x1p-53, 0x40206b48528cea51},
	}
)

func TestNormalGolden(t *testing.T) {
	for i, want := range goldenNormal {
		if got := math.Float64bits(Normal(Key(1, "golden"), uint64(i)<<40, uint64(i)*1001)); got != want {
			t.Errorf("number %d: got %#x (%v), want %#x", i, got, math.Float64frombits(got), want)
		}
	}
	for _, c := range goldenQuantile {
		if got := math.Float64bits(quantile(c.p)); got != c.want {
			t.Errorf("quantile(%g): got %#x (%v), want %#x", c.p, got, quantile(c.p), c.want)
		}
	}
}

func TestQuantileInvertsTheDistribution(t *testing.T) {
	for p := 0x1p-53; p < 0.5; p *= 1.01 {
		z := quantile(p)
		if back := 0.5 * math.Erfc(-z/math.Sqrt2); math.Abs(back-p) > 1e-13*p {
			t.Fatalf("p=%g: quantile %v has probability %g", p, z, back)
		}
		if p > 1e-10 && math.Abs(quantile(1-p)+quantile(1-(1-p))) != 0 {
			t.Fatalf("p=%g: quantiles of p and 1-p are not opposite", p)
		}
	}
}

// TestNormalMoments allows each moment five standard errors.
func TestNormalMoments(t *testing.T) {
	const n = 200_000
	var m [5]float64
	for i := range uint64(n) {
		x := Normal(3, 4, i)
		for k, power := 0, 1.0; k < len(m); k++ {
			m[k] += power / n
			power *= x
		}
	}
	for k, c := range []struct{ want, variance float64 }{{1, 0}, {0, 1}, {1, 2}, {0, 15}, {3, 96}} {
		if math.Abs(m[k]-c.want) > 5*math.Sqrt(c.variance/n)+1e-9 {
			t.Errorf("moment %d: got %v, want %v", k, m[k], c.want)
		}
	}
}

// TestNormalDistribution is a Kolmogorov–Smirnov test: √n·D stays below 1.95 with
// probability 0.999. Neighbours must not correlate.
func TestNormalDistribution(t *testing.T) {
	const n = 50_000
	x := make([]float64, n)
	for i := range x {
		x[i] = Normal(Key(1, "ks"), 0, uint64(i))
	}
	var product float64
	for i := range n - 1 {
		product += x[i] * x[i+1]
	}
	if c := product / n; math.Abs(c) > 5/math.Sqrt(n) {
		t.Errorf("neighbours correlate: %v", c)
	}
	slices.Sort(x)
	var d float64
	for i, v := range x {
		f := 0.5 * math.Erfc(-v/math.Sqrt2)
		d = max(d, math.Abs(f-float64(i)/n), math.Abs(f-float64(i+1)/n))
	}
	if k := d * math.Sqrt(n); k > 1.95 {
		t.Errorf("√n·D = %.2f, want below 1.95", k)
	}
}

// TestNoFusedProducts checks that each float product is the argument of a conversion, so
// that no compiler may fuse it with the addition that follows. Products whose result is
// the function's result or exact (a power of two) are fused with nothing.
func TestNoFusedProducts(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "normal.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	converted := map[ast.Node]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "float64" {
				converted[call.Args[0]] = true
			}
		}
		if b, ok := n.(*ast.BinaryExpr); ok && b.Op == token.MUL && !converted[b] && !powerOfTwo(b.X) && !powerOfTwo(b.Y) {
			t.Errorf("%s: product without float64()", fset.Position(b.Pos()))
		}
		return true
	})
}

func powerOfTwo(e ast.Expr) bool {
	l, ok := e.(*ast.BasicLit)
	return ok && (l.Value == "2" || l.Value == "0x1p-52")
}

func BenchmarkNormal(b *testing.B) {
	var sink float64
	for i := range b.N {
		sink += Normal(1, 2, uint64(i))
	}
	_ = sink
}
