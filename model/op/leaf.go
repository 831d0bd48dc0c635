package op

import (
	"reflect"

	G "gorgonia.org/gorgonia"
)

// paramGroup marks the leaves that Param made. Gorgonia keeps a node's group name and
// uses it for drawing only, but has no way to ask for it: isParam reads the field.
const paramGroup = "cleave parameter"

// Input adds a leaf that is not trained (image, labels, a statistic, a scalar; no shape
// at all is a scalar): no gradient is built for it. It panics if the graph has a leaf of
// that name, which Gorgonia would take for the same one, or if an extent is below 1.
func Input(g *G.ExprGraph, name string, shape ...int) *G.Node { return leaf(g, name, shape) }

// Param adds a leaf that is trained. It panics as Input does.
func Param(g *G.ExprGraph, name string, shape ...int) *G.Node {
	return leaf(g, name, shape, G.WithGroupName(paramGroup))
}

func leaf(g *G.ExprGraph, name string, shape []int, opts ...G.NodeConsOpt) *G.Node {
	if name == "" {
		panic("op: a leaf needs a name")
	}
	if len(g.ByName(name)) > 0 {
		panic("op: the graph has a leaf of that name")
	}
	if len(shape) > 4 {
		panic("op: a leaf has at most four dimensions")
	}
	for _, n := range shape {
		if n < 1 {
			panic("op: a leaf's extent is below 1")
		}
	}
	opts = append(opts, G.WithName(name), G.WithShape(shape...))
	before := len(g.AllNodes())
	n := G.NewTensor(g, G.Float64, len(shape), opts...)
	if len(g.AllNodes()) != before+1 {
		panic("op: gorgonia takes the leaf for another one")
	}
	return n
}

func isParam(n *G.Node) bool {
	return n.IsVar() && reflect.ValueOf(n).Elem().FieldByName("group").String() == paramGroup
}
