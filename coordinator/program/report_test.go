package program_test

import (
	"testing"

	"cleave/coordinator/program"
	"cleave/layout"

	"github.com/google/go-cmp/cmp"
)

// TestAlexNet2012 checks the exchanges of Krizhevsky et al. 2012, figure 2: the towers
// cross at the third convolution and at the three fully connected layers, nowhere else.
func TestAlexNet2012(t *testing.T) {
	const images = 4
	train := read(t, "alexnet", true, batch(images))
	b := build(t, planned(t, train, "alexnet2012", 2), nil, program.Options{})
	one := build(t, planned(t, train, "alexnet2012", 1), nil, program.Options{})
	r := b.Report(one)
	want := map[string]float64{"conv3": 86528, "fc6": 18432, "fc7": 8192, "fc8": 8192} // bytes an image
	for _, pass := range []string{"forward", "backward"} {
		seen := map[string]bool{}
		for _, e := range r.Exchanges {
			if e.Pass != pass {
				continue
			}
			if seen[e.At] {
				t.Errorf("two exchanges at %s, %s", e.At, pass)
			}
			seen[e.At] = true
			for rank, n := range e.PerImage {
				if e.At == "loss" {
					if n > 32 {
						t.Errorf("the loss exchanges %v bytes an image", n)
					}
				} else if n != want[e.At] {
					t.Errorf("rank %d receives %v bytes an image at %s, %s", rank, n, e.At, pass)
				}
				if e.PerStep[rank] != int64(n*images) {
					t.Errorf("%s: %d bytes a step, %v an image", e.At, e.PerStep[rank], n)
				}
			}
		}
		for at := range want {
			if !seen[at] {
				t.Errorf("no exchange at %s, %s", at, pass)
			}
		}
	}
	testKernels(t, b, one)
	if len(r.Exchanges) != 9 {
		t.Errorf("%d exchanges, want 4 forward, 4 backward and the loss", len(r.Exchanges))
	}
	parameters := int64(0)
	for _, l := range r.Layers {
		parameters += l.Parameters
	}
	if parameters != 60_965_224 {
		t.Errorf("%d parameters", parameters)
	}
	for i, k := range append(r.Ranks, r.OneWorker) {
		parts := k.Weights + k.Gradients + k.Momentum + k.Activations + k.Workspace + k.Exchange
		if parts > k.Peak || parts < k.Peak*9/10 {
			t.Errorf("rank %d: the parts make %d of %d bytes", i, parts, k.Peak)
		}
		if k.Peak >= r.OneWorker.Peak && i < 2 {
			t.Errorf("rank %d needs %d bytes, one worker alone %d", i, k.Peak, r.OneWorker.Peak)
		}
		if k.PredictedMS <= 0 {
			t.Errorf("rank %d: no time predicted", i)
		}
	}
}

// testKernels wants three passes of each layer but the first, which needs no gradient of
// the images, with the shapes of one tower; both towers are alike.
func testKernels(t *testing.T, b, one *program.Bundle) {
	t.Helper()
	ks := b.Kernels()
	if len(ks) != 1 || len(ks[0].Ranks) != 2 {
		t.Fatalf("kernels of %d kinds of ranks", len(ks))
	}
	passes := map[string]int{}
	for _, c := range ks[0].Calls {
		passes[c.Layer]++
		if c.Workspace != int64(c.LocalShape.Volume()) || c.PredictedMS <= 0 { // as flat has it
			t.Errorf("%s, %s: %d bytes of workspace, %v ms", c.Layer, c.Pass, c.Workspace, c.PredictedMS)
		}
		if c.Layer == "conv2" && c.Pass == "forward" && (c.LocalShape != layout.Shape{4, 128, 27, 27} || c.Kernel != "conv_forward") {
			t.Errorf("conv2 writes %v by %s", c.LocalShape, c.Kernel)
		}
	}
	want := map[string]int{"conv1": 2, "conv2": 3, "conv3": 3, "conv4": 3, "conv5": 3, "fc6": 3, "fc7": 3, "fc8": 3}
	if d := cmp.Diff(want, passes); d != "" {
		t.Errorf("calls of each layer (-want +got):\n%s", d)
	}
	if whole := one.Kernels()[0].Calls; len(whole) != len(ks[0].Calls) {
		t.Errorf("one worker makes %d calls, one of two %d", len(whole), len(ks[0].Calls))
	}
}
