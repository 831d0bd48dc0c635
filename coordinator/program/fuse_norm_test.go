package program_test

import (
	"testing"

	"cleave/coordinator/program"
	"cleave/kernels"
)

// ResNeXt-29 has 31 batch norms: each of its 9 blocks three, the stem one and each of the 3
// stages one on its shortcut. A ReLU follows the first two of a block and the stem's, 19, at
// once; of the 9 behind the sums 8 are their next convolution's (fuseGradients), one is a pool's.
func TestBatchNormsAreFused(t *testing.T) {
	train, eval := read(t, "resnext29-4x16d", true, batch(4)), read(t, "resnext29-4x16d", false, batch(4))
	for _, c := range []struct {
		policy string
		ranks  int
		want   map[kernels.Code]int
	}{
		{"model", 1, map[kernels.Code]int{kernels.BNStats: 31, kernels.BNSums: 31, kernels.BNGrad: 31, kernels.ReLUGrad: 1}},
		// The ranks' means are merged before any deviates from them.
		{"data", 2, map[kernels.Code]int{kernels.BNMean: 31, kernels.BNVar: 31, kernels.BNSums: 31, kernels.BNGrad: 31, kernels.ReLUGrad: 1}},
	} {
		b := build(t, planned(t, train, c.policy, c.ranks), planned(t, eval, c.policy, c.ranks), program.Options{})
		for rank, p := range b.Programs {
			got, masked := map[kernels.Code]int{}, 0
			for _, n := range p.Section(program.Accumulate).Instrs {
				if n.Kind == program.Run {
					got[n.Call.Desc.Code]++
					if n.Call.Desc.Code == kernels.BNSums && n.Call.Desc.Epilogue.ReLU {
						masked++
					}
				}
			}
			for _, code := range []kernels.Code{kernels.BNMean, kernels.BNVar, kernels.BNStats, kernels.BNGammaGrad, kernels.BNSums, kernels.BNGrad, kernels.ReLUGrad} {
				if got[code] != c.want[code] {
					t.Errorf("%s, rank %d of %d: %d × %v, want %d", c.policy, rank, c.ranks, got[code], code, c.want[code])
				}
			}
			if masked != 19 {
				t.Errorf("%s, rank %d of %d: %d gradients with the ReLU's, want 19", c.policy, rank, c.ranks, masked)
			}
		}
	}
}
