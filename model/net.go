// Package model describes a whole net, for training or for evaluation, as one Gorgonia
// graph: its inputs, parameters, running statistics, logits, loss and gradients. A net
// knows nothing of workers, ranks or exchanges; the planner splits it.
//
// Package alexnet and package resnext build nets with the Builder, package catalog finds
// them by name.
package model

import (
	"fmt"

	"cleave/layout"
	"cleave/model/op"

	G "gorgonia.org/gorgonia"
)

// Config is what the data and the user say of a net. Constructors refuse what does not
// fit together.
type Config struct {
	Batch         int // samples of a step, over all workers
	Height, Width int // of an image, in pixels
	Channels      int // of an image
	Classes       int
	Groups        int       // of the net's grouped convolutions; 0: the net's own
	Train         bool      // batch statistics and dropout; else running statistics and none
	Seed          uint64    // keys dropout
	Mean, Dev     []float64 // of the image's channels, pixels counted from 0 to 1; none: 0 and 1
}

// Init says how a parameter or a statistic starts: normal with mean 0 and deviation Std
// where Std > 0, else Const.
type Init struct{ Std, Const float64 }

// Param is a trained parameter. Its name is the one that PyTorch gives it in the same
// net, such as "conv1.weight" or "layer1.0.bn1.bias".
type Param struct {
	Name string
	Node *G.Node
	Init Init
}

// Stat is a running statistic of a batch norm, named ….running_mean or ….running_var. In
// training a step moves it by Rate·(Unbias·statistic of the batch − it); in evaluation it
// takes the place of the batch's statistic.
type Stat struct {
	Name   string
	Node   *G.Node // evaluation: the leaf that the batch norm reads; nil in training
	Source *G.Node // training: the batch's statistic; nil in evaluation
	Shape  layout.Shape
	Init   Init
	Rate   float64
	Unbias float64 // of a variance n/(n−1), with n = N·H·W; of a mean 1
}

// Net is a whole net as a Gorgonia graph of type Float64.
type Net struct {
	Name   string
	Groups int // of the net's grouped convolutions, 1 where there are none
	Config Config
	Graph  *G.ExprGraph

	Image  *G.Node // N×C×H×W, pixels from 0 to 255
	Labels *G.Node // N, the class of each sample, −1: none
	Step   *G.Node // scalar, the number of the step: dropout's counter; nil where nothing reads it
	Seed   *G.Node // scalar, the loss's own gradient (1, or the loss scale); nil before Differentiate

	Logits *G.Node // N×Classes
	Loss   *G.Node // scalar, softmax cross-entropy, the mean over the batch
	Hits   *G.Node // 2: samples right, and right among the first five

	Params []Param   // in PyTorch's order
	Stats  []Stat    // in the order of their layers
	Grads  []*G.Node // of Params, the same order; nil before Differentiate

	macs int64 // of one image, forward
}

// Differentiate adds the gradient of the loss with respect to every parameter to the
// graph, and fills Seed and Grads. It is called once, on a net that was built for
// training.
func (n *Net) Differentiate() error {
	if !n.Config.Train {
		return fmt.Errorf("differentiate %s: the net was built for evaluation", n.Name)
	}
	if n.Grads != nil {
		return fmt.Errorf("differentiate %s: done already", n.Name)
	}
	seed := op.Input(n.Graph, "seed")
	wrt := make(G.Nodes, len(n.Params))
	for i, p := range n.Params {
		wrt[i] = p.Node
	}
	grads, err := G.Backpropagate(G.Nodes{n.Loss}, G.Nodes{seed}, wrt)
	if err != nil {
		return fmt.Errorf("differentiate %s: %w", n.Name, err)
	}
	n.Seed, n.Grads = seed, grads
	return nil
}
