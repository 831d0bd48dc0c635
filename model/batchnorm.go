package model

import (
	"fmt"

	"cleave/layout"
	"cleave/model/op"

	G "gorgonia.org/gorgonia"
)

const (
	bnEps  = 1e-5 // added to the variance; PyTorch's default, as the next
	bnRate = 0.1  // share of the batch's statistic in a running statistic
)

// BatchNorm adds batch normalisation over N, H and W of x of N×C×H×W, with the parameters
// name.weight (the scale, which starts at scale) and name.bias (0), and the statistics
// name.running_mean and name.running_var. Training normalises by the batch's own mean and
// (biased) variance, evaluation by the running ones.
func (b *Builder) BatchNorm(name string, x *G.Node, scale float64) *G.Node {
	if !b.expect(name, x, 4) {
		return nil
	}
	s := x.Shape()
	c, n := s[1], s[0]*s[2]*s[3]
	gamma := b.param(name+".weight", Init{Const: scale}, c)
	beta := b.param(name+".bias", Init{}, c)
	mean := Stat{Name: name + ".running_mean", Rate: bnRate, Unbias: 1}
	dev := Stat{Name: name + ".running_var", Rate: bnRate, Init: Init{Const: 1}}
	mean.Shape = layout.Shape{c, 1, 1, 1}
	dev.Shape = mean.Shape
	var m, v *G.Node
	if b.net.Config.Train {
		if n < 2 {
			return b.fail(name, fmt.Errorf("a batch of 1 with 1×1 positions has no variance: take a larger batch or image"))
		}
		m = b.apply(name, op.BNMean{}, x)
		v = b.apply(name, op.BNVar{}, x, m)
		mean.Source, dev.Source = m, v
		dev.Unbias = float64(n) / float64(n-1)
	} else {
		m = op.Input(b.net.Graph, mean.Name, c)
		v = op.Input(b.net.Graph, dev.Name, c)
		mean.Node, dev.Node = m, v
		dev.Unbias = 1
	}
	b.net.Stats = append(b.net.Stats, mean, dev)
	return b.apply(name, op.BN{Eps: bnEps}, x, m, v, gamma, beta)
}
