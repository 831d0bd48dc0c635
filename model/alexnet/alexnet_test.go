package alexnet

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cleave/model"
	"cleave/model/op"
)

// shapes lists the nodes of a net's forward pass as "layer.kind C×H×W", in the order in
// which they were built.
func shapes(n *model.Net) []string {
	var out []string
	for _, x := range n.Graph.AllNodes() {
		o, layer, ok := op.Of(x)
		if !ok || layer == "loss" {
			continue
		}
		s := strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(x.Shape()[1:])), " ", "x"), "[]")
		out = append(out, fmt.Sprintf("%s.%s %s", layer, o.Kind(), s))
	}
	return out
}

func check(t *testing.T, s Spec, want []string) *model.Net {
	t.Helper()
	n, err := New(s, model.Config{
		Batch: 2, Height: s.ImageSize, Width: s.ImageSize, Channels: s.Channels, Classes: s.Classes, Train: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := shapes(n); !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", s.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return n
}

// Krizhevsky et al. 2012, figure 2 and §3.5: 55×55×48 a tower, 27×27×128, 13×13×192 twice,
// 13×13×128, 2048 neurons a tower twice. §3.3, §3.4: normalisation after conv1 and conv2,
// pools with overlap after those and after conv5.
func TestPaper(t *testing.T) {
	n := check(t, Paper(), []string{
		"normalize.normalize 3x224x224",
		"conv1.conv 96x55x55", "conv1.bias 96x55x55", "conv1.relu 96x55x55", "lrn1.lrn 96x55x55", "pool1.max-pool 96x27x27",
		"conv2.conv 256x27x27", "conv2.bias 256x27x27", "conv2.relu 256x27x27", "lrn2.lrn 256x27x27", "pool2.max-pool 256x13x13",
		"conv3.conv 384x13x13", "conv3.bias 384x13x13", "conv3.relu 384x13x13",
		"conv4.conv 384x13x13", "conv4.bias 384x13x13", "conv4.relu 384x13x13",
		"conv5.conv 256x13x13", "conv5.bias 256x13x13", "conv5.relu 256x13x13", "pool5.max-pool 256x6x6",
		"flatten.flatten 9216",
		"fc6.conv 4096", "fc6.bias 4096", "fc6.relu 4096", "drop6.dropout 4096",
		"fc7.conv 4096", "fc7.bias 4096", "fc7.relu 4096", "drop7.dropout 4096",
		"fc8.conv 1000", "fc8.bias 1000",
	})
	// §5: the standard deviation of all weights is 0.01; biases of the second, fourth and
	// fifth convolution and of the hidden layers are 1, the others 0.
	ones := []string{"conv2.bias", "conv4.bias", "conv5.bias", "fc6.bias", "fc7.bias"}
	for _, p := range n.Params {
		want := model.Init{}
		switch {
		case strings.HasSuffix(p.Name, ".weight"):
			want.Std = 0.01
		case slices.Contains(ones, p.Name):
			want.Const = 1
		}
		if p.Init != want {
			t.Errorf("%s starts as %+v, want %+v", p.Name, p.Init, want)
		}
	}
	if n.Groups != 2 || n.Step == nil {
		t.Errorf("groups %d, step %v", n.Groups, n.Step)
	}
	for _, x := range n.Graph.AllNodes() {
		o, layer, _ := op.Of(x)
		switch o := o.(type) {
		case op.LRN:
			if want := (op.LRN{N: 5, Towers: 2, K: 2, Alpha: 1e-4, Beta: 0.75}); o != want {
				t.Errorf("%s is %+v, want %+v", layer, o, want)
			}
		case op.Conv:
			grouped := slices.Contains([]string{"conv2", "conv4", "conv5"}, layer)
			if (o.Geometry.Groups == 2) != grouped {
				t.Errorf("%s has %d groups", layer, o.Geometry.Groups)
			}
		}
	}
}

func TestCIFAR(t *testing.T) {
	check(t, CIFAR(), []string{
		"normalize.normalize 3x32x32",
		"conv1.conv 32x32x32", "conv1.bias 32x32x32", "conv1.relu 32x32x32", "lrn1.lrn 32x32x32", "pool1.max-pool 32x16x16",
		"conv2.conv 64x16x16", "conv2.bias 64x16x16", "conv2.relu 64x16x16", "lrn2.lrn 64x16x16", "pool2.max-pool 64x8x8",
		"conv3.conv 96x8x8", "conv3.bias 96x8x8", "conv3.relu 96x8x8",
		"conv4.conv 96x8x8", "conv4.bias 96x8x8", "conv4.relu 96x8x8",
		"conv5.conv 64x8x8", "conv5.bias 64x8x8", "conv5.relu 64x8x8", "pool5.max-pool 64x4x4",
		"flatten.flatten 1024",
		"fc6.conv 256", "fc6.bias 256", "fc6.relu 256", "drop6.dropout 256",
		"fc7.conv 10", "fc7.bias 10",
	})
}

// conv2 to conv5 of alexnet-64 have the paper's weights' shapes.
func Test64(t *testing.T) {
	s := For64()
	for i, c := range Paper().Convs[1:] {
		c.Bias = 0
		if s.Convs[i+1] != c {
			t.Errorf("conv%d is %+v, the paper's %+v", i+2, s.Convs[i+1], c)
		}
	}
	if n, err := New(s, model.Config{Batch: 1, Height: 64, Width: 64, Channels: 3, Classes: 1000}); err != nil {
		t.Error(err)
	} else if i := slices.Index(shapes(n), "pool5.max-pool 256x3x3"); i < 0 {
		t.Errorf("pool5 does not give 3×3 positions: %v", shapes(n))
	}
}

// Nets are built for images of other sizes, channels and classes, and towers follow groups.
func TestOtherImages(t *testing.T) {
	for _, s := range Specs() {
		for _, groups := range []int{1, 2, 4, 8} {
			n, err := New(s, model.Config{Batch: 3, Height: s.ImageSize + 3, Width: s.ImageSize, Channels: 1, Classes: 7, Groups: groups})
			if err != nil {
				t.Errorf("%s: %v", s.Name, err)
				continue
			}
			if got := n.Logits.Shape(); got[0] != 3 || got[1] != 7 || n.Groups != groups {
				t.Errorf("%s: logits %v, %d groups", s.Name, got, n.Groups)
			}
			for _, x := range n.Graph.AllNodes() {
				if o, layer, _ := op.Of(x); o != nil {
					if l, ok := o.(op.LRN); ok && l.Towers != groups {
						t.Errorf("%s: %s has %d towers in %d groups", s.Name, layer, l.Towers, groups)
					}
				}
			}
		}
	}
}

// He's initialisation: deviation √(2 / inputs of one output), zero biases.
func TestHe(t *testing.T) {
	s := CIFAR()
	n := plain(t, s)
	for _, p := range n.Params {
		shape := p.Node.Shape()
		want := model.Init{}
		if len(shape) > 1 {
			want = model.He(shape.TotalSize() / shape[0])
		}
		if p.Init != want {
			t.Errorf("%s starts as %+v, want %+v", p.Name, p.Init, want)
		}
	}
}

func plain(t *testing.T, s Spec) *model.Net {
	t.Helper()
	n, err := New(s, model.Config{Batch: 1, Height: s.ImageSize, Width: s.ImageSize, Channels: 3, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
