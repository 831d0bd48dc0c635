package program_test

import (
	"fmt"
	"testing"

	"cleave/coordinator/program"
	"cleave/model"

	"github.com/google/go-cmp/cmp"
)

func batch(n int) func(*model.Config) { return func(c *model.Config) { c.Batch = n } }

// TestBuild builds and validates nets of full size.
func TestBuild(t *testing.T) {
	nets := []string{"alexnet", "alexnet-cifar", "alexnet-mini", "resnext29-4x16d", "resnext50-32x4d"}
	if testing.Short() {
		nets = nets[:3]
	}
	for _, name := range nets {
		train, eval := read(t, name, true, batch(8)), read(t, name, false, batch(12))
		for _, policy := range []string{"model", "data"} {
			for _, ranks := range []int{1, 2, 3, 4} {
				t.Run(fmt.Sprintf("%s/%s/%d", name, policy, ranks), func(t *testing.T) {
					b := build(t, planned(t, train, policy, ranks), planned(t, eval, policy, ranks), program.Options{})
					if err := b.Validate(); err != nil {
						t.Error(err)
					}
					for r, p := range b.Programs {
						t.Logf("rank %d: %d MiB, %d buffers, received %d KiB", r, p.ArenaBytes>>20, len(p.Buffers), b.Received("accumulate", "update")[r]>>10)
					}
				})
			}
		}
	}
}

// TestRepeats wants the same plans to give the same bundle, instruction by instruction.
func TestRepeats(t *testing.T) {
	f := load(t, "residual")
	text := func() string {
		return build(t, planned(t, f.train, "data", 3), planned(t, f.eval, "data", 3), program.Options{Seed: 5}).Text()
	}
	if first, second := text(), text(); first != second {
		t.Error(cmp.Diff(first, second))
	}
}

func BenchmarkBuild(b *testing.B) {
	train, eval := read(b, "resnext50-32x4d", true, batch(32)), read(b, "resnext50-32x4d", false, batch(32))
	for _, policy := range []string{"model", "data"} {
		b.Run(policy, func(b *testing.B) {
			p, q := planned(b, train, policy, 2), planned(b, eval, policy, 2)
			for b.Loop() {
				build(b, p, q, program.Options{})
			}
		})
	}
}
