package program

import (
	"cleave/kernels"
	"cleave/layout"
	"cleave/proto/programpb"
)

// Encode returns p as it is sent to its worker.
func (p *Program) Encode() *programpb.Program {
	out := &programpb.Program{
		Rank:       uint32(p.Rank),
		Ranks:      uint32(p.Ranks),
		Model:      p.Model,
		ArenaBytes: uint64(p.ArenaBytes),
	}
	for i := range p.Buffers {
		b := &p.Buffers[i]
		out.Buffers = append(out.Buffers, &programpb.Buffer{
			Name:   b.Name,
			Use:    programpb.Use(b.Use),
			Dtype:  programpb.DType(b.DType),
			Format: programpb.Format(b.Format),
			Box:    encodeBox(b.Box),
			Offset: uint64(b.Offset),
			Bytes:  uint64(b.Bytes),
		})
	}
	for i := range p.Sections {
		s := &p.Sections[i]
		e := &programpb.Section{Name: s.Name, PredictedSeconds: s.Seconds}
		for k := range s.Instrs {
			e.Instructions = append(e.Instructions, p.encodeInstr(&s.Instrs[k]))
		}
		out.Sections = append(out.Sections, e)
	}
	for _, n := range p.Inputs {
		out.Inputs = append(out.Inputs, &programpb.Input{Name: n.Name, Buffer: uint32(n.Buffer), Section: n.Section})
	}
	for _, n := range p.Outputs {
		out.Outputs = append(out.Outputs, &programpb.Output{Name: n.Name, Buffer: uint32(n.Buffer), Section: n.Section, Labels: n.Labels})
	}
	return out
}

func (p *Program) encodeInstr(n *Instr) *programpb.Instruction {
	if n.Kind == Run {
		c := n.Call
		r := &programpb.Run{Kernel: encodeDesc(&c.Desc), Out: encodeView(c.Out)}
		for _, v := range c.In {
			r.In = append(r.In, encodeView(v))
		}
		if c.Workspace > 0 {
			r.WorkspaceOffset, r.WorkspaceBytes = uint64(p.Workspace.Offset), uint64(p.Workspace.Bytes)
		}
		return &programpb.Instruction{Kind: &programpb.Instruction_Run{Run: r}}
	}
	m := &n.Message
	t := &programpb.Transfer{
		Tag:    m.Tag,
		Peer:   uint32(m.Peer),
		Buffer: uint32(m.View.Buffer),
		Offset: uint64(m.Offset),
		Bytes:  uint64(m.Bytes),
	}
	switch n.Kind {
	case Post:
		return &programpb.Instruction{Kind: &programpb.Instruction_Post{Post: t}}
	case Send:
		return &programpb.Instruction{Kind: &programpb.Instruction_Send{Send: t}}
	case Wait:
		return &programpb.Instruction{Kind: &programpb.Instruction_Wait{Wait: t}}
	}
	return &programpb.Instruction{Kind: &programpb.Instruction_Sent{Sent: t}}
}

func encodeView(v View) *programpb.View {
	return &programpb.View{Buffer: uint32(v.Buffer), Box: encodeBox(v.Box)}
}

func encodeBox(b layout.Box) *programpb.Box {
	e := &programpb.Box{Bounds: make([]uint32, 0, 2*len(b))}
	for _, s := range b {
		e.Bounds = append(e.Bounds, uint32(s.Lo), uint32(s.Hi))
	}
	return e
}

// encodeDesc writes the fields that d uses; groups of fields that are zero stay away.
func encodeDesc(d *kernels.Desc) *programpb.Kernel {
	k := &programpb.Kernel{
		Code:         d.Code.String(),
		Groups:       uint32(d.Groups),
		EpilogueBias: d.Epilogue.Bias,
		EpilogueNorm: d.Epilogue.Norm,
		EpilogueRelu: d.Epilogue.ReLU,
		EpilogueAdd:  d.Epilogue.Add,
		Count:        d.Count,
		Eps:          d.Eps,
		P:            d.P,
		Offset:       int64(d.Offset),
		Rate:         d.Rate,
		Unbias:       d.Unbias,
		Mu:           d.Mu,
		Decay:        d.Decay,
		Value:        d.Value,
		Std:          d.Std,
	}
	if w := &d.Window; *w != (kernels.Window{}) {
		k.Window = &programpb.Window{
			Kernel:   numbers(w.Kernel[:]),
			Stride:   numbers(w.Stride[:]),
			Dilation: numbers(w.Dilation[:]),
			Pad:      numbers(w.Pad[:]),
			CountPad: w.CountPad,
		}
	}
	if l := &d.LRN; *l != (kernels.LRNDesc{}) {
		k.Lrn = &programpb.LRN{
			N: uint32(l.N), K: l.K, Alpha: l.Alpha, Beta: l.Beta,
			Offset: uint32(l.Offset), GradOffset: uint32(l.GradOffset),
		}
	}
	if r := &d.Random; *r != (kernels.Random{}) {
		k.Random = &programpb.Random{Key: r.Key, Origin: numbers(r.Origin[:]), Global: numbers(r.Global[:])}
	}
	if d.Step != [2]int{} {
		k.Step = numbers(d.Step[:])
	}
	if d.Mean != [4]float64{} || d.Dev != [4]float64{} {
		k.Mean, k.Dev = d.Mean[:], d.Dev[:]
	}
	return k
}

func numbers(v []int) []uint32 {
	out := make([]uint32, len(v))
	for i, n := range v {
		out[i] = uint32(n)
	}
	return out
}
