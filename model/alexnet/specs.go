package alexnet

import "cleave/model"

// Specs returns the tables of the nets that have a name, the paper's first.
func Specs() []Spec { return []Spec{Paper(), For64(), CIFAR(), Mini()} }

// Paper is the net of 2012, §3.5 and figure 2: two towers, one a GPU; conv3 and the fully
// connected layers read both. The paper's image of 224×224 gives its 55×55 positions with
// 2 pixels of padding. §5: weights N(0, 0.01); biases 1 in conv2, conv4, conv5 and the
// hidden layers.
func Paper() Spec {
	return Spec{
		Name: "alexnet",
		Convs: []Conv{
			{Out: 96, Kernel: 11, Stride: 4, Pad: 2, LRN: true, Pool: true},
			{Out: 256, Kernel: 5, Stride: 1, Pad: 2, Grouped: true, LRN: true, Pool: true, Bias: 1},
			{Out: 384, Kernel: 3, Stride: 1, Pad: 1},
			{Out: 384, Kernel: 3, Stride: 1, Pad: 1, Grouped: true, Bias: 1},
			{Out: 256, Kernel: 3, Stride: 1, Pad: 1, Grouped: true, Pool: true, Bias: 1},
		},
		Hidden:     []int{4096, 4096},
		Groups:     2,
		HiddenBias: 1,
		Dropout:    0.5,
		Start:      model.Normal(0.01),
		ImageSize:  224, Channels: 3, Classes: 1000,
	}
}

// For64 is AlexNet for ImageNet at 64×64 pixels (Chrabaszcz et al. 2017): conv2 to conv5
// are the paper's, on positions of about half as many rows; the stem strides by 2 and the
// hidden layers have half the width.
func For64() Spec {
	s := Paper()
	s.Name = "alexnet-64"
	s.Convs[0] = Conv{Out: 96, Kernel: 5, Stride: 2, Pad: 2, LRN: true, Pool: true}
	s.Hidden = []int{2048, 2048}
	s.ImageSize = 64
	return s.he()
}

// CIFAR is AlexNet for CIFAR-10's 32×32 pixels: 17.2 M multiply-adds.
func CIFAR() Spec {
	return Spec{
		Name: "alexnet-cifar",
		Convs: []Conv{
			{Out: 32, Kernel: 5, Stride: 1, Pad: 2, LRN: true, Pool: true},
			{Out: 64, Kernel: 5, Stride: 1, Pad: 2, Grouped: true, LRN: true, Pool: true},
			{Out: 96, Kernel: 3, Stride: 1, Pad: 1},
			{Out: 96, Kernel: 3, Stride: 1, Pad: 1, Grouped: true},
			{Out: 64, Kernel: 3, Stride: 1, Pad: 1, Grouped: true, Pool: true},
		},
		PoolPad:   1,
		Hidden:    []int{256},
		Groups:    2,
		Dropout:   0.5,
		ImageSize: 32, Channels: 3, Classes: 10,
	}.he()
}

// Mini is AlexNet small enough to learn simple images in a minute on two cores: 1.2 M
// multiply-adds.
func Mini() Spec {
	return Spec{
		Name: "alexnet-mini",
		Convs: []Conv{
			{Out: 16, Kernel: 5, Stride: 2, Pad: 2, LRN: true, Pool: true},
			{Out: 32, Kernel: 5, Stride: 1, Pad: 2, Grouped: true, LRN: true, Pool: true},
			{Out: 48, Kernel: 3, Stride: 1, Pad: 1},
			{Out: 48, Kernel: 3, Stride: 1, Pad: 1, Grouped: true},
			{Out: 32, Kernel: 3, Stride: 1, Pad: 1, Grouped: true, Pool: true},
		},
		PoolPad:   1,
		Hidden:    []int{128},
		Groups:    2,
		Dropout:   0.5,
		ImageSize: 32, Channels: 3, Classes: 10,
	}.he()
}

// he gives s the initialisation of He et al. 2015 and zero biases.
func (s Spec) he() Spec {
	for i := range s.Convs {
		s.Convs[i].Bias = 0
	}
	s.HiddenBias = 0
	s.Start = model.He
	return s
}
