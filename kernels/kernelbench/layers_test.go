package kernelbench

import (
	"testing"

	"cleave/kernels/cpu"
	"cleave/layout"
)

// Names are taken once, and every layer fits together.
func TestLayers(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range append(Layers(), Others()...) {
		if seen[l.Name] {
			t.Errorf("there are two layers %s", l.Name)
		}
		seen[l.Name] = true
		if l.Channels%l.Groups != 0 || l.Filters%l.Groups != 0 {
			t.Errorf("%s: %d groups do not divide %d channels into %d filters", l.Name, l.Groups, l.Channels, l.Filters)
		}
		if found, ok := Find(l.Name); !ok || found != l {
			t.Errorf("%s is not found", l.Name)
		}
	}
	if _, ok := Find("none"); ok {
		t.Error("a layer that is not there is found")
	}
}

// Krizhevsky et al. 2012, figure 2: conv2 of both towers does 223.9 M multiply-adds.
func TestFLOPs(t *testing.T) {
	l, _ := Find("alexnet-conv2")
	if got, want := l.FLOPs(), 2.0*16*27*27*256*48*25; got != want {
		t.Errorf("%v operations, want %v", got, want)
	}
	l, _ = Find("resnext50-56x56-32x8-stride2")
	if got, want := l.Y(), (layout.Shape{8, 256, 28, 28}); got != want {
		t.Errorf("output %v, want %v", got, want)
	}
}

// A pass of each kind of layer runs on a backend; its numbers are the conformance suite's
// business.
func TestBind(t *testing.T) {
	l := Layer{Name: "small", Batch: 2, Channels: 12, Filters: 6, Groups: 3, Size: 9, Kernel: 3, Stride: 2, Pad: 1}
	for _, p := range Passes() {
		b := cpu.New(2)
		launch, err := Bind(b, l, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := launch(); err != nil {
			t.Errorf("%s: %v", p, err)
		}
		b.Close()
	}
	b := cpu.New(1)
	defer b.Close()
	if _, err := Bind(b, l, "sideways"); err == nil {
		t.Error("an unknown pass is bound")
	}
}
