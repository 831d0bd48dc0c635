package op

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cleave/layout"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// net is a graph under test: leaves with values and one output.
type net struct {
	t      *testing.T
	g      *G.ExprGraph
	rng    *rand.Rand
	leaves []*G.Node
	params G.Nodes
	data   map[*G.Node][]float64
}

func newNet(t *testing.T, seed uint64) *net {
	return &net{t: t, g: G.NewGraph(), rng: generator(seed), data: map[*G.Node][]float64{}}
}

func (n *net) add(leaf *G.Node, values []float64) *G.Node {
	if values == nil {
		values = make([]float64, max(1, leaf.Shape().TotalSize()))
		for i := range values {
			values[i] = n.rng.NormFloat64()
		}
	}
	n.leaves, n.data[leaf] = append(n.leaves, leaf), values
	return leaf
}

// param adds a leaf with normal values, or those given.
func (n *net) param(name string, values []float64, shape ...int) *G.Node {
	p := n.add(Param(n.g, name, shape...), values)
	n.params = append(n.params, p)
	return p
}

func (n *net) input(name string, values []float64, shape ...int) *G.Node {
	return n.add(Input(n.g, name, shape...), values)
}

func (n *net) apply(layer string, o Op, in ...*G.Node) *G.Node {
	n.t.Helper()
	y, err := Apply(layer, o, in...)
	if err != nil {
		n.t.Fatal(err)
	}
	return y
}

// value returns v's elements.
func value(t *testing.T, v G.Value) []float64 {
	t.Helper()
	switch d := v.Data().(type) {
	case float64:
		return []float64{d}
	case []float64:
		return d
	}
	t.Fatalf("value of %T", v.Data())
	return nil
}

// run returns the values of nodes, computed by Gorgonia's tape machine.
func (n *net) run(nodes ...*G.Node) [][]float64 {
	n.t.Helper()
	for _, l := range n.leaves {
		var v any = tensor.New(tensor.WithShape(l.Shape()...), tensor.WithBacking(slices.Clone(n.data[l])))
		if l.Dims() == 0 {
			v = n.data[l][0]
		}
		if err := G.Let(l, v); err != nil {
			n.t.Fatal(err)
		}
	}
	values := make([]G.Value, len(nodes))
	for i, node := range nodes {
		G.Read(node, &values[i])
	}
	m := G.NewTapeMachine(n.g)
	defer m.Close()
	if err := m.RunAll(); err != nil {
		n.t.Fatal(err)
	}
	out := make([][]float64, len(nodes))
	for i, v := range values {
		out[i] = slices.Clone(value(n.t, v))
	}
	return out
}

// checkGradients compares what Backpropagate builds, run by the tape machine, with
// central differences of Σ seed·y. build makes a net anew with the same values.
func checkGradients(t *testing.T, build func(n *net) *G.Node) {
	t.Helper()
	const seed = 11
	n := newNet(t, seed)
	y := build(n)
	weights := n.input("seed", nil, y.Shape()...)
	grads, err := G.Backpropagate(G.Nodes{y}, G.Nodes{weights}, n.params)
	if err != nil {
		t.Fatal(err)
	}
	got := n.run(grads...)

	ref := newNet(t, seed)
	out := build(ref)
	f := func() float64 {
		sum := 0.0
		for i, v := range refRun(ref, out) {
			sum += v * n.data[weights][i]
		}
		return sum
	}
	const step = 1e-5
	for i, p := range ref.params {
		scale := 1.0
		for _, v := range got[i] {
			scale = max(scale, math.Abs(v))
		}
		for j := range ref.data[p] {
			old := ref.data[p][j]
			ref.data[p][j] = old + step
			hi := f()
			ref.data[p][j] = old - step
			lo := f()
			ref.data[p][j] = old
			if want := (hi - lo) / (2 * step); !(math.Abs(got[i][j]-want) <= 2e-8*scale) {
				t.Errorf("gradient of %s, element %d: %v, differences say %v", p.Name(), j, got[i][j], want)
			}
		}
	}
}

// refRun computes out by the ops' references directly, without Gorgonia's machine.
func refRun(n *net, out *G.Node) []float64 {
	done := map[*G.Node][]float64{}
	var visit func(*G.Node) []float64
	visit = func(node *G.Node) []float64 {
		if v, ok := n.data[node]; ok {
			return v
		}
		if v, ok := done[node]; ok {
			return v
		}
		o, _, ok := Of(node)
		if !ok {
			n.t.Fatalf("%v is no op of ours", node)
		}
		var in []layout.Shape
		var x []Frag
		for _, c := range children(node) {
			s, err := pad(c.Shape())
			if err != nil {
				n.t.Fatal(err)
			}
			in, x = append(in, s), append(x, Frag{Box: s.Box(), Data: visit(c)})
		}
		w, err := Whole(o, in)
		if err != nil {
			n.t.Fatal(err)
		}
		y := filled(w.Out, 0)
		o.Run(in, w, y, x)
		done[node] = y.Data
		return y.Data
	}
	return visit(out)
}

// apart returns n values in random order with gaps of at least 0.1, none near 0.
func apart(rng *rand.Rand, n int) []float64 {
	v := make([]float64, n)
	for i, j := range rng.Perm(n) {
		v[i] = 0.1*float64(j-n/2) + 0.05
	}
	return v
}

func TestGradients(t *testing.T) {
	conv := func(g Geometry, x, w []int) func(*net) *G.Node {
		return func(n *net) *G.Node {
			return n.apply("l", Conv{Geometry: g}, n.param("x", nil, x...), n.param("w", nil, w...))
		}
	}
	unary := func(o Op, shape ...int) func(*net) *G.Node {
		return func(n *net) *G.Node {
			return n.apply("l", o, n.param("x", apart(n.rng, tensor.Shape(shape).TotalSize()), shape...))
		}
	}
	bn := func(shape ...int) func(*net) *G.Node {
		return func(n *net) *G.Node {
			x := n.param("x", nil, shape...)
			mean := n.apply("l", BNMean{}, x)
			return n.apply("l", BN{Eps: 1e-3}, x, mean, n.apply("l", BNVar{}, x, mean), n.param("gamma", nil, shape[1]), n.param("beta", nil, shape[1]))
		}
	}
	pools := []Pool{
		{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}},
		{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pad: [4]int{1, 1, 1, 1}},
		{Kernel: [2]int{3, 2}, Stride: [2]int{2, 3}, Pad: [4]int{1, 2, 0, 1}, Ceil: true},
		{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pad: [4]int{1, 0, 2, 1}, Ceil: true, CountPad: true},
	}
	tests := map[string]func(*net) *G.Node{
		"conv":            conv(Geometry{1, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 1, 1, 1}}, []int{2, 2, 4, 4}, []int{3, 2, 3, 3}),
		"conv uneven":     conv(Geometry{2, [2]int{2, 3}, [2]int{2, 1}, [4]int{1, 2, 0, 3}}, []int{2, 4, 5, 6}, []int{6, 2, 2, 3}),
		"conv depthwise":  conv(Geometry{3, [2]int{1, 2}, [2]int{1, 1}, [4]int{0, 1, 1, 0}}, []int{1, 3, 3, 4}, []int{3, 1, 2, 2}),
		"linear":          func(n *net) *G.Node { return n.apply("l", Linear(), n.param("x", nil, 3, 5), n.param("w", nil, 4, 5)) },
		"linear of one":   func(n *net) *G.Node { return n.apply("l", Linear(), n.param("x", nil, 1, 1), n.param("w", nil, 1, 1)) },
		"bias":            func(n *net) *G.Node { return n.apply("l", Bias{}, n.param("x", nil, 2, 3, 2, 2), n.param("b", nil, 3)) },
		"bias of rows":    func(n *net) *G.Node { return n.apply("l", Bias{}, n.param("x", nil, 2, 3), n.param("b", nil, 3)) },
		"relu":            unary(ReLU{}, 2, 3, 2, 2),
		"add":             func(n *net) *G.Node { return n.apply("l", Add{}, n.param("a", nil, 2, 3), n.param("b", nil, 2, 3)) },
		"add to itself":   func(n *net) *G.Node { x := n.param("x", nil, 2, 3); return n.apply("l", Add{}, x, x) },
		"lrn":             unary(LRN{N: 5, Towers: 1, K: 2, Alpha: 0.3, Beta: 0.75}, 2, 7, 1, 2),
		"lrn of towers":   unary(LRN{N: 3, Towers: 2, K: 1, Alpha: 0.3, Beta: 0.5}, 1, 8, 2, 1),
		"global average":  unary(AvgPool{Pool: Pool{Kernel: [2]int{3, 4}, Stride: [2]int{1, 1}}}, 2, 2, 3, 4),
		"flatten":         unary(Flatten{}, 2, 3, 2, 2),
		"shuffle":         unary(Shuffle{Groups: 2}, 2, 6, 1, 2),
		"shuffle squared": unary(Shuffle{Groups: 3}, 1, 9, 1, 1),
		"batch norm":      bn(3, 2, 2, 2),
		"bn of rows":      bn(4, 3),
		"bn of 1 channel": bn(4, 1, 2, 1),
		"dropout": func(n *net) *G.Node {
			return n.apply("l", Dropout{P: 0.4, Key: 5}, n.param("x", nil, 3, 4, 2, 1), n.input("step", []float64{3}))
		},
		"concat": func(n *net) *G.Node {
			return n.apply("l", Concat{}, n.param("a", nil, 2, 1, 2, 2), n.input("frozen", nil, 2, 2, 2, 2), n.param("b", nil, 2, 3, 2, 2))
		},
		"loss": func(n *net) *G.Node {
			x, labels := n.param("x", apart(n.rng, 15), 3, 5), n.input("labels", []float64{2, -1, 4}, 3)
			top := n.apply("l", RowMax{}, x)
			return n.apply("l", Loss{}, x, labels, top, n.apply("l", ExpSum{}, x, labels, top))
		},
		"loss of one": func(n *net) *G.Node {
			x, labels := n.param("x", apart(n.rng, 3), 1, 3), n.input("labels", []float64{1}, 1)
			top := n.apply("l", RowMax{}, x)
			return n.apply("l", Loss{}, x, labels, top, n.apply("l", ExpSum{}, x, labels, top))
		},
		"residual": residual,
	}
	for i, p := range pools {
		name := string(rune('a' + i))
		tests["max pool "+name] = unary(MaxPool{Pool: p}, 1, 2, 5, 7)
		tests["average pool "+name] = unary(AvgPool{Pool: p}, 1, 2, 5, 7)
	}
	for name, build := range tests {
		t.Run(name, func(t *testing.T) { checkGradients(t, build) })
	}
}

// residual is a small net whose values have several readers, from an image to a loss.
func residual(n *net) *G.Node {
	g := Geometry{Groups: 1, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Pad: [4]int{1, 1, 1, 1}}
	x := n.input("image", nil, 3, 2, 4, 4)
	x = n.apply("conv1", Conv{Geometry: g}, x, n.param("w1", nil, 4, 2, 3, 3))
	x = n.apply("conv1", Bias{}, x, n.param("b1", nil, 4))
	mean := n.apply("bn", BNMean{}, x)
	x = n.apply("bn", BN{Eps: 1e-5}, x, mean, n.apply("bn", BNVar{}, x, mean), n.param("gamma", nil, 4), n.param("beta", nil, 4))
	g.Groups = 2
	y := n.apply("conv2", Conv{Geometry: g}, x, n.param("w2", nil, 4, 2, 3, 3))
	x = n.apply("sum", Add{}, x, n.apply("lrn", LRN{N: 3, Towers: 1, K: 2, Alpha: 0.1, Beta: 0.75}, y))
	x = n.apply("pool", AvgPool{Pool: Pool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}}}, x)
	x = n.apply("flat", Flatten{}, x)
	x = n.apply("fc", Linear(), x, n.param("w3", nil, 3, 16))
	labels := n.input("labels", []float64{0, 2, 1}, 3)
	top := n.apply("loss", RowMax{}, x)
	es := n.apply("loss", ExpSum{}, x, labels, top)
	return n.apply("loss", Loss{}, x, labels, top, es)
}

// Nobody asks for the image's gradient, so the first layer has none.
func TestFirstLayerHasNoDataGradient(t *testing.T) {
	for _, normalized := range []bool{false, true} {
		n := newNet(t, 1)
		x := n.input("image", nil, 1, 2, 4, 4)
		if normalized {
			x = n.apply("image", Normalize{Dev: [4]float64{1, 1, 1, 1}}, x)
		}
		o := Conv{Geometry: Geometry{Groups: 1, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}}}
		x = n.apply("conv1", o, x, n.param("w1", nil, 3, 2, 2, 2))
		x = n.apply("conv1", Bias{}, x, n.param("b1", nil, 3))
		x = n.apply("conv2", o, x, n.param("w2", nil, 2, 3, 2, 2))
		if _, err := G.Backpropagate(G.Nodes{x}, G.Nodes{n.input("seed", nil, x.Shape()...)}, n.params); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, node := range n.g.AllNodes() {
			if o, layer, ok := Of(node); ok && strings.HasSuffix(o.Kind(), "grad") {
				got = append(got, layer+"."+o.Kind())
			}
		}
		slices.Sort(got)
		want := []string{"conv1.bias-grad", "conv1.conv-filter-grad", "conv2.conv-data-grad", "conv2.conv-filter-grad"}
		if !slices.Equal(got, want) {
			t.Errorf("gradients %v, want %v", got, want)
		}
	}
}

// Nothing but sums of a value's gradients is added by Gorgonia.
func TestGorgoniaAddsSumsOnly(t *testing.T) {
	n := newNet(t, 1)
	y := residual(n)
	if _, err := G.Backpropagate(G.Nodes{y}, G.Nodes{n.input("seed", nil)}, n.params); err != nil {
		t.Fatal(err)
	}
	sums := 0
	for _, node := range n.g.AllNodes() {
		if _, _, ok := Of(node); ok || node.Op() == nil {
			continue
		}
		if node.Op().String() != "+ false" {
			t.Errorf("gorgonia added %T %v", node.Op(), node.Op())
		}
		sums++
	}
	if sums != 1 {
		t.Errorf("%d sums, want the one of bn's two readers", sums)
	}
}

func TestParameterThatDoesNotReachTheLoss(t *testing.T) {
	n := newNet(t, 1)
	y := n.apply("l", ReLU{}, n.param("x", nil, 2, 2))
	n.apply("other", ReLU{}, n.param("lost", nil, 2, 2))
	if _, err := G.Backpropagate(G.Nodes{y}, G.Nodes{n.input("seed", nil, 2, 2)}, n.params); err == nil {
		t.Error("no error")
	}
}

// A batch norm that reads running statistics has no gradient.
func TestRunningStatisticsAreNotDifferentiated(t *testing.T) {
	n := newNet(t, 1)
	x := n.param("x", nil, 2, 3)
	y := n.apply("bn", BN{Eps: 1}, x, n.input("mean", nil, 3), n.input("var", nil, 3), n.param("gamma", nil, 3), n.param("beta", nil, 3))
	_, err := G.Backpropagate(G.Nodes{y}, G.Nodes{n.input("seed", nil, 2, 3)}, n.params)
	if err == nil || !strings.Contains(err.Error(), "mean is not that of the batch") {
		t.Errorf("error %v", err)
	}
}
