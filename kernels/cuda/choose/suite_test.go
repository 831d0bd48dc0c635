package choose

import (
	"slices"
	"testing"

	"cleave/kernels"
	"cleave/kernels/kerneltest"
	"cleave/layout"
)

// TestSuiteCalls binds every call of the conformance suite. The workspace that the planner
// reserves, knowing extents only, must be what the bound call takes, however its operands
// lie; every launch must be one that its kernel takes.
func TestSuiteCalls(t *testing.T) {
	for _, k := range kerneltest.Calls(t, Sizer{}) {
		if choosers[k.Desc.Code] == nil {
			continue // TestChoosers says so
		}
		c, err := newCall(k.Desc, k.Out, k.In)
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		shapes := make([]layout.Shape, len(c.in))
		for i, v := range c.in {
			shapes[i] = v.n
		}
		if err := c.choose(); err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		if want := (Sizer{}).Workspace(k.Desc, k.Out.Box.Shape(), shapes); c.used != want {
			t.Errorf("%s: takes %d bytes of workspace, the planner reserves %d", k.Name, c.used, want)
		}
		for _, l := range c.launches {
			if err := l.check(); err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
		}
	}
}

// TestChoosers wants a chooser and the types of inputs for every kernel.
func TestChoosers(t *testing.T) {
	for _, code := range kernels.Codes() {
		if _, ok := inputs[code]; !ok || choosers[code] == nil {
			t.Errorf("%s: no chooser or no inputs", code)
		}
	}
}

// TestLargeShapes checks the grids of real layers at large batches, which no test launches.
func TestLargeShapes(t *testing.T) {
	window := kernels.Window{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pad: [4]int{1, 1, 1, 1}}
	x, y := layout.Shape{512, 64, 112, 112}, layout.Shape{512, 64, 56, 56}
	of := func(n int) layout.Shape { return layout.Shape{n, 1, 1, 1} }
	vec := of(64)
	for _, k := range []struct {
		d   kernels.Desc
		out layout.Shape
		in  []layout.Shape
	}{
		{kernels.Desc{Code: kernels.ReLU}, x, []layout.Shape{x}},
		{kernels.Desc{Code: kernels.Bias}, x, []layout.Shape{x, vec}},
		{kernels.Desc{Code: kernels.BNMean, Count: 1}, vec, []layout.Shape{x}},
		{kernels.Desc{Code: kernels.BNVar, Count: 1}, vec, []layout.Shape{x, vec}},
		{kernels.Desc{Code: kernels.MaxPool, Window: window}, y, []layout.Shape{x}},
		{kernels.Desc{Code: kernels.MaxPoolGrad, Window: window}, x, []layout.Shape{x, y, y}},
		{kernels.Desc{Code: kernels.MaxPoolIndex, Window: window}, y, []layout.Shape{x, y}},
		{kernels.Desc{Code: kernels.MaxPoolIndexGrad, Window: window}, x, []layout.Shape{y, y}},
		{kernels.Desc{Code: kernels.LRN, LRN: kernels.LRNDesc{N: 5}}, x, []layout.Shape{x}},
		{kernels.Desc{Code: kernels.LRNGrad, LRN: kernels.LRNDesc{N: 5}}, x, []layout.Shape{x, x}},
		{kernels.Desc{Code: kernels.Dropout, P: 0.5, Random: kernels.Random{Global: layout.Shape{4096, 9216, 1, 1}}}, layout.Shape{4096, 9216, 1, 1}, []layout.Shape{{4096, 9216, 1, 1}, of(1)}},
		{kernels.Desc{Code: kernels.Dropout, P: 0.5, Random: kernels.Random{Global: x}}, x, []layout.Shape{x, of(1)}},
		{kernels.Desc{Code: kernels.BiasGrad}, of(1 << 20), []layout.Shape{{512, 1 << 20, 1, 1}}},
		{kernels.Desc{Code: kernels.Flatten}, layout.Shape{1 << 17, 4096, 1, 1}, []layout.Shape{{1 << 17, 1024, 2, 2}}},
		{kernels.Desc{Code: kernels.RowMax}, of(1 << 20), []layout.Shape{{1 << 20, 1000, 1, 1}}},
	} {
		c := whole(k.d, k.out, k.in)
		if err := c.choose(); err != nil {
			t.Errorf("%s %v: %v", k.d.Code, k.out, err)
		}
		for _, l := range c.launches {
			if err := l.check(); err != nil {
				t.Errorf("%s %v: %v", k.d.Code, k.out, err)
			}
		}
		if big := int64(4 * 16 << 20); c.used > big && k.d.Code != kernels.MaxPoolGrad {
			t.Errorf("%s %v: takes %d bytes of workspace", k.d.Code, k.out, c.used)
		}
	}
}

// TestEveryKernelIsReached wants every kernel to be one of a variant of the suite's calls: a
// kernel without a case is not tested anywhere.
func TestEveryKernelIsReached(t *testing.T) {
	reached := map[string]bool{"sgd_many_f32": true, "peak_ffma_f32": true} // TestSGDTable, Peaks
	for _, k := range kerneltest.Calls(t, Sizer{}) {
		variants, err := Variants(k.Desc, k.Out, k.In, kernels.Region{Bytes: 1 << 40})
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		for _, v := range variants {
			for _, l := range v.Launches {
				if err := l.check(); err != nil {
					t.Errorf("%s, %s: %v", k.Name, v.Name, err)
				}
				reached[l.Kernel] = true
			}
		}
	}
	var missing []string
	for name := range Kernels {
		if !reached[name] {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("no case of the suite takes %v", missing)
	}
}
