package model_test

import (
	"slices"
	"testing"

	"cleave/model"
	"cleave/model/goldens"
)

// The mean counts padding; channels are joined, then dealt out in turn.
func TestAvgPoolConcatShuffle(t *testing.T) {
	cfg := model.Config{Batch: 1, Height: 2, Width: 2, Channels: 2, Classes: 4}
	b := model.NewBuilder("net", 1, cfg)
	p := b.AvgPool("pool", b.Image(), 3, 2, 1)
	y := b.Concat("concat", p, b.ReLU("relu", p))
	z := b.Shuffle("shuffle", y, 2)
	n, err := b.Finish(b.Flatten("flat", z))
	if err != nil {
		t.Fatal(err)
	}
	image := []float64{255, 510, 765, 1020, -255, -510, -765, -1020} // channels of mean 10/9 and −10/9
	got, err := goldens.Tape(n.Graph, map[string][]float64{"image": image, "labels": {0}}, y, z)
	if err != nil {
		t.Fatal(err)
	}
	m := 10.0 / 9
	if want := []float64{m, -m, m, 0}; !slices.EqualFunc(got[0], want, near) {
		t.Errorf("joined %v, want %v", got[0], want)
	}
	if want := []float64{m, m, -m, 0}; !slices.EqualFunc(got[1], want, near) {
		t.Errorf("shuffled %v, want %v", got[1], want)
	}
}

func near(a, b float64) bool { return max(a-b, b-a) < 1e-12 }
