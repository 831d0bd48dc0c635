package program_test

import (
	"testing"

	"cleave/coordinator/program"
	"cleave/kernels"
)

// Each of ResNeXt-29's 9 blocks adds its input, or a batch norm of it, to the result of a batch
// norm: in training that is one call with the ReLU. In evaluation the norm is folded in turn.
func TestResidualSumsAreFused(t *testing.T) {
	train, eval := read(t, "resnext29-4x16d", true, batch(4)), read(t, "resnext29-4x16d", false, batch(4))
	for _, policy := range []string{"model", "data"} {
		for _, ranks := range []int{1, 2} {
			b := build(t, planned(t, train, policy, ranks), planned(t, eval, policy, ranks), program.Options{})
			if err := b.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, p := range b.Programs {
				for section, want := range map[string][3]int{program.Accumulate: {9, 0, 31 - 9}, program.Eval: {}} {
					fused, sums, norms := 0, 0, 0
					for _, n := range p.Section(section).Instrs {
						switch {
						case n.Kind != program.Run:
						case n.Call.Desc.Code == kernels.Add && n.Call.Desc.Epilogue.ReLU:
							sums++
						case n.Call.Desc.Code == kernels.BN && n.Call.Desc.Epilogue.Add:
							fused++
							if len(n.Call.In) != 6 || !n.Call.Desc.Epilogue.ReLU {
								t.Errorf("%s: %+v", section, n.Call)
							}
						case n.Call.Desc.Code == kernels.BN:
							norms++
						}
					}
					if got := [3]int{fused, sums, norms}; got != want {
						t.Errorf("%s, rank %d of %d, %s: %v norms that add, sums, other norms; want %v", policy, p.Rank, ranks, section, got, want)
					}
				}
			}
		}
	}
}
