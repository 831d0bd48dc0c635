package program

import (
	"maps"
	"slices"

	"cleave/kernels"
	"cleave/layout"
	"cleave/model/op"
)

// KernelReport lists what convolutions and linear layers call in a training step, on ranks
// that call the same. The order is the first rank's: where ranks wait for each other at
// different moments, they run independent calls in different orders.
type KernelReport struct {
	Ranks []int        `json:"ranks"`
	Calls []CallReport `json:"calls"`
}

// CallReport is one kernel call as the sizer of its rank sees it.
type CallReport struct {
	Layer       string       `json:"layer"`
	Pass        string       `json:"pass"`
	LocalShape  layout.Shape `json:"local_shape"` // of what the call writes
	Kernel      string       `json:"kernel"`
	Workspace   int64        `json:"workspace_bytes"`
	PredictedMS float64      `json:"predicted_ms"`
}

var convPasses = map[kernels.Code]string{
	kernels.ConvForward:    "forward",
	kernels.ConvDataGrad:   "data gradient",
	kernels.ConvFilterGrad: "filter gradient",
}

// Kernels describes the convolutions of the bundle's training step.
func (b *Bundle) Kernels() []KernelReport {
	layers := b.convLayers()
	out := []KernelReport{}
	var counts []map[CallReport]int // of out's calls
	for r, p := range b.Programs {
		calls, count := p.convCalls(layers), map[CallReport]int{}
		for _, c := range calls {
			count[c]++
		}
		i := slices.IndexFunc(counts, func(m map[CallReport]int) bool { return maps.Equal(m, count) })
		if i < 0 {
			i = len(out)
			out, counts = append(out, KernelReport{Calls: calls}), append(counts, count)
		}
		out[i].Ranks = append(out[i].Ranks, r)
	}
	return out
}

// convLayers gives the layer of every tensor that holds a convolution's filters or their
// gradients, by name. A fused call's output may be another layer's.
func (b *Bundle) convLayers() map[string]string {
	layers := map[string]string{}
	for _, n := range b.train.Graph.Insts {
		switch n.Op.(type) {
		case op.Conv:
			layers[n.In[1].Name] = n.Layer
		case op.ConvFilterGrad:
			layers[n.Out.Name] = n.Layer
		}
	}
	return layers
}

func (p *Program) convCalls(layers map[string]string) []CallReport {
	calls := []CallReport{}
	for i := range p.Section(Accumulate).Instrs {
		n := &p.Section(Accumulate).Instrs[i]
		if n.Kind != Run || convPasses[n.Call.Desc.Code] == "" {
			continue
		}
		filters := n.Call.Out
		if n.Call.Desc.Code != kernels.ConvFilterGrad {
			filters = n.Call.In[1]
		}
		out, in := shapes(n.Call)
		calls = append(calls, CallReport{
			Layer:       layers[p.Buffers[filters.Buffer].Name],
			Pass:        convPasses[n.Call.Desc.Code],
			LocalShape:  out,
			Kernel:      p.sizer.Kernel(n.Call.Desc, out, in),
			Workspace:   n.Call.Workspace,
			PredictedMS: 1e3 * p.sizer.Seconds(n.Call.Desc, out, in),
		})
	}
	return calls
}
