package model_test

import (
	"math"
	"strings"
	"testing"

	"cleave/model"
	"cleave/model/goldens"
	"cleave/model/op"
	"cleave/random"

	G "gorgonia.org/gorgonia"
)

func small(train bool) model.Config {
	return model.Config{Batch: 2, Height: 4, Width: 3, Channels: 2, Classes: 3, Train: train, Seed: 7}
}

// The first error sticks, whatever is built on top of it, and names net and layer.
func TestFirstErrorSticks(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(b *model.Builder) *G.Node
		want  string
	}{
		{"groups", func(b *model.Builder) *G.Node {
			return b.Conv("conv1", b.Image(), model.Square(4, 1, 1, 0, 3), model.He)
		}, `3 groups do not divide 2 channels into 4 filters`},
		{"no filters", func(b *model.Builder) *G.Node {
			return b.Conv("conv1", b.Image(), model.Square(0, 1, 1, 0, 1), model.He)
		}, "0 filters"},
		{"window", func(b *model.Builder) *G.Node { return b.MaxPool("pool1", b.Image(), 9, 1, 0) }, `layer "pool1"`},
		{"shapes", func(b *model.Builder) *G.Node {
			return b.Add("sum", b.Image(), b.MaxPool("pool1", b.Image(), 2, 2, 0))
		}, `layer "sum"`},
		{"one layer twice", func(b *model.Builder) *G.Node {
			return b.Add("sum", b.ReLU("a", b.Image()), b.ReLU("a", b.Image()))
		}, `layer "a"`},
		{"dimensions", func(b *model.Builder) *G.Node {
			return b.Linear("fc1", b.Image(), 3, model.He)
		}, `layer "fc1": input of shape (2, 2, 4, 3), not of [2] dimensions`},
		{"failed", func(b *model.Builder) *G.Node {
			b.Fail(errSentinel)
			b.Fail(nil)
			return b.Image()
		}, errSentinel.Error()},
		{"logits", func(b *model.Builder) *G.Node { return b.Flatten("flatten", b.Image()) }, `layer "loss"`},
	} {
		b := model.NewBuilder("net", 1, small(true))
		x := c.build(b)
		if c.name != "logits" {
			x = b.BatchNorm("bn", b.ReLU("relu", x), 1)
			x = b.Dropout("drop", b.Flatten("flat", b.GlobalAvgPool("avg", x)), 0.5)
			x = b.Bias("fc", b.Linear("fc", x, 3, model.He), 0)
		}
		n, err := b.Finish(x)
		if n != nil || err == nil || !strings.HasPrefix(err.Error(), "net: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

type sentinel string

func (s sentinel) Error() string { return string(s) }

const errSentinel = sentinel("does not fit")

// Pixels become (v/255 − mean)/dev, and without means and deviations v/255.
func TestNormalize(t *testing.T) {
	for _, c := range []struct{ mean, dev []float64 }{{nil, nil}, {[]float64{0.5, 0.25}, []float64{0.5, 2}}} {
		cfg := small(false)
		cfg.Mean, cfg.Dev = c.mean, c.dev
		b := model.NewBuilder("net", 1, cfg)
		x := b.Image()
		n, err := b.Finish(b.Linear("fc", b.Flatten("flat", b.GlobalAvgPool("avg", x)), 3, model.He))
		if err != nil {
			t.Fatal(err)
		}
		image := make([]float64, 2*2*4*3)
		for i := range image {
			image[i] = float64(i * 5)
		}
		got, err := goldens.Tape(n.Graph, map[string][]float64{"image": image, "labels": {0, 1}, "fc.weight": make([]float64, 6)}, x)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got[0] {
			mean, dev := 0.0, 1.0
			if c.mean != nil {
				mean, dev = c.mean[i/12%2], c.dev[i/12%2]
			}
			if want := (image[i]/255 - mean) / dev; math.Abs(v-want) > 1e-15 {
				t.Fatalf("pixel %d is %v, want %v", i, v, want)
			}
		}
	}
}

// Dropout is there in training only, keyed by the seed and the layer's name.
func TestDropout(t *testing.T) {
	for _, train := range []bool{true, false} {
		b := model.NewBuilder("net", 1, small(train))
		x := b.Flatten("flat", b.Image())
		y := b.Dropout("drop2", b.Dropout("drop1", x, 0.5), 0.25)
		n, err := b.Finish(b.Linear("fc", y, 3, model.He))
		if err != nil {
			t.Fatal(err)
		}
		if !train {
			if y != x || n.Step != nil {
				t.Error("dropout in evaluation")
			}
			continue
		}
		if o, _, _ := op.Of(y); o != (op.Dropout{P: 0.25, Key: random.Key(7, "drop2")}) {
			t.Errorf("dropout is %+v", o)
		}
		if n.Step == nil || n.Step.Name() != "step" || n.Step.Dims() != 0 {
			t.Errorf("step is %v", n.Step)
		}
	}
}

// A parameter that the loss does not depend on is an error of Differentiate, not a panic.
func TestUnusedParameter(t *testing.T) {
	b := model.NewBuilder("net", 1, small(true))
	x := b.Flatten("flat", b.Image())
	b.Linear("spare", x, 3, model.He)
	n, err := b.Finish(b.Linear("fc", x, 3, model.He))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Differentiate(); err == nil || !strings.Contains(err.Error(), "differentiate net") {
		t.Errorf("error %v", err)
	}
}
