package model

import (
	"cleave/model/op"

	G "gorgonia.org/gorgonia"
)

// AvgPool takes the mean of each square window. Padding counts as zeros, as in PyTorch.
func (b *Builder) AvgPool(name string, x *G.Node, kernel, stride, pad int) *G.Node {
	return b.apply(name, op.AvgPool{Pool: op.Pool{
		Kernel: [2]int{kernel, kernel}, Stride: [2]int{stride, stride}, Pad: [4]int{pad, pad, pad, pad}, CountPad: true,
	}}, x)
}

// Concat puts its inputs behind one another along the channels.
func (b *Builder) Concat(name string, xs ...*G.Node) *G.Node {
	return b.apply(name, op.Concat{}, xs...)
}

// Shuffle transposes the channels, seen as groups rows: output channel j·groups+g is input
// channel g·(C/groups)+j (Zhang et al. 2018, §3.1).
func (b *Builder) Shuffle(name string, x *G.Node, groups int) *G.Node {
	return b.apply(name, op.Shuffle{Groups: groups}, x)
}
