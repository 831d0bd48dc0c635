package program

import (
	"fmt"
	"strings"

	"cleave/kernels"
	"cleave/layout"
)

var (
	useNames    = [...]string{"input", "weights", "momentum", "activation", "gradient", "staging", "report"}
	dtypeNames  = [...]string{"f32", "u8", "i32"}
	formatNames = [...]string{"nchw", "nhwc"}
)

// Text returns the bundle in a form to be read and compared: the exchanges, then each
// rank's buffers and instructions, one a line. %12 is buffer 12, #3 message 3.
func (b *Bundle) Text() string {
	var w strings.Builder
	fmt.Fprintf(&w, "bundle %s policy %s ranks %d batch %d\n", b.Model, b.Policy, len(b.Programs), b.Batch)
	for _, e := range b.Exchanges {
		fmt.Fprintf(&w, "  %-10s %-14s at %-16s %-24s %v\n", e.Section, e.Kind, e.At, e.Tensor, e.Received)
	}
	for _, p := range b.Programs {
		p.text(&w)
	}
	return w.String()
}

func (p *Program) text(w *strings.Builder) {
	fmt.Fprintf(w, "rank %d arena %d workspace %d at %d\n", p.Rank, p.ArenaBytes, p.Workspace.Bytes, p.Workspace.Offset)
	for i := range p.Buffers {
		b := &p.Buffers[i]
		kept := ""
		if b.Kept {
			kept = " kept"
		}
		fmt.Fprintf(w, "  %%%-4d %-24s %-10s %s %s %v at %d+%d%s\n",
			i, b.Name, useNames[b.Use], dtypeNames[b.DType], formatNames[b.Format], b.Box, b.Offset, b.Bytes, kept)
	}
	for _, n := range p.Inputs {
		fmt.Fprintf(w, "  input %s of %s: %%%d\n", n.Name, n.Section, n.Buffer)
	}
	for _, n := range p.Outputs {
		fmt.Fprintf(w, "  output %s of %s: %%%d %s\n", n.Name, n.Section, n.Buffer, strings.Join(n.Labels, " "))
	}
	for i := range p.Sections {
		s := &p.Sections[i]
		fmt.Fprintf(w, "  section %s\n", s.Name)
		for k := range s.Instrs {
			fmt.Fprintf(w, "    %s\n", p.line(&s.Instrs[k]))
		}
	}
}

// line writes an instruction.
func (p *Program) line(n *Instr) string {
	var w strings.Builder
	if n.Kind != Run {
		m := &n.Message
		arrow := "from"
		if n.Kind == Send || n.Kind == Sent {
			arrow = "to"
		}
		fmt.Fprintf(&w, "%s #%d %s rank %d: %s, bytes %d+%d", n.Kind, m.Tag, arrow, m.Peer, p.view(m.View), m.Offset, m.Bytes)
		return w.String()
	}
	fmt.Fprintf(&w, "%s <- %s", p.view(n.Call.Out), n.Call.Desc.Code)
	for i, v := range n.Call.In {
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteByte(' ')
		w.WriteString(p.view(v))
	}
	attributes(&w, &n.Call.Desc)
	return w.String()
}

// view writes a region: the box is left out where it is the whole buffer.
func (p *Program) view(v View) string {
	b := &p.Buffers[v.Buffer]
	if v.Box == b.Box {
		return fmt.Sprintf("%%%d %s", v.Buffer, b.Name)
	}
	return fmt.Sprintf("%%%d %s%v", v.Buffer, b.Name, v.Box)
}

// attributes writes the fields of a descriptor that are set.
func attributes(w *strings.Builder, d *kernels.Desc) {
	put := func(set bool, format string, a ...any) {
		if set {
			w.WriteByte(' ')
			fmt.Fprintf(w, format, a...)
		}
	}
	put(d.Groups > 0, "groups=%d", d.Groups)
	if win := &d.Window; *win != (kernels.Window{}) {
		put(true, "kernel=%dx%d stride=%dx%d", win.Kernel[0], win.Kernel[1], win.Stride[0], win.Stride[1])
		put(win.Dilation != [2]int{1, 1}, "dilation=%dx%d", win.Dilation[0], win.Dilation[1])
		put(win.Pad != [4]int{}, "pad=%v", win.Pad)
		put(win.CountPad, "count-pad")
	}
	put(d.Epilogue.Bias, "+bias")
	put(d.Epilogue.Norm, "+norm")
	put(d.Epilogue.Add, "+add")
	put(d.Epilogue.ReLU, "+relu")
	if l := &d.LRN; *l != (kernels.LRNDesc{}) {
		put(true, "n=%d k=%g alpha=%g beta=%g offset=%d grad-offset=%d", l.N, l.K, l.Alpha, l.Beta, l.Offset, l.GradOffset)
	}
	put(d.Count != 0, "count=%g", d.Count)
	put(d.Eps != 0, "eps=%g", d.Eps)
	put(d.P != 0, "p=%g", d.P)
	put(d.Random.Global != layout.Shape{}, "key=%016x origin=%v of %v", d.Random.Key, d.Random.Origin, d.Random.Global)
	put(d.Offset != 0, "offset=%d", d.Offset)
	put(d.Step != [2]int{}, "step=%d:%d", d.Step[0], d.Step[1])
	put(d.Rate != 0, "rate=%g unbias=%g", d.Rate, d.Unbias)
	put(d.Mu != 0 || d.Decay != 0, "mu=%g decay=%g", d.Mu, d.Decay)
	put(d.Code == kernels.FillConst, "value=%g", d.Value)
	put(d.Std != 0, "std=%g", d.Std)
	put(d.Dev != [4]float64{}, "mean=%v dev=%v", d.Mean, d.Dev)
}
