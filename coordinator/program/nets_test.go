package program_test

import (
	"testing"

	"cleave/coordinator/plan"
	"cleave/coordinator/program"
	"cleave/kernels"
	"cleave/model"
	"cleave/model/catalog"
	"cleave/model/op"

	G "gorgonia.org/gorgonia"
)

// read builds a net for training or evaluation and reads its graph.
func read(t testing.TB, name string, train bool, change func(*model.Config)) *plan.Graph {
	t.Helper()
	cfg, err := catalog.Default(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Train = train
	if change != nil {
		change(&cfg)
	}
	net, err := catalog.Build(name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return graphOf(t, net)
}

func graphOf(t testing.TB, net *model.Net) *plan.Graph {
	t.Helper()
	if net.Config.Train {
		if err := net.Differentiate(); err != nil {
			t.Fatal(err)
		}
	}
	g, err := plan.Read(net, plan.Optimizer{Momentum: 0.9, Decay: 5e-4})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func planned(t testing.TB, g *plan.Graph, policy string, ranks int) *plan.Plan {
	t.Helper()
	p, err := plan.New(g, policy, ranks)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sizers(s kernels.Sizer, ranks int) []kernels.Sizer {
	out := make([]kernels.Sizer, ranks)
	for r := range out {
		out[r] = s
	}
	return out
}

func build(t testing.TB, train, eval *plan.Plan, o program.Options) *program.Bundle {
	t.Helper()
	if o.Sizers == nil {
		o.Sizers = sizers(flat{}, train.Ranks)
	}
	b, err := program.Build(train, eval, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// alex is a small net of the AlexNet family: groups, both kinds of LRN, overlapping pools,
// dropout, fully connected layers.
func alex(t testing.TB, cfg model.Config) *model.Net {
	b := model.NewBuilder("alex", 2, cfg)
	x := b.Bias("conv1", b.Conv("conv1", b.Image(), model.Square(8, 3, 2, 1, 1), model.He), 0.1)
	x = b.ReLU("conv1", x)
	x = b.LRN("norm1", x, 5, 2, 2, 0.1, 0.75)
	x = b.MaxPool("pool1", x, 3, 2, 1)
	x = b.ReLU("conv2", b.Bias("conv2", b.Conv("conv2", x, model.Square(12, 3, 1, 1, 2), model.He), 0.1))
	x = b.LRN("norm2", x, 3, 1, 2, 0.1, 0.75)
	x = b.ReLU("conv3", b.Bias("conv3", b.Conv("conv3", x, model.Square(8, 3, 1, 1, 1), model.He), 0))
	x = b.MaxPool("pool3", x, 3, 2, 1)
	x = b.Flatten("flatten", x)
	x = b.ReLU("fc6", b.Bias("fc6", b.Linear("fc6", x, 10, model.He), 0))
	x = b.Dropout("drop6", x, 0.5)
	x = b.Bias("fc7", b.Linear("fc7", x, 5, model.Normal(0.3)), 0)
	return finish(t, b, x)
}

// residual is a small net of the ResNeXt family.
func residual(t testing.TB, cfg model.Config) *model.Net {
	b := model.NewBuilder("residual", 4, cfg)
	x := b.ReLU("bn1", b.BatchNorm("bn1", b.Conv("conv1", b.Image(), model.Square(8, 3, 1, 1, 1), model.He), 1))
	for _, name := range []string{"a", "b"} {
		y := b.ReLU(name+".bn1", b.BatchNorm(name+".bn1", b.Conv(name+".conv1", x, model.Square(12, 1, 1, 0, 1), model.He), 1))
		y = b.ReLU(name+".bn2", b.BatchNorm(name+".bn2", b.Conv(name+".conv2", y, model.Square(12, 3, 2, 1, 4), model.He), 1))
		y = b.BatchNorm(name+".bn3", b.Conv(name+".conv3", y, model.Square(16, 1, 1, 0, 1), model.He), 1)
		x = b.BatchNorm(name+".bn4", b.Conv(name+".down", x, model.Square(16, 1, 2, 0, 1), model.He), 1)
		x = b.ReLU(name, b.Add(name, y, x))
	}
	x = b.Flatten("flatten", b.GlobalAvgPool("avgpool", x))
	x = b.Bias("fc", b.Linear("fc", x, 5, model.Normal(0.3)), 0)
	return finish(t, b, x)
}

// shuffled is a small net of the ShuffleNet family: shuffles, depthwise convolutions and
// concatenation.
func shuffled(t testing.TB, cfg model.Config) *model.Net {
	b := model.NewBuilder("shuffled", 3, cfg)
	apply := func(layer string, o op.Op, in ...*G.Node) *G.Node {
		n, err := op.Apply(layer, o, in...)
		b.Fail(err)
		return n
	}
	x := b.ReLU("conv1", b.Bias("conv1", b.Conv("conv1", b.Image(), model.Square(12, 3, 1, 1, 1), model.He), 0.1))
	y := b.Conv("conv2", x, model.Square(12, 1, 1, 0, 3), model.He)
	y = apply("shuffle", op.Shuffle{Groups: 3}, y)
	y = b.ReLU("conv3", b.Bias("conv3", b.Conv("conv3", y, model.Square(12, 3, 2, 1, 12), model.He), 0.1))
	z := apply("pool", op.AvgPool{Pool: op.Pool{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pad: [4]int{1, 1, 1, 1}, Ceil: false}}, x)
	x = apply("concat", op.Concat{}, y, z)
	x = apply("pool2", op.MaxPool{Pool: op.Pool{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Ceil: true}}, x)
	x = b.Flatten("flatten", x)
	x = b.Bias("fc", b.Linear("fc", x, 5, model.Normal(0.3)), 0)
	return finish(t, b, x)
}

func finish(t testing.TB, b *model.Builder, logits *G.Node) *model.Net {
	t.Helper()
	n, err := b.Finish(logits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// small are nets that hold every op, with the configuration of their images.
var small = map[string]func(testing.TB, model.Config) *model.Net{"alex": alex, "residual": residual, "shuffled": shuffled}

func smallConfig(batch int, train bool) model.Config {
	return model.Config{
		Batch: batch, Height: 11, Width: 9, Channels: 3, Classes: 5, Train: train, Seed: 7,
		Mean: []float64{0.5, 0.4, 0.3}, Dev: []float64{0.25, 0.5, 0.3},
	}
}
