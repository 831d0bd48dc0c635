package main

import (
	"cleave/model"

	G "gorgonia.org/gorgonia"
)

// nin builds Network in Network for CIFAR-10 (Lin et al. 2014) with filter groups as in
// Ioannou et al. 2017 (Deep Roots): conv2 in the groups given, conv3 in half of them.
// Pools have a border of 1 where the authors' reach past the edge: 16×16 and 8×8 positions
// either way.
func nin(groups int, cfg model.Config) (*model.Net, error) {
	b := model.NewBuilder("nin", groups, cfg)
	conv := func(name string, x *G.Node, out, kernel, groups int) *G.Node {
		x = b.Conv(name, x, model.Square(out, kernel, 1, kernel/2, groups), model.He)
		return b.ReLU(name, b.Bias(name, x, 0))
	}
	x := conv("conv1", b.Image(), 192, 5, 1)
	x = conv("cccp1", x, 160, 1, 1)
	x = conv("cccp2", x, 96, 1, 1)
	x = b.Dropout("drop1", b.MaxPool("pool1", x, 3, 2, 1), 0.5)
	x = conv("conv2", x, 192, 5, groups)
	x = conv("cccp3", x, 192, 1, 1)
	x = conv("cccp4", x, 192, 1, 1)
	x = b.Dropout("drop2", b.AvgPool("pool2", x, 3, 2, 1), 0.5)
	x = conv("conv3", x, 192, 3, max(1, groups/2))
	x = conv("cccp5", x, 192, 1, 1)
	x = conv("cccp6", x, cfg.Classes, 1, 1)
	return b.Finish(b.Flatten("flatten", b.GlobalAvgPool("pool3", x)))
}
