package cpu

import (
	"math/rand/v2"
	"slices"
	"testing"

	"cleave/kernels/kernelbench"
)

// Jobs are cut for a number of threads; what they sum up, and in which order, is not.
func TestThreadsDoNotMatterToWholeLayers(t *testing.T) {
	if testing.Short() || race {
		t.Skip("slow")
	}
	for _, name := range []string{"nin-conv2-16g", "nin-conv2-4g", "resnext29-conv1", "resnext50-56x56-32x8-stride2", "resnext50-7x7-32x32", "shufflenet-28x28-3g-240to60", "resnext50-14x14-1x1-1024to512", "depthwise-14x14-512"} {
		l, ok := kernelbench.Find(name)
		if !ok {
			t.Fatalf("no layer %s", name)
		}
		for _, tier := range available() {
			if tier == &generic && l.FLOPs() > 2e8 {
				continue // minutes
			}
			for _, pass := range kernelbench.Passes() {
				want := resultOf(t, tier, 1, l, pass)
				for _, threads := range []int{2, 5} {
					if !slices.Equal(resultOf(t, tier, threads, l, pass), want) {
						t.Errorf("%s, %s, %s: %d threads compute something else than one", tier.name, name, pass, threads)
					}
				}
			}
		}
	}
}

// resultOf returns what a layer's pass computes from some random numbers.
func resultOf(t *testing.T, tier *tier, threads int, l kernelbench.Layer, pass kernelbench.Pass) []float32 {
	t.Helper()
	b := newBackend(threads, tier, nil)
	defer b.Close()
	operands, space := place(t, b, l, 0)
	views := compute(t, b, l, pass, operands, space, rand.New(rand.NewPCG(18, 19)))
	return slices.Clone(views[roles[pass][0]].f)
}
