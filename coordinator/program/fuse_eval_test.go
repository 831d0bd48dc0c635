package program_test

import (
	"math/rand/v2"
	"testing"

	"cleave/coordinator/program"
	"cleave/kernels"
	"cleave/layout"
)

// folded counts a program's calls that evaluate a batch norm and write each buffer: as a
// convolution's epilogue, and as a call of its own.
func folded(p *program.Program) (convs map[program.BufferID][]*program.Call, norms int) {
	convs = map[program.BufferID][]*program.Call{}
	for _, n := range p.Section(program.Eval).Instrs {
		switch {
		case n.Kind != program.Run:
		case n.Call.Desc.Code == kernels.BN:
			norms++
		case n.Call.Desc.Epilogue.Norm:
			convs[n.Call.Out.Buffer] = append(convs[n.Call.Out.Buffer], n.Call)
		}
	}
	return convs, norms
}

// In evaluation each of ResNeXt-29's 31 batch norms is the epilogue of its convolution, and the
// last convolution of each of its 9 blocks adds the residual. Training goes by the batch's
// statistics.
func TestBatchNormsAreFolded(t *testing.T) {
	train, eval := read(t, "resnext29-4x16d", true, batch(4)), read(t, "resnext29-4x16d", false, batch(4))
	for _, policy := range []string{"model", "data"} {
		for _, ranks := range []int{1, 2, 3} {
			b := build(t, planned(t, train, policy, ranks), planned(t, eval, policy, ranks), program.Options{})
			if err := b.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, p := range b.Programs {
				convs, norms := folded(p)
				sums := 0
				for _, calls := range convs {
					if calls[0].Desc.Epilogue.Add {
						sums++
					}
				}
				if len(convs) != 31 || sums != 9 || norms != 0 {
					t.Errorf("%s, rank %d of %d: %d folded norms, %d that add, %d others; want 31, 9, 0", policy, p.Rank, ranks, len(convs), sums, norms)
				}
				for _, n := range p.Section(program.Accumulate).Instrs {
					if n.Kind == program.Run && n.Call.Desc.Epilogue.Norm {
						t.Errorf("%s, rank %d of %d folds a norm in training", policy, p.Rank, ranks)
					}
				}
			}
		}
	}
}

// Five ranks cut ResNeXt-29's four groups: a norm then becomes the epilogue of each of the calls
// that compute its input. Each of the 9 blocks has a grouped convolution.
func TestNormsAreFoldedIntoParts(t *testing.T) {
	train, eval := read(t, "resnext29-4x16d", true, batch(4)), read(t, "resnext29-4x16d", false, batch(4))
	b := build(t, planned(t, train, "model", 5), planned(t, eval, "model", 5), program.Options{})
	if err := b.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, p := range b.Programs[1:4] {
		convs, _ := folded(p)
		parts := 0
		for id, calls := range convs {
			if len(calls) == 1 {
				continue
			}
			parts++
			volume := 0
			for _, c := range calls {
				volume += c.Out.Box.Volume()
			}
			if volume != p.Buffers[id].Box.Volume() {
				t.Errorf("rank %d: calls write %d elements of %s, which has %v", p.Rank, volume, p.Buffers[id].Name, p.Buffers[id].Box)
			}
		}
		if parts != 9 {
			t.Errorf("rank %d: %d norms are folded into several calls, want 9", p.Rank, parts)
		}
	}
}

// What several ranks sum, or another rank computes, is no convolution's result yet: such norms stay.
func TestNormsBehindExchangesStay(t *testing.T) {
	f := load(t, "residual")
	rng, homes := rand.New(rand.NewPCG(1, 1)), map[string]layout.Home{}
	b := build(t, randomPlan(rng, f.train, 3, homes), randomPlan(rng, f.eval, 3, homes), program.Options{})
	if err := b.Validate(); err != nil {
		t.Fatal(err)
	}
	stay := 0
	for _, p := range b.Programs {
		_, norms := folded(p)
		stay += norms
	}
	if stay == 0 {
		t.Error("all norms are folded")
	}
}
