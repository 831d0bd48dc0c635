package resnext

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cleave/model"
	"cleave/model/op"

	G "gorgonia.org/gorgonia"
)

func build(t *testing.T, s Spec, train bool) *model.Net {
	t.Helper()
	n, err := New(s, model.Config{
		Batch: 2, Height: s.ImageSize, Width: s.ImageSize, Channels: s.Channels, Classes: s.Classes, Train: train,
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// node returns the output of an op of a layer.
func node(t *testing.T, n *model.Net, layer, kind string) *G.Node {
	t.Helper()
	for _, x := range n.Graph.AllNodes() {
		if o, l, ok := op.Of(x); ok && l == layer && o.Kind() == kind {
			return x
		}
	}
	t.Fatalf("no %s in layer %s", kind, layer)
	return nil
}

// Xie et al. 2017, table 1: output sizes 112, 56, 28, 14, 7 and 1; the widths within the
// blocks of ResNeXt-50 (32×4d) 128, 256, 512, 1024, their outputs 256 to 2048.
func TestTable1(t *testing.T) {
	s, ok := Find("resnext50-32x4d")
	if !ok {
		t.Fatal("not found")
	}
	n := build(t, s, false)
	for _, c := range []struct {
		layer, kind, want string
	}{
		{"conv1", "conv", "64x112x112"},
		{"maxpool", "max-pool", "64x56x56"},
		{"layer1.0.conv1", "conv", "128x56x56"},
		{"layer1.0.conv2", "conv", "128x56x56"},
		{"layer1.2", "relu", "256x56x56"},
		{"layer2.0.conv1", "conv", "256x56x56"},
		{"layer2.0.conv2", "conv", "256x28x28"},
		{"layer2.3", "relu", "512x28x28"},
		{"layer3.0.conv2", "conv", "512x14x14"},
		{"layer3.5", "relu", "1024x14x14"},
		{"layer4.0.conv2", "conv", "1024x7x7"},
		{"layer4.2", "relu", "2048x7x7"},
		{"avgpool", "avg-pool", "2048x1x1"},
		{"fc", "conv", "1000"},
	} {
		x := node(t, n, c.layer, c.kind)
		got := strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(x.Shape()[1:])), " ", "x"), "[]")
		if got != c.want {
			t.Errorf("%s.%s is %s, want %s", c.layer, c.kind, got, c.want)
		}
		if o, _, _ := op.Of(x); strings.HasSuffix(c.layer, ".conv2") && o.(op.Conv).Geometry.Groups != 32 {
			t.Errorf("%s has %d groups", c.layer, o.(op.Conv).Geometry.Groups)
		}
	}
}

// §5.3: three stages of 32×32, 16×16 and 8×8 positions; 29 layers with weights on the way
// from the image to the logits.
func TestCIFAR(t *testing.T) {
	n := build(t, CIFAR(8, 64), false)
	for i, want := range [][]int{{256, 32, 32}, {512, 16, 16}, {1024, 8, 8}} {
		if got := node(t, n, fmt.Sprintf("layer%d.2", i+1), "relu").Shape()[1:]; !slices.Equal(got, want) {
			t.Errorf("stage %d gives %v, want %v", i+1, got, want)
		}
		if got := node(t, n, fmt.Sprintf("layer%d.1.conv2", i+1), "conv").Shape()[1]; got != 512<<i {
			t.Errorf("stage %d is %d wide, want %d", i+1, got, 512<<i)
		}
	}
	deep := 0
	for _, p := range n.Params {
		if len(p.Node.Shape()) > 1 && !strings.Contains(p.Name, "downsample") {
			deep++
		}
	}
	if deep != 29 {
		t.Errorf("%d layers", deep)
	}
}

// Names and order of torchvision's resnext50_32x4d().named_parameters().
func TestNames(t *testing.T) {
	s, _ := Find("resnext50-32x4d")
	n := build(t, s, true)
	var names []string
	for _, p := range n.Params {
		names = append(names, p.Name)
	}
	want := []string{
		"conv1.weight", "bn1.weight", "bn1.bias",
		"layer1.0.conv1.weight", "layer1.0.bn1.weight", "layer1.0.bn1.bias",
		"layer1.0.conv2.weight", "layer1.0.bn2.weight", "layer1.0.bn2.bias",
		"layer1.0.conv3.weight", "layer1.0.bn3.weight", "layer1.0.bn3.bias",
		"layer1.0.downsample.0.weight", "layer1.0.downsample.1.weight", "layer1.0.downsample.1.bias",
		"layer1.1.conv1.weight",
	}
	if !slices.Equal(names[:len(want)], want) {
		t.Errorf("first names %v", names[:len(want)])
	}
	if len(names) != 161 || names[159] != "fc.weight" || names[160] != "fc.bias" {
		t.Errorf("%d parameters, the last %v", len(names), names[len(names)-2:])
	}
	if len(n.Stats) != 2*53 || n.Stats[0].Name != "bn1.running_mean" || n.Stats[1].Name != "bn1.running_var" {
		t.Errorf("%d statistics, the first %s and %s", len(n.Stats), n.Stats[0].Name, n.Stats[1].Name)
	}
}

// Where parameters and statistics start, and how the statistics move.
func TestStart(t *testing.T) {
	n := build(t, CIFAR(2, 8), true)
	for _, p := range n.Params {
		shape := p.Node.Shape()
		want := model.Init{Const: 1}
		switch {
		case p.Name == "fc.weight":
			want = model.Init{Std: 0.01}
		case len(shape) > 1:
			want = model.He(shape.TotalSize() / shape[0])
		case strings.HasSuffix(p.Name, ".bias"), strings.HasSuffix(p.Name, ".bn3.weight"):
			want = model.Init{}
		}
		if p.Init != want {
			t.Errorf("%s starts as %+v, want %+v", p.Name, p.Init, want)
		}
	}
	for _, s := range n.Stats {
		want := model.Init{}
		unbias := 1.0
		if strings.HasSuffix(s.Name, "_var") {
			want.Const = 1
			o, layer, _ := op.Of(s.Source)
			if o != (op.BNVar{}) {
				t.Errorf("%s comes from %s", s.Name, o.Kind())
			}
			y := node(t, n, layer, "bn").Shape()
			values := float64(y[0] * y[2] * y[3]) // of a channel
			unbias = values / (values - 1)
		}
		if s.Init != want || s.Rate != 0.1 || s.Unbias != unbias {
			t.Errorf("%s: %+v", s.Name, s)
		}
	}
}

// Any groups and width, any size of image.
func TestFind(t *testing.T) {
	for _, name := range []string{"resnext29-1x64d", "resnext29-3x5d", "resnext29-16x64d"} {
		s, ok := Find(name)
		if !ok || s.Name != name {
			t.Errorf("%s: %v, %v", name, s, ok)
		}
	}
	s := CIFAR(3, 5)
	for _, size := range [][2]int{{1, 1}, {28, 28}, {33, 17}} {
		n, err := New(s, model.Config{Batch: 2, Height: size[0], Width: size[1], Channels: 1, Classes: 4, Train: true})
		if err != nil {
			t.Errorf("%v: %v", size, err)
		} else if err := n.Differentiate(); err != nil {
			t.Errorf("%v: %v", size, err)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, name := range []string{"resnext29-8x64d", "resnext29-1x1d", "resnext29-x", "resnext29-0x0d"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if s, ok := Find(name); ok && (s.Name != name || s.Groups < 1 || s.Width < 1) {
			t.Errorf("%q: %+v", name, s)
		}
	})
}
