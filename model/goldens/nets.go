// Package goldens gives tests the golden vectors that scripts/golden.py computed with
// PyTorch: two small nets with images, labels, starting weights, logits, loss, every
// gradient, and the weights after some steps, all in float64. Only tests import it.
package goldens

import (
	"fmt"

	"cleave/model"
	"cleave/model/alexnet"
	"cleave/model/resnext"
)

// The nets are those of scripts/golden.py. Weights come from the golden vectors, so the
// tables say nothing worth knowing about initial values.

// alexNet has two towers, each normalised on its own.
func alexNet() alexnet.Spec {
	return alexnet.Spec{
		Name: "alexnet-small",
		Convs: []alexnet.Conv{
			{Out: 8, Kernel: 5, Stride: 2, Pad: 2, LRN: true, Pool: true},
			{Out: 16, Kernel: 5, Stride: 1, Pad: 2, Grouped: true, LRN: true, Pool: true},
			{Out: 16, Kernel: 3, Stride: 1, Pad: 1},
			{Out: 16, Kernel: 3, Stride: 1, Pad: 1, Grouped: true},
			{Out: 8, Kernel: 3, Stride: 1, Pad: 1, Grouped: true, Pool: true},
		},
		PoolPad: 1,
		Hidden:  []int{24},
		Groups:  2,
		Start:   model.He,
	}
}

// resNeXt has two stages of two and one blocks; the second block of the first stage adds
// its input as it is.
func resNeXt() resnext.Spec {
	return resnext.Spec{Name: "resnext-small", Groups: 4, Width: 2, Blocks: []int{2, 1}, Stem: 8, Out: 16}
}

// Build builds the golden's net, for training or for evaluation.
func (g *Golden) Build(train bool) (*model.Net, error) {
	cfg := model.Config{
		Batch: g.Batch, Height: g.Height, Width: g.Width, Channels: g.Channels, Classes: g.Classes,
		Train: train, Mean: g.Mean, Dev: g.Dev,
	}
	switch g.Name {
	case "alexnet-small":
		return alexnet.New(alexNet(), cfg)
	case "resnext-small":
		return resnext.New(resNeXt(), cfg)
	}
	return nil, fmt.Errorf("golden %q has no net", g.Name)
}
