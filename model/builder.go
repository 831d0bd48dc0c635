package model

import (
	"fmt"
	"math"
	"slices"

	"cleave/model/op"
	"cleave/random"

	G "gorgonia.org/gorgonia"
)

// Builder builds a net layer by layer. Each method adds the ops of the layer that it
// names and returns their output. The first error sticks: later calls do nothing and
// Finish returns it.
type Builder struct {
	net *Net
	x   *G.Node // the normalised image
	err error
}

// NewBuilder starts a net whose grouped convolutions have the given number of groups. Its
// first layer, "normalize", turns pixels into numbers: (v/255 − mean)/dev per channel.
func NewBuilder(name string, groups int, cfg Config) *Builder {
	g := G.NewGraph()
	b := &Builder{net: &Net{Name: name, Groups: groups, Config: cfg, Graph: g}}
	if b.err = cfg.check(); b.err != nil {
		return b
	}
	b.net.Image = op.Input(g, "image", cfg.Batch, cfg.Channels, cfg.Height, cfg.Width)
	b.net.Labels = op.Input(g, "labels", cfg.Batch)
	b.x = b.apply("normalize", cfg.normalize(), b.net.Image)
	return b
}

// Image returns the normalised image, N×C×H×W.
func (b *Builder) Image() *G.Node { return b.x }

// Train reports whether the net is built for training.
func (b *Builder) Train() bool { return b.net.Config.Train }

// Channels returns the extent of x along its channel axis; 0 after an error.
func (b *Builder) Channels(x *G.Node) int {
	if b.err != nil {
		return 0
	}
	return x.Shape()[1]
}

// Fail makes err the builder's error if it has none yet.
func (b *Builder) Fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Start gives the initial values of a layer's weights, each output of which adds up fanIn
// products.
type Start func(fanIn int) Init

// He is the initialisation of He et al. 2015 (equation 10) for layers before a ReLU:
// normal with deviation √(2/fanIn).
func He(fanIn int) Init { return Init{Std: math.Sqrt(2 / float64(fanIn))} }

// Normal starts weights normal with mean 0 and deviation std, whatever the layer.
func Normal(std float64) Start { return func(int) Init { return Init{Std: std} } }

// Filters says what a convolution is made of.
type Filters struct {
	Out      int    // filters, over all groups
	Kernel   [2]int // rows, columns
	Geometry op.Geometry
}

// Square returns filters that are the same along rows and columns.
func Square(out, kernel, stride, pad, groups int) Filters {
	return Filters{
		Out:    out,
		Kernel: [2]int{kernel, kernel},
		Geometry: op.Geometry{
			Groups:   groups,
			Stride:   [2]int{stride, stride},
			Dilation: [2]int{1, 1},
			Pad:      [4]int{pad, pad, pad, pad},
		},
	}
}

// Conv adds a convolution without bias, with the parameter name.weight, K×(C/G)×R×S.
func (b *Builder) Conv(name string, x *G.Node, f Filters, start Start) *G.Node {
	if !b.expect(name, x, 4) {
		return nil
	}
	c, g := x.Shape()[1], f.Geometry.Groups
	if min(g, f.Out, f.Kernel[0], f.Kernel[1]) < 1 || c%g != 0 || f.Out%g != 0 {
		return b.fail(name, fmt.Errorf("%d groups do not divide %d channels into %d filters", g, c, f.Out))
	}
	fanIn := c / g * f.Kernel[0] * f.Kernel[1]
	w := b.param(name+".weight", start(fanIn), f.Out, c/g, f.Kernel[0], f.Kernel[1])
	return b.multiply(fanIn, b.apply(name, op.Conv{Geometry: f.Geometry}, x, w))
}

// Linear adds a fully connected layer without bias on x of N×F, with the parameter
// name.weight, out×F.
func (b *Builder) Linear(name string, x *G.Node, out int, start Start) *G.Node {
	if !b.expect(name, x, 2) {
		return nil
	}
	f := x.Shape()[1]
	if out < 1 {
		return b.fail(name, fmt.Errorf("%d outputs", out))
	}
	return b.multiply(f, b.apply(name, op.Linear(), x, b.param(name+".weight", start(f), out, f)))
}

// Bias adds a number per channel, the parameter name.bias, which starts at value.
func (b *Builder) Bias(name string, x *G.Node, value float64) *G.Node {
	if !b.expect(name, x, 2, 4) {
		return nil
	}
	return b.apply(name, op.Bias{}, x, b.param(name+".bias", Init{Const: value}, x.Shape()[1]))
}

// ReLU adds max(x, 0).
func (b *Builder) ReLU(name string, x *G.Node) *G.Node { return b.apply(name, op.ReLU{}, x) }

// Add adds x and y, of equal shapes.
func (b *Builder) Add(name string, x, y *G.Node) *G.Node { return b.apply(name, op.Add{}, x, y) }

// Flatten makes N×C×H×W into N×(C·H·W).
func (b *Builder) Flatten(name string, x *G.Node) *G.Node { return b.apply(name, op.Flatten{}, x) }

// MaxPool takes the maximum of each square window.
func (b *Builder) MaxPool(name string, x *G.Node, kernel, stride, pad int) *G.Node {
	return b.apply(name, op.MaxPool{Pool: op.Pool{
		Kernel: [2]int{kernel, kernel}, Stride: [2]int{stride, stride}, Pad: [4]int{pad, pad, pad, pad},
	}}, x)
}

// GlobalAvgPool takes the mean of each channel's positions: N×C×1×1.
func (b *Builder) GlobalAvgPool(name string, x *G.Node) *G.Node {
	if !b.expect(name, x, 4) {
		return nil
	}
	s := x.Shape()
	return b.apply(name, op.AvgPool{Pool: op.Pool{Kernel: [2]int{s[2], s[3]}, Stride: [2]int{1, 1}}}, x)
}

// LRN adds local response normalisation over n neighbouring channels of the same tower:
// x/(k + alpha·Σx²)^beta, with alpha not divided by n (Krizhevsky et al. 2012, §3.3).
func (b *Builder) LRN(name string, x *G.Node, n, towers int, k, alpha, beta float64) *G.Node {
	return b.apply(name, op.LRN{N: n, Towers: towers, K: k, Alpha: alpha, Beta: beta}, x)
}

// Dropout zeroes elements with probability p in training, by numbers that depend on the
// net's seed, the layer's name and the step; it adds nothing in evaluation.
func (b *Builder) Dropout(name string, x *G.Node, p float64) *G.Node {
	if b.err != nil || !b.net.Config.Train {
		return x
	}
	if b.net.Step == nil {
		b.net.Step = op.Input(b.net.Graph, "step")
	}
	return b.apply(name, op.Dropout{P: p, Key: random.Key(b.net.Config.Seed, name)}, x, b.net.Step)
}

// Finish adds the loss and the counts of right answers, and returns the net. Logits are
// N×Classes.
func (b *Builder) Finish(logits *G.Node) (*Net, error) {
	const loss = "loss"
	n := b.net
	if b.err == nil {
		if s := logits.Shape(); len(s) != 2 || s[1] != n.Config.Classes {
			b.fail(loss, fmt.Errorf("logits of shape %v, not %d×%d", s, n.Config.Batch, n.Config.Classes))
		}
	}
	top := b.apply(loss, op.RowMax{}, logits)
	sums := b.apply(loss, op.ExpSum{}, logits, n.Labels, top)
	n.Loss = b.apply(loss, op.Loss{}, logits, n.Labels, top, sums)
	above := b.apply(loss, op.CountAbove{}, logits, n.Labels, top, sums)
	n.Hits = b.apply(loss, op.Hits{}, n.Labels, above)
	if b.err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, b.err)
	}
	n.Logits = logits
	return n, nil
}

// expect reports whether a layer can go on: no error so far, and x has one of the numbers
// of dimensions.
func (b *Builder) expect(layer string, x *G.Node, dims ...int) bool {
	if b.err != nil {
		return false
	}
	if !slices.Contains(dims, x.Dims()) {
		b.fail(layer, fmt.Errorf("input of shape %v, not of %v dimensions", x.Shape(), dims))
		return false
	}
	return true
}

func (b *Builder) fail(layer string, err error) *G.Node {
	b.Fail(fmt.Errorf("layer %q: %w", layer, err))
	return nil
}

func (b *Builder) apply(layer string, o op.Op, in ...*G.Node) *G.Node {
	if b.err != nil {
		return nil
	}
	y, err := op.Apply(layer, o, in...)
	if err != nil {
		b.Fail(err)
		return nil
	}
	return y
}

// multiply counts the products of y, fanIn for each element.
func (b *Builder) multiply(fanIn int, y *G.Node) *G.Node {
	if b.err == nil {
		b.net.macs += int64(fanIn) * int64(y.Shape().TotalSize()/b.net.Config.Batch)
	}
	return y
}

func (b *Builder) param(name string, init Init, shape ...int) *G.Node {
	n := op.Param(b.net.Graph, name, shape...)
	b.net.Params = append(b.net.Params, Param{Name: name, Node: n, Init: init})
	return n
}
