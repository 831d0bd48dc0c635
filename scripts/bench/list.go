package main

import (
	"runtime"

	"cleave/kernels/kernelbench"
)

// listing is the answer to list: what there is to measure.
type listing struct {
	Device string      `json:"device"` // the CPU's tier, or the GPU
	Go     string      `json:"go"`
	Passes []string    `json:"passes"`
	Layers []layerInfo `json:"layers"`
	Steps  []stepInfo  `json:"steps"`
}

// layerInfo describes a layer to a framework that runs the same.
type layerInfo struct {
	Name     string  `json:"name"`
	Batch    int     `json:"batch"`
	Channels int     `json:"channels"`
	Filters  int     `json:"filters"`
	Groups   int     `json:"groups"`
	Size     int     `json:"size"`
	Kernel   int     `json:"kernel"`
	Stride   int     `json:"stride"`
	Pad      int     `json:"pad"`
	FLOPs    float64 `json:"flops"` // of each pass
}

// stepInfo describes a training step; the parameters tell whether both sides mean the
// same net.
type stepInfo struct {
	Name       string `json:"name"`
	Batch      int    `json:"batch"`
	Parameters int    `json:"parameters"`
	MACs       int64  `json:"macs"` // multiply-adds for one image, forward
}

func (s *server) list() (listing, error) {
	l := listing{Device: s.device.name, Go: runtime.Version()}
	for _, p := range kernelbench.Passes() {
		l.Passes = append(l.Passes, string(p))
	}
	for _, k := range s.device.layers {
		l.Layers = append(l.Layers, layerInfo{k.Name, k.Batch, k.Channels, k.Filters, k.Groups, k.Size, k.Kernel, k.Stride, k.Pad, k.FLOPs()})
	}
	for _, st := range s.device.steps {
		n, err := st.build(false)
		if err != nil {
			return listing{}, err
		}
		l.Steps = append(l.Steps, stepInfo{st.name, st.batch, n.Parameters(), n.MACs()})
	}
	return l, nil
}
