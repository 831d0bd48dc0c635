package catalog

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"cleave/model"
	"cleave/model/op"
)

// build builds a net of the catalog for its own images and classes.
func build(t *testing.T, name string, change func(*model.Config)) *model.Net {
	t.Helper()
	cfg, err := Default(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Batch = 2
	if change != nil {
		change(&cfg)
	}
	n, err := Build(name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func groups(g int) func(*model.Config) { return func(c *model.Config) { c.Groups = g } }

// The counts that were published or computed from the papers' tables.
func TestParameters(t *testing.T) {
	for _, c := range []struct {
		name   string
		groups int
		want   int
	}{
		{"alexnet", 0, 60_965_224},
		{"alexnet", 1, 62_378_344},
		{"alexnet", 4, 60_258_664},
		{"resnext50-32x4d", 0, 25_028_904}, // torchvision's, as the next three
		{"resnext101-32x4d", 0, 44_177_704},
		{"resnext101-32x8d", 0, 88_791_336},
		{"resnext101-64x4d", 0, 83_455_272},
		{"resnext29-8x64d", 0, 34_426_698},  // table 7 says 34.4 M
		{"resnext29-16x64d", 0, 68_155_210}, // and 68.1 M
	} {
		if got := build(t, c.name, groups(c.groups)).Parameters(); got != c.want {
			t.Errorf("%s in %d groups: %d parameters, want %d", c.name, c.groups, got, c.want)
		}
	}
}

func TestMACs(t *testing.T) {
	for _, c := range []struct {
		name     string
		groups   int
		low, top int64
	}{
		{"alexnet", 0, 724_350_000, 724_450_000},
		{"alexnet", 1, 1_134_500_000, 1_135_500_000},
		{"alexnet", 4, 518_500_000, 519_500_000},
		{"alexnet-cifar", 0, 17_150_000, 17_250_000},
		{"alexnet-mini", 0, 1_000_000, 3_000_000},
		{"resnext50-32x4d", 0, 4_225_000_000, 4_235_000_000},
	} {
		n := build(t, c.name, groups(c.groups))
		if got := n.MACs(); got < c.low || got > c.top {
			t.Errorf("%s in %d groups: %d multiply-adds, want %d to %d", c.name, c.groups, got, c.low, c.top)
		}
	}
}

func TestList(t *testing.T) {
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"alexnet", "alexnet-64", "alexnet-cifar", "alexnet-mini",
		"resnext50-32x4d", "resnext101-32x4d", "resnext101-32x8d", "resnext101-64x4d",
		"resnext29-4x16d", "resnext29-32x4d", "resnext29-8x64d", "resnext29-16x64d",
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
		if i.Parameters < 1 || i.MACs < 1 || i.Groups < 2 || min(i.Input[0], i.Input[1], i.Input[2], i.Classes) < 1 {
			t.Errorf("%+v has no number where there must be one", i)
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("listed %v, want %v", names, want)
	}
	if i := list[0]; i.Input != [3]int{224, 224, 3} || i.Classes != 1000 || i.Groups != 2 {
		t.Errorf("alexnet is %+v", i)
	}
}

// Every net, for training and for evaluation: names are unique, gradients have their
// parameters' shapes, statistics have what their mode needs.
func TestStructure(t *testing.T) {
	var names []string
	for _, e := range entries() {
		names = append(names, e.name)
	}
	for _, name := range append(names, "resnext29-1x8d", "resnext29-3x5d") {
		t.Run(name, func(t *testing.T) {
			train := build(t, name, func(c *model.Config) { c.Train = true; c.Batch = 4 })
			if err := train.Differentiate(); err != nil {
				t.Fatal(err)
			}
			if len(train.Grads) != len(train.Params) {
				t.Fatalf("%d gradients of %d parameters", len(train.Grads), len(train.Params))
			}
			for i, p := range train.Params {
				if got, want := train.Grads[i].Shape(), p.Node.Shape(); !got.Eq(want) {
					t.Errorf("gradient of %s has shape %v, want %v", p.Name, got, want)
				}
				if p.Node.Name() != p.Name {
					t.Errorf("parameter %s is the leaf %s", p.Name, p.Node.Name())
				}
			}
			if err := train.Differentiate(); err == nil {
				t.Error("differentiated twice")
			}
			eval := build(t, name, nil)
			if err := eval.Differentiate(); err == nil {
				t.Error("differentiated an evaluation net")
			}
			if eval.Step != nil {
				t.Error("an evaluation net reads the step")
			}
			compare(t, train, eval)
			unique(t, train)
			unique(t, eval)
		})
	}
}

// compare checks that a net has the same state in training and in evaluation.
func compare(t *testing.T, train, eval *model.Net) {
	t.Helper()
	if len(train.Params) != len(eval.Params) || len(train.Stats) != len(eval.Stats) {
		t.Fatalf("%d parameters and %d statistics in training, %d and %d in evaluation",
			len(train.Params), len(train.Stats), len(eval.Params), len(eval.Stats))
	}
	for i, p := range train.Params {
		if q := eval.Params[i]; q.Name != p.Name || q.Init != p.Init || !q.Node.Shape().Eq(p.Node.Shape()) {
			t.Errorf("parameter %d is %s in training and %s in evaluation", i, p.Name, q.Name)
		}
	}
	for i, s := range train.Stats {
		e := eval.Stats[i]
		if e.Name != s.Name || e.Shape != s.Shape || e.Init != s.Init {
			t.Errorf("statistic %d is %s in training and %s in evaluation", i, s.Name, e.Name)
		}
		if s.Source == nil || s.Node != nil || e.Source != nil || e.Node == nil {
			t.Errorf("statistic %s: source %v, %v, node %v, %v", s.Name, s.Source, e.Source, s.Node, e.Node)
		}
	}
}

// unique checks that no two leaves share a name and no two nodes a layer and op, and that
// every node but the sums that Gorgonia inserts is one of ours.
func unique(t *testing.T, n *model.Net) {
	t.Helper()
	leaves := map[string]bool{}
	type node struct {
		layer string
		op    op.Op
	}
	nodes := map[node]bool{}
	for _, x := range n.Graph.AllNodes() {
		if x.Op() == nil {
			if leaves[x.Name()] {
				t.Errorf("two leaves are called %s", x.Name())
			}
			leaves[x.Name()] = true
			continue
		}
		o, layer, ok := op.Of(x)
		if !ok {
			if s := x.Op().String(); s != "+ false" {
				t.Errorf("foreign op %s", s)
			}
			continue
		}
		if k := (node{layer, o}); nodes[k] {
			t.Errorf("two nodes %s of layer %s", o.Kind(), layer)
		} else {
			nodes[k] = true
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, c := range []struct{ name, near string }{
		{"alexnat", "alexnet"},
		{"AlexNet-CIFAR", "alexnet-cifar"},
		{"resnext50", "resnext50-32x4d"},
		{"resnext29-8x64", "resnext29-8x64d"},
		{"resnext29-0x4d", "resnext29-32x4d"},
		{"resnext29-08x64d", "resnext29-8x64d"},
		{"resnext29--8x64d", "resnext29-8x64d"},
		{"resnext29-8x64dd", "resnext29-8x64d"},
		{"", "alexnet"},
	} {
		_, err := Build(c.name, model.Config{})
		var unknown *UnknownError
		if !errors.As(err, &unknown) {
			t.Errorf("%q: error %v", c.name, err)
			continue
		}
		if !slices.Contains(unknown.Nearest, c.near) {
			t.Errorf("%q: nearest are %v, not %s", c.name, unknown.Nearest, c.near)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one line: %v", c.name, err)
		}
	}
}

// What does not fit is refused with a line that says what.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*model.Config)
		want   string
	}{
		{"alexnet", groups(5), "5 groups do not divide the 96 filters of conv1"},
		{"alexnet", groups(-1), "groups must be at least 1, not -1"},
		{"alexnet", func(c *model.Config) { c.Height = 32 }, "(images are 32x224, the net was designed for 224x224)"},
		{"alexnet", func(c *model.Config) { c.Width = 4 }, "conv1"},
		{"alexnet", func(c *model.Config) { c.Batch = 0 }, "batch must be from 1"},
		{"alexnet", func(c *model.Config) { c.Classes = 0 }, "classes must be from 1"},
		{"alexnet-mini", func(c *model.Config) { c.Channels = 1 << 30 }, "image channels must be"},
		{"alexnet-mini", func(c *model.Config) { c.Mean = []float64{1} }, "1 means for images of 3 channels"},
		{"alexnet-mini", func(c *model.Config) { c.Dev = []float64{1, 0, 1} }, "deviation of channel 1 must be above 0"},
		{"resnext50-32x4d", groups(8), "has 32 groups, not 8"},
		{"resnext29-9999999x9999999d", nil, "9999999 groups"},
		{"resnext29-2x4d", func(c *model.Config) { c.Train = true; c.Batch, c.Height, c.Width = 1, 1, 1 }, "no variance"},
	} {
		cfg, err := Default(c.name)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Batch = 2
		if c.change != nil {
			c.change(&cfg)
		}
		_, err = Build(c.name, cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), c.name) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.want)
		}
	}
}

func FuzzDistance(f *testing.F) {
	f.Add("alexnet", "alexnat")
	f.Add("", "resnext")
	f.Fuzz(func(t *testing.T, a, b string) {
		d := distance(a, b)
		x, y := len([]rune(a)), len([]rune(b))
		if d != distance(b, a) || d < max(x-y, y-x) || d > max(x, y) || (d == 0) != (string([]rune(a)) == string([]rune(b))) {
			t.Errorf("distance(%q, %q) = %d", a, b, d)
		}
	})
}
