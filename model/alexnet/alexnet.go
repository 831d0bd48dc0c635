// Package alexnet builds AlexNet (Krizhevsky, Sutskever, Hinton: ImageNet Classification
// with Deep Convolutional Neural Networks, NIPS 2012) and smaller nets of its form: five
// convolutions, some of them in groups, response normalisation within each tower,
// overlapping pools, fully connected layers with dropout.
package alexnet

import (
	"fmt"
	"slices"

	"cleave/model"
)

// Conv is a row of a net's table: a convolution, its bias and ReLU, and what follows.
type Conv struct {
	Out, Kernel, Stride, Pad int

	Grouped bool    // in the net's groups: a tower reads its own half only
	LRN     bool    // response normalisation after the ReLU
	Pool    bool    // 3×3 maximum with stride 2 after that
	Bias    float64 // the biases' initial value
}

// Spec is the table of a net.
type Spec struct {
	Name    string
	Convs   []Conv // conv1, conv2, …
	PoolPad int    // of each pool
	Hidden  []int  // fully connected layers with ReLU and dropout, numbered on
	Groups  int    // towers

	HiddenBias float64     // the hidden biases' initial value
	Dropout    float64     // probability, on the hidden layers
	Start      model.Start // of all weights

	ImageSize, Channels, Classes int // what the net was designed for; New takes others too
}

// Response normalisation of the paper, §3.3. The paper's code does not divide alpha by n
// and normalises within each GPU's channels.
const (
	lrnN     = 5
	lrnK     = 2
	lrnAlpha = 1e-4
	lrnBeta  = 0.75
)

// New builds the net of a table. cfg.Groups, unless 0, takes the place of the table's
// groups; towers of the response normalisation are as many.
func New(s Spec, cfg model.Config) (*model.Net, error) {
	groups := s.Groups
	if cfg.Groups != 0 {
		groups = cfg.Groups
	}
	if groups < 1 {
		return nil, fmt.Errorf("%s: groups must be at least 1, not %d", s.Name, groups)
	}
	for i, c := range s.Convs {
		if c.Out%groups != 0 {
			return nil, fmt.Errorf("%s: %d groups do not divide the %d filters of conv%d", s.Name, groups, c.Out, i+1)
		}
	}
	b := model.NewBuilder(s.Name, groups, cfg)
	x := b.Image()
	for i, c := range s.Convs {
		n := fmt.Sprint(i + 1)
		g := 1
		if c.Grouped {
			g = groups
		}
		x = b.Conv("conv"+n, x, model.Square(c.Out, c.Kernel, c.Stride, c.Pad, g), s.Start)
		x = b.Bias("conv"+n, x, c.Bias)
		x = b.ReLU("conv"+n, x)
		if c.LRN {
			x = b.LRN("lrn"+n, x, lrnN, groups, lrnK, lrnAlpha, lrnBeta)
		}
		if c.Pool {
			x = b.MaxPool("pool"+n, x, 3, 2, s.PoolPad)
		}
	}
	x = b.Flatten("flatten", x)
	for i, out := range s.Hidden {
		n := fmt.Sprint(len(s.Convs) + i + 1)
		x = b.Linear("fc"+n, x, out, s.Start)
		x = b.Bias("fc"+n, x, s.HiddenBias)
		x = b.ReLU("fc"+n, x)
		if s.Dropout > 0 {
			x = b.Dropout("drop"+n, x, s.Dropout)
		}
	}
	last := fmt.Sprintf("fc%d", len(s.Convs)+len(s.Hidden)+1)
	x = b.Linear(last, x, cfg.Classes, s.Start)
	x = b.Bias(last, x, 0)
	return b.Finish(x)
}

// Find returns the table of a name.
func Find(name string) (Spec, bool) {
	i := slices.IndexFunc(Specs(), func(s Spec) bool { return s.Name == name })
	if i < 0 {
		return Spec{}, false
	}
	return Specs()[i], true
}
