package goldens

import (
	"math"
	"slices"
	"testing"
)

// Every golden is complete: the net that Build builds has exactly its tensors.
func TestComplete(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			g := Load(t, name)
			n, err := g.Build(true)
			if err != nil {
				t.Fatal(err)
			}
			if len(n.Params) != len(g.Weights) || len(n.Params) != len(g.Grads) || len(n.Params) != len(g.After) || len(n.Stats) != len(g.Stats) {
				t.Errorf("%d parameters and %d statistics of %d weights, %d gradients, %d later weights, %d statistics",
					len(n.Params), len(n.Stats), len(g.Weights), len(g.Grads), len(g.After), len(g.Stats))
			}
			for _, p := range n.Params {
				size := p.Node.Shape().TotalSize()
				if len(g.Weights[p.Name]) != size || len(g.Grads[p.Name]) != size || len(g.After[p.Name]) != size {
					t.Errorf("%s: %d weights, %d gradients, %d later weights, want %d",
						p.Name, len(g.Weights[p.Name]), len(g.Grads[p.Name]), len(g.After[p.Name]), size)
				}
				if norm := Error(g.Grads[p.Name], make([]float64, size)); norm < 1e-3 {
					t.Errorf("%s: the gradient's norm %g is too small to be worth a comparison", p.Name, norm)
				}
				if g.Tolerance(t, "grad/"+p.Name) > 1e-5 || g.Tolerance(t, "after/"+p.Name) > 1e-5 {
					t.Errorf("%s: tolerance is large", p.Name)
				}
			}
			for _, s := range n.Stats {
				if len(g.Stats[s.Name]) != s.Shape.Volume() {
					t.Errorf("%s: %d values", s.Name, len(g.Stats[s.Name]))
				}
				g.Tolerance(t, "stat/"+s.Name)
			}
			if len(g.Images) != g.Batch*g.Channels*g.Height*g.Width || len(g.Labels) != g.Batch ||
				len(g.Logits) != g.Batch*g.Classes || len(g.EvalLogits) != g.Batch*g.Classes {
				t.Errorf("%d bytes, %d labels, %d and %d logits", len(g.Images), len(g.Labels), len(g.Logits), len(g.EvalLogits))
			}
			if slices.Min(g.Labels) < 0 || slices.Max(g.Labels) >= g.Classes {
				t.Errorf("labels %v of %d classes", g.Labels, g.Classes)
			}
		})
	}
}

func TestError(t *testing.T) {
	for _, c := range []struct {
		got, want []float64
		e         float64
	}{
		{[]float64{3, 4}, []float64{3, 4}, 0},
		{[]float64{3, 4.5}, []float64{3, 4}, 0.1},
		{[]float64{2}, []float64{0}, 2},
		{[]float64{1}, []float64{1, 2}, math.Inf(1)},
		{[]float64{math.NaN()}, []float64{1}, math.Inf(1)},
	} {
		if e := Error(c.got, c.want); e != c.e {
			t.Errorf("error of %v against %v is %v, want %v", c.got, c.want, e, c.e)
		}
	}
}

// A damaged file gives an error or tensors within it, never a panic.
func FuzzSafetensors(f *testing.F) {
	good := []byte("\x3b\x00\x00\x00\x00\x00\x00\x00" + `{"a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}}    ` + "abcd")
	if got, err := safetensors(good); err != nil || string(got["a"].data) != "abcd" {
		f.Fatalf("%v, %v", got, err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(good[:5])
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, file []byte) {
		all, err := safetensors(file)
		if err != nil {
			return
		}
		for name, r := range all {
			size := sizes[r.dtype]
			for _, d := range r.shape {
				size *= d
			}
			if size != len(r.data) {
				t.Errorf("%q: %d bytes for %v of %s", name, len(r.data), r.shape, r.dtype)
			}
		}
	})
}
