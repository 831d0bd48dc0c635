package main

import (
	"fmt"

	"cleave/model"

	G "gorgonia.org/gorgonia"
)

// shuffleGroups are those of the 1×1 convolutions.
const shuffleGroups = 3

// shufflenet builds ShuffleNet v1 1× with g = 3 (Zhang et al. 2018, table 1).
func shufflenet(cfg model.Config) (*model.Net, error) {
	b := model.NewBuilder("shufflenet", shuffleGroups, cfg)
	x := b.Conv("conv1", b.Image(), model.Square(24, 3, 2, 1, 1), model.He)
	x = b.MaxPool("maxpool", b.ReLU("conv1", b.BatchNorm("bn1", x, 1)), 3, 2, 1)
	out := 240
	for i, units := range []int{4, 8, 4} {
		for j := range units {
			x = unit(b, fmt.Sprintf("stage%d.%d", i+2, j), x, out, j == 0)
		}
		out *= 2
	}
	x = b.Flatten("flatten", b.GlobalAvgPool("avgpool", x))
	return b.Finish(b.Bias("fc", b.Linear("fc", x, cfg.Classes, model.Normal(0.01)), 0))
}

// unit is figure 2(b), or 2(c) where it halves rows and columns. §3.1: the first 1×1
// convolution of stage 2 has no groups, its input is too narrow.
func unit(b *model.Builder, name string, x *G.Node, out int, down bool) *G.Node {
	width, branch, stride, first := out/4, out, 1, shuffleGroups
	if down {
		stride = 2
		branch -= b.Channels(x)
	}
	if b.Channels(x) == 24 {
		first = 1
	}
	y := b.Conv(name+".conv1", x, model.Square(width, 1, 1, 0, first), model.He)
	y = b.ReLU(name+".conv1", b.BatchNorm(name+".bn1", y, 1))
	y = b.Shuffle(name+".shuffle", y, shuffleGroups)
	y = b.Conv(name+".conv2", y, model.Square(width, 3, stride, 1, width), model.He)
	y = b.BatchNorm(name+".bn2", y, 1)
	y = b.Conv(name+".conv3", y, model.Square(branch, 1, 1, 0, shuffleGroups), model.He)
	y = b.BatchNorm(name+".bn3", y, 1)
	if down {
		return b.ReLU(name, b.Concat(name+".concat", b.AvgPool(name+".avgpool", x, 3, 2, 1), y))
	}
	return b.ReLU(name, b.Add(name, x, y))
}
