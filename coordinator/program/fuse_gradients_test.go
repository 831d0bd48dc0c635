package program_test

import (
	"maps"
	"testing"

	"cleave/coordinator/program"
	"cleave/kernels"
)

// In ResNeXt-29 the gradients of 9 blocks' inputs are sums over two branches, of a block's first
// convolution and of what goes past it. All but the first block's come from a residual's ReLU.
// Where ranks split the channels these sums are summands themselves.
func TestGradientsAreFused(t *testing.T) {
	train := read(t, "resnext29-4x16d", true, batch(4))
	for _, c := range []struct {
		policy string
		ranks  int
		fused  bool
	}{{"model", 1, true}, {"data", 1, true}, {"data", 2, true}, {"model", 2, false}} {
		b := build(t, planned(t, train, c.policy, c.ranks), nil, program.Options{})
		if err := b.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Programs {
			with, sums := map[kernels.Epilogue]int{}, 0
			for _, n := range p.Section(program.Accumulate).Instrs {
				switch {
				case n.Kind != program.Run:
				case n.Call.Desc.Code == kernels.ConvDataGrad:
					with[n.Call.Desc.Epilogue]++
				case n.Call.Desc.Code == kernels.Add:
					sums++
				}
			}
			want := map[kernels.Epilogue]int{{}: 31 - 9, {Add: true}: 1, {Add: true, ReLU: true}: 8}
			if !c.fused {
				want = map[kernels.Epilogue]int{{}: 31}
			}
			if !maps.Equal(with, want) || (sums == 0) != c.fused {
				t.Errorf("%s, rank %d of %d: data gradients with %v, %d sums; want %v", c.policy, p.Rank, c.ranks, with, sums, want)
			}
		}
	}
}

// AlexNet has a ReLU behind each convolution. Two have nothing between them and the next one:
// conv3's and conv4's; the others have a max pool.
func TestReLUGradientsAreFused(t *testing.T) {
	b := build(t, planned(t, read(t, "alexnet-cifar", true, batch(4)), "data", 1), nil, program.Options{})
	fused := 0
	for _, n := range b.Programs[0].Section(program.Accumulate).Instrs {
		if n.Kind == program.Run && n.Call.Desc.Code == kernels.ConvDataGrad && n.Call.Desc.Epilogue == (kernels.Epilogue{ReLU: true}) {
			fused++
		}
	}
	if fused != 2 {
		t.Errorf("%d data gradients with a ReLU's, want 2", fused)
	}
}
