package program_test

import (
	"testing"

	"cleave/coordinator/program"
	"cleave/kernels"
)

// Each of ResNeXt-29's 9 blocks adds its input, or a batch norm of it, to the result of a batch
// norm: in training and in evaluation that is one call with the ReLU.
func TestResidualSumsAreFused(t *testing.T) {
	train, eval := read(t, "resnext29-4x16d", true, batch(4)), read(t, "resnext29-4x16d", false, batch(4))
	for _, policy := range []string{"model", "data"} {
		for _, ranks := range []int{1, 2} {
			b := build(t, planned(t, train, policy, ranks), planned(t, eval, policy, ranks), program.Options{})
			if err := b.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, p := range b.Programs {
				for _, section := range []string{program.Accumulate, program.Eval} {
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
					if fused != 9 || sums != 0 || norms != 31-9 {
						t.Errorf("%s, rank %d of %d, %s: %d norms that add, %d sums, %d other norms; want 9, 0, 22", policy, p.Rank, ranks, section, fused, sums, norms)
					}
				}
			}
		}
	}
}
