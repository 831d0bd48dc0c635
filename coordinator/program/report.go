package program

import (
	"cleave/coordinator/plan"
	"cleave/kernels"
	"cleave/layout"
	"cleave/model/op"
)

// Report is what a plan costs, in the form that "coordinator plan --format json" prints
// (docs/formats.md). Bytes of exchanges are the payload of logical elements.
type Report struct {
	Model     string           `json:"model"`
	Policy    string           `json:"policy"`
	Workers   int              `json:"workers"`
	Batch     int              `json:"batch"`
	Layers    []LayerReport    `json:"layers"`
	Exchanges []ExchangeReport `json:"exchanges"`
	Ranks     []RankReport     `json:"ranks"`
	OneWorker RankReport       `json:"one_worker"`
	Kernels   []KernelReport   `json:"kernels,omitzero"` // where asked for: see Bundle.Kernels
}

// LayerReport is a layer of the forward pass: its last output, all its ops together.
type LayerReport struct {
	Name        string         `json:"name"`
	Op          string         `json:"op"` // the first op's kind
	Home        string         `json:"home"`
	LocalShapes []layout.Shape `json:"local_shapes"` // N, C, H, W of what each rank keeps
	Parameters  int64          `json:"parameters"`
	MACs        int64          `json:"macs"` // multiply-adds of the forward pass, an image
}

// ExchangeReport is one exchange of a training step, with a number for each rank.
type ExchangeReport struct {
	At   string `json:"at"`
	Kind string `json:"kind"`
	Pass string `json:"pass"`
	// PerImage is nil where the bytes do not grow with the batch.
	PerImage []float64 `json:"bytes_received_per_image"`
	PerStep  []int64   `json:"bytes_received_per_step"`
}

// RankReport is what a rank needs for training. Peak is its whole arena. Weights and
// momentum are kept; gradients, activations (with inputs and outputs of the step) and
// exchange (messages on their way) are what lives at the step's fullest moment, so the
// parts can be less than the peak: reuse leaves gaps, and evaluation may need more.
type RankReport struct {
	Peak        int64   `json:"peak_bytes"`
	Weights     int64   `json:"weights_bytes"`
	Gradients   int64   `json:"gradients_bytes"`
	Momentum    int64   `json:"momentum_bytes"`
	Activations int64   `json:"activations_bytes"`
	Workspace   int64   `json:"workspace_bytes"`
	Exchange    int64   `json:"exchange_bytes"`
	PredictedMS float64 `json:"predicted_ms"` // of a step: kernels by the sizer, messages by the Link
}

// Report describes the bundle's training step beside that of one worker: the bundle of the
// same net and batch for one rank.
func (b *Bundle) Report(one *Bundle) Report {
	r := Report{Model: b.Model, Policy: b.Policy, Workers: len(b.Programs), Batch: b.Batch, Exchanges: b.exchanges()}
	r.Layers = b.layers()
	for _, p := range b.Programs {
		r.Ranks = append(r.Ranks, p.report())
	}
	r.OneWorker = one.Programs[0].report()
	return r
}

// layers describes the forward pass of the training plan.
func (b *Bundle) layers() []LayerReport {
	var out []LayerReport
	at := map[string]int{}
	g := b.train.Graph
	for _, n := range g.Insts {
		if n.Phase != plan.Forward {
			continue
		}
		i, ok := at[n.Layer]
		if !ok {
			i = len(out)
			at[n.Layer] = i
			out = append(out, LayerReport{Name: n.Layer, Op: n.Op.Kind()})
		}
		l := &out[i]
		switch {
		case ofLoss(n.Op):
			l.Op = "loss"
		case !ok && l.Op == "conv" && isLinear(n):
			l.Op = "linear"
		}
		if _, counts := n.Op.(op.Hits); !counts || !ok {
			home := b.train.Homes[n.Out.ID]
			l.Home = plan.Describe(n.Out, home)
			l.LocalShapes = l.LocalShapes[:0]
			for _, box := range home {
				l.LocalShapes = append(l.LocalShapes, box.Shape())
			}
		}
		for _, t := range n.In {
			if t.Role == plan.Param {
				l.Parameters += int64(t.Shape.Volume())
			}
		}
		if w, err := op.Whole(n.Op, n.Shapes()); err == nil {
			l.MACs += n.Op.Cost(n.Shapes(), w).MACs / int64(max(1, g.Batch))
		}
	}
	return out
}

// isLinear reports whether a convolution is a fully connected layer.
func isLinear(n *plan.Inst) bool {
	x, w := n.In[0].Shape, n.In[1].Shape
	return x[2]*x[3]*w[2]*w[3] == 1 && x[1] == w[1]
}

// exchanges lists the training step's exchanges; all of the loss are one.
func (b *Bundle) exchanges() []ExchangeReport {
	out := []ExchangeReport{}
	loss := -1
	for _, e := range b.Exchanges {
		if e.Section != Accumulate && e.Section != Update {
			continue
		}
		i := len(out)
		switch {
		case e.At != "loss":
			out = append(out, ExchangeReport{At: e.At, Kind: e.Kind, Pass: e.Pass, PerStep: make([]int64, len(b.Programs))})
		case loss < 0:
			loss = i
			out = append(out, ExchangeReport{At: e.At, Kind: "all-reduce", Pass: e.Pass, PerStep: make([]int64, len(b.Programs))})
		default:
			i = loss
		}
		x := &out[i]
		for r, n := range e.Received {
			x.PerStep[r] += n
		}
		if e.PerImage || x.PerImage != nil { // the loss has both kinds
			x.PerImage = make([]float64, len(x.PerStep))
			for r, n := range x.PerStep {
				x.PerImage[r] = float64(n) / float64(b.Batch)
			}
		}
	}
	return out
}

// report measures a rank's training step.
func (p *Program) report() RankReport {
	r := RankReport{Peak: p.ArenaBytes, Workspace: p.Workspace.Bytes}
	for _, name := range []string{Accumulate, Update} {
		if s := p.Section(name); s != nil {
			r.PredictedMS += 1e3 * s.Seconds
		}
	}
	live := p.fullest()
	for i := range p.Buffers {
		b := &p.Buffers[i]
		if b.Kept {
			live[b.Use] += b.Bytes
		}
	}
	r.Weights, r.Momentum, r.Gradients = live[kernels.Weights], live[kernels.Momentum], live[kernels.Gradient]
	r.Activations = live[kernels.Activation] + live[kernels.Input] + live[kernels.Report]
	r.Exchange = live[kernels.Staging]
	return r
}

// fullest returns the bytes by use of the buffers that are not kept, at the moment of the
// training step when they take most.
func (p *Program) fullest() [7]int64 {
	const training = 1 // in timelines
	ls := p.lives()
	type end struct {
		at     int
		offset int64
	}
	dies := map[end]bool{}
	born, gone := map[int][]int{}, map[int][]int{} // by instruction
	last := 0
	for i, l := range ls {
		if l.timeline == training && !p.Buffers[i].Kept {
			dies[end{l.last, p.Buffers[i].Offset}] = true
			gone[l.last+1] = append(gone[l.last+1], i)
			last = max(last, l.last)
		}
	}
	for i, l := range ls {
		if l.timeline == training && !p.Buffers[i].Kept {
			at := l.first
			if l.first < l.last && dies[end{l.first, p.Buffers[i].Offset}] { // in place: one memory, counted once
				at++
			}
			born[at] = append(born[at], i)
		}
	}
	var now, most [7]int64
	sum, top := int64(0), int64(-1)
	for at := 0; at <= last; at++ {
		for _, i := range gone[at] {
			now[p.Buffers[i].Use] -= p.Buffers[i].Bytes
			sum -= p.Buffers[i].Bytes
		}
		for _, i := range born[at] {
			now[p.Buffers[i].Use] += p.Buffers[i].Bytes
			sum += p.Buffers[i].Bytes
		}
		if sum > top {
			top, most = sum, now
		}
	}
	return most
}
