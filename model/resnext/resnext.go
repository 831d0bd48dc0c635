// Package resnext builds ResNeXt (Xie, Girshick, Dollár, Tu, He: Aggregated Residual
// Transformations for Deep Neural Networks, CVPR 2017) in the form for ImageNet and in
// the form for CIFAR. Layers, strides and parameters have torchvision's names.
package resnext

import (
	"fmt"

	"cleave/model"

	G "gorgonia.org/gorgonia"
)

// Spec is the table of a net.
type Spec struct {
	Name   string
	Groups int   // of each block's 3×3 convolution; the paper's cardinality
	Width  int   // channels of a group in the first stage, doubled in each next one
	Blocks []int // of each stage; each stage but the first halves rows and columns
	Stem   int   // filters of the first convolution
	Deep   bool  // stem for large images: 7×7 and a pool, stride 2 each; else 3×3
	Out    int   // channels that a block of the first stage gives, doubled in each next one

	ImageSize, Channels, Classes int // what the net was designed for; New takes others too
}

// maxWidth bounds the channels of a stage, so that no product of extents overflows.
const maxWidth = 1 << 20

// New builds the net of a table. The groups are the table's: cfg.Groups must be 0 or equal.
func New(s Spec, cfg model.Config) (*model.Net, error) {
	if cfg.Groups != 0 && cfg.Groups != s.Groups {
		return nil, fmt.Errorf("%s has %d groups, not %d: they are part of its name", s.Name, s.Groups, cfg.Groups)
	}
	if s.Groups < 1 || s.Width < 1 || s.Groups > maxWidth || s.Width > maxWidth || s.Groups*s.Width > maxWidth {
		return nil, fmt.Errorf("%s: %d groups of %d channels, more than %d or fewer than one", s.Name, s.Groups, s.Width, maxWidth)
	}
	b := model.NewBuilder(s.Name, s.Groups, cfg)
	x := stem(b, s)
	width, out := s.Groups*s.Width, s.Out
	for i, blocks := range s.Blocks {
		stride := 2
		if i == 0 {
			stride = 1
		}
		for j := range blocks {
			x = block(b, fmt.Sprintf("layer%d.%d", i+1, j), x, s.Groups, width, out, stride)
			stride = 1
		}
		width, out = 2*width, 2*out
	}
	x = b.GlobalAvgPool("avgpool", x)
	x = b.Flatten("flatten", x)
	// Goyal et al. 2017 (Accurate, Large Minibatch SGD), §5.1: the last layer from
	// N(0, 0.01), the last scale of each block 0.
	x = b.Linear("fc", x, cfg.Classes, model.Normal(0.01))
	x = b.Bias("fc", x, 0)
	return b.Finish(x)
}

// stem is the first row of table 1, or the first layer of §5.3.
func stem(b *model.Builder, s Spec) *G.Node {
	f := model.Square(s.Stem, 3, 1, 1, 1)
	if s.Deep {
		f = model.Square(s.Stem, 7, 2, 3, 1)
	}
	x := b.Conv("conv1", b.Image(), f, model.He)
	x = b.ReLU("bn1", b.BatchNorm("bn1", x, 1))
	if s.Deep {
		x = b.MaxPool("maxpool", x, 3, 2, 1)
	}
	return x
}

// block is figure 3(c): 1×1 to width channels, 3×3 in groups (which strides, as in the
// authors' and torchvision's code), 1×1 to out channels; added to the input, which a 1×1
// convolution brings to the same shape where it differs.
func block(b *model.Builder, name string, x *G.Node, groups, width, out, stride int) *G.Node {
	y := b.Conv(name+".conv1", x, model.Square(width, 1, 1, 0, 1), model.He)
	y = b.ReLU(name+".bn1", b.BatchNorm(name+".bn1", y, 1))
	y = b.Conv(name+".conv2", y, model.Square(width, 3, stride, 1, groups), model.He)
	y = b.ReLU(name+".bn2", b.BatchNorm(name+".bn2", y, 1))
	y = b.Conv(name+".conv3", y, model.Square(out, 1, 1, 0, 1), model.He)
	y = b.BatchNorm(name+".bn3", y, 0)
	if stride != 1 || b.Channels(x) != out {
		x = b.Conv(name+".downsample.0", x, model.Square(out, 1, stride, 0, 1), model.He)
		x = b.BatchNorm(name+".downsample.1", x, 1)
	}
	return b.ReLU(name, b.Add(name, y, x))
}
