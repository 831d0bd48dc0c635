package program_test

import (
	"strings"
	"testing"

	"cleave/coordinator/program"
	"cleave/kernels"
	"cleave/model"
	"cleave/model/op"
)

// pooled is a net whose pools have windows of so many rows and columns.
func pooled(t *testing.T, rows, cols int, cfg model.Config) *model.Net {
	b := model.NewBuilder("pooled", 1, cfg)
	x := b.Bias("conv1", b.Conv("conv1", b.Image(), model.Square(8, 3, 1, 1, 1), model.He), 0.1)
	x, err := op.Apply("pool1", op.MaxPool{Pool: op.Pool{Kernel: [2]int{rows, cols}, Stride: [2]int{2, 2}, Pad: [4]int{rows - 1, rows - 1, cols - 1, cols - 1}}}, x)
	b.Fail(err)
	return finish(t, b, b.Bias("fc", b.Linear("fc", b.Flatten("flatten", x), 5, model.He), 0))
}

// maxPools counts a program's max pools in a section.
func maxPools(p *program.Program, section string) map[kernels.Code]int {
	got := map[kernels.Code]int{}
	for _, n := range p.Section(section).Instrs {
		if n.Kind == program.Run && strings.HasPrefix(n.Call.Desc.Code.String(), "max_pool") {
			got[n.Call.Desc.Code]++
		}
	}
	return got
}

func TestMaxPoolsKeepAnIndex(t *testing.T) {
	indexed := map[kernels.Code]int{kernels.MaxPoolIndex: 1, kernels.MaxPoolIndexGrad: 1}
	compared := map[kernels.Code]int{kernels.MaxPool: 1, kernels.MaxPoolGrad: 1}
	for _, c := range []struct {
		name       string
		rows, cols int
		options    program.Options
		want       map[kernels.Code]int
	}{
		{"3×3", 3, 3, program.Options{}, indexed},
		{"15×17", 15, 17, program.Options{}, indexed},
		{"16×16, more pixels than a byte counts", 16, 16, program.Options{}, compared},
		{"no fusion", 3, 3, program.Options{NoFusion: true}, compared},
	} {
		t.Run(c.name, func(t *testing.T) {
			train, eval := smallConfig(4, true), smallConfig(4, false)
			for _, policy := range []string{"model", "data"} {
				b := build(t, planned(t, graphOf(t, pooled(t, c.rows, c.cols, train)), policy, 2), planned(t, graphOf(t, pooled(t, c.rows, c.cols, eval)), policy, 2), c.options)
				if err := b.Validate(); err != nil {
					t.Fatal(err)
				}
				for _, p := range b.Programs {
					for code, n := range c.want {
						if got := maxPools(p, program.Accumulate); len(got) != len(c.want) || got[code] != n {
							t.Errorf("%s, rank %d: training calls %v, want %v", policy, p.Rank, got, c.want)
						}
					}
					if got := maxPools(p, program.Eval); len(got) != 1 || got[kernels.MaxPool] != 1 {
						t.Errorf("%s, rank %d: evaluation calls %v", policy, p.Rank, got)
					}
				}
			}
		})
	}
}

// What AlexNet's first two pools read, 96 channels of 55×55 and 256 of 27×27, is not held until
// the backward pass.
func TestIndexedPoolsSaveMemory(t *testing.T) {
	train := read(t, "alexnet", true, batch(4))
	b := build(t, planned(t, train, "model", 1), nil, program.Options{})
	p := b.Programs[0]
	code := p.Section(program.Accumulate).Instrs
	last := map[string]kernels.Code{} // what reads a tensor last
	for _, n := range code {
		if n.Kind == program.Run {
			for _, v := range n.Call.In {
				last[p.Buffers[v.Buffer].Name] = n.Call.Desc.Code
			}
		}
	}
	for _, name := range []string{"lrn1/lrn", "lrn2/lrn"} {
		if last[name] != kernels.MaxPoolIndex {
			t.Errorf("%s is read last by %v, want %v", name, last[name], kernels.MaxPoolIndex)
		}
	}
	indices := 0
	for i := range p.Buffers {
		if n := &p.Buffers[i]; strings.HasSuffix(n.Name, ".index") {
			indices++
			if n.DType != kernels.U8 || n.Kept {
				t.Errorf("%s: %+v", n.Name, n)
			}
		}
	}
	if indices != 3 {
		t.Errorf("%d indices, want one for each of 3 pools", indices)
	}
}
