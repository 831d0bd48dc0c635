package op

import (
	"reflect"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func hashOf(layer string, o Op) uint32 { return (&adapter{op: o, layer: layer}).Hashcode() }

// numbers calls f with each number, flag and entry of an array within v.
func numbers(v reflect.Value, f func(reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				numbers(v.Field(i), f)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			numbers(v.Index(i), f)
		}
	default:
		f(v)
	}
}

// Every attribute of every op, and the layer, is in the hash and in the comparison.
func TestHashHoldsLayerAndAttributes(t *testing.T) {
	seen := map[uint32]Op{}
	for _, c := range cases {
		o := c(generator(9)).op
		hash := hashOf("conv1", o)
		if hash == hashOf("conv2", o) {
			t.Errorf("%s: the layer is not in the hash", o.Kind())
		}
		if p, ok := seen[hash]; ok && p != o {
			t.Errorf("%s and %s have one hash", o.Kind(), p.Kind())
		}
		seen[hash] = o
		v := reflect.New(reflect.TypeOf(o)).Elem()
		v.Set(reflect.ValueOf(o))
		numbers(v, func(field reflect.Value) {
			old := reflect.ValueOf(field.Interface())
			switch field.Kind() {
			case reflect.Int:
				field.SetInt(field.Int() + 1)
			case reflect.Uint64:
				field.SetUint(field.Uint() + 1)
			case reflect.Float64:
				field.SetFloat(field.Float() * (1 + 1e-15))
				if field.Float() == old.Float() {
					field.SetFloat(field.Float() + 1)
				}
			case reflect.Bool:
				field.SetBool(!field.Bool())
			default:
				t.Fatalf("%s: attribute of kind %v", o.Kind(), field.Kind())
			}
			other := v.Interface().(Op)
			if other == o || hashOf("conv1", other) == hash {
				t.Errorf("%+v and %+v count as equal", o, other)
			}
			field.Set(old)
		})
	}
}

func TestEqualNodesAreRefused(t *testing.T) {
	g := G.NewGraph()
	a, b := Input(g, "a", 2, 3), Input(g, "b", 2, 3)
	y, err := Apply("l", ReLU{}, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []*G.Node{a, b, y} {
		if _, err := Apply("l", ReLU{}, x); err == nil || !strings.Contains(err.Error(), "second relu") {
			t.Errorf("error %v", err)
		}
	}
	if _, err := Apply("m", ReLU{}, a); err != nil {
		t.Error(err)
	}
	if _, err := Apply("l", Dropout{P: 0.5}, a, Input(g, "step")); err != nil {
		t.Error(err)
	}
	if _, err := Apply("l", Dropout{P: 0.5, Grad: true}, a, g.ByName("step")[0]); err != nil {
		t.Error(err)
	}
}

func TestOf(t *testing.T) {
	g := G.NewGraph()
	x := Input(g, "x", 2, 3)
	y, err := Apply("head", Linear(), x, Param(g, "w", 4, 3))
	if err != nil {
		t.Fatal(err)
	}
	if o, layer, ok := Of(y); !ok || layer != "head" || o != Linear() {
		t.Errorf("Of gives %+v, %q, %v", o, layer, ok)
	}
	if _, _, ok := Of(x); ok {
		t.Error("a leaf is an op")
	}
	if sum, err := G.Add(y, y); err != nil {
		t.Fatal(err)
	} else if _, _, ok := Of(sum); ok {
		t.Error("gorgonia's sum is an op of ours")
	}
	if y.Shape()[0] != 2 || y.Shape()[1] != 4 || y.Dims() != 2 {
		t.Errorf("shape %v", y.Shape())
	}
}

func TestApplyRefuses(t *testing.T) {
	g := G.NewGraph()
	x := Input(g, "x", 2, 3, 4, 4)
	other := Input(G.NewGraph(), "y", 2, 3, 4, 4)
	for name, apply := range map[string]func() (*G.Node, error){
		"no inputs":      func() (*G.Node, error) { return Apply("l", ReLU{}) },
		"nil input":      func() (*G.Node, error) { return Apply("l", Add{}, x, nil) },
		"two graphs":     func() (*G.Node, error) { return Apply("l", Add{}, x, other) },
		"a mutator":      func() (*G.Node, error) { return Apply("l", SGD{}, x, x, x, Input(g, "rate")) },
		"too few inputs": func() (*G.Node, error) { return Apply("l", Add{}, x) },
		"image to 2-D": func() (*G.Node, error) {
			return Apply("l", Linear(), Input(g, "rows", 2, 3), Input(g, "filters", 4, 3, 1, 2))
		},
	} {
		if n, err := apply(); err == nil || n != nil {
			t.Errorf("%s: node %v, error %v", name, n, err)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error of several lines: %v", name, err)
		}
	}
	f32 := G.NewTensor(g, G.Float32, 2, G.WithShape(2, 2), G.WithName("f32"))
	if _, err := Apply("l", ReLU{}, f32); err == nil {
		t.Error("a float32 input is taken")
	}
}

func TestLeavesOfEqualNamesPanic(t *testing.T) {
	for name, make := range map[string]func(g *G.ExprGraph){
		"equal names, another shape": func(g *G.ExprGraph) { Param(g, "x", 3) },
		"equal names and shapes":     func(g *G.ExprGraph) { Input(g, "x", 2) },
		"no name":                    func(g *G.ExprGraph) { Input(g, "", 2) },
		"no extent":                  func(g *G.ExprGraph) { Input(g, "y", 2, 0) },
		"five dimensions":            func(g *G.ExprGraph) { Input(g, "y", 1, 1, 1, 1, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			g := G.NewGraph()
			Input(g, "x", 2)
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			make(g)
		})
	}
}

func TestParamsAreMarked(t *testing.T) {
	g := G.NewGraph()
	if isParam(Input(g, "a", 2)) || isParam(Input(g, "s")) || !isParam(Param(g, "b", 2)) || !isParam(Param(g, "c")) {
		t.Error("inputs and parameters are mixed up")
	}
}

// Do refuses values that are not what the graph was built for.
func TestDoRefuses(t *testing.T) {
	a := &adapter{op: ReLU{}, layer: "l", in: []int{2}, out: 2}
	if _, err := a.Do(tensor.New(tensor.WithShape(2, 2), tensor.Of(tensor.Float32))); err == nil {
		t.Error("float32 is taken")
	}
	if _, err := (&adapter{op: Add{}, layer: "l", in: []int{1, 1}, out: 1}).Do(
		tensor.New(tensor.WithShape(2), tensor.Of(tensor.Float64)), tensor.New(tensor.WithShape(3), tensor.Of(tensor.Float64))); err == nil {
		t.Error("values of two shapes are added")
	}
}

// Dims, Out and the adapter agree for every op, on shapes full of ones too.
func TestShapesInGorgonia(t *testing.T) {
	for _, c := range cases {
		rng := generator(21)
		for range 20 {
			checkNode(t, c(rng))
		}
	}
}

// dims returns the dimensions that input i of o has in a net of images.
func dims(o Op, i int) int {
	switch o.(type) {
	case RowMax, ExpSum, CountAbove, Loss, LossGrad:
		return [...]int{2, 1, 1, 2, 0}[i]
	case Hits:
		return 1
	case Dropout:
		return []int{4, 0}[i]
	case BNVar, Bias:
		return []int{4, 1}[i]
	case BN:
		return []int{4, 1, 1, 1, 1}[i]
	case BNGammaGrad:
		return []int{4, 1, 1, 4}[i]
	case BNGrad:
		return []int{4, 1, 1, 1, 1, 1, 4}[i]
	case Unflatten:
		return []int{4, 2}[i]
	}
	return 4
}

func checkNode(t *testing.T, s sample) {
	t.Helper()
	if _, ok := s.op.(Mutator); ok {
		return
	}
	n := newNet(t, 1)
	var in []*G.Node
	var inDims []int
	for i, x := range s.x {
		name, d := string(rune('a'+i)), dims(s.op, i)
		in, inDims = append(in, n.input(name, x.Data, s.in[i][:d]...)), append(inDims, d)
	}
	y := n.apply("l", s.op, in...)
	w, err := Whole(s.op, s.in)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := pad(y.Shape()); err != nil || p != w.Out.Shape() {
		t.Fatalf("%+v of %v: node of shape %v, op says %v", s.op, s.in, y.Shape(), w.Out.Shape())
	}
	if y.Dims() != s.op.Dims(inDims) {
		t.Fatalf("%+v of %v: node of %d dimensions", s.op, s.in, y.Dims())
	}
	want := filled(w.Out, 0)
	s.op.Run(s.in, w, want, s.x)
	if got := n.run(y)[0]; !same(got, want.Data) {
		t.Fatalf("%+v of %v: the machine gives %v, the reference %v", s.op, s.in, got, want.Data)
	}
}
