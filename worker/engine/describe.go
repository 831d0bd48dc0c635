package engine

import (
	"fmt"
	"strings"

	"cleave/kernels"
	"cleave/layout"
	"cleave/proto/programpb"
)

func shapesOf(in []kernels.Operand) []layout.Shape {
	s := make([]layout.Shape, len(in))
	for i := range in {
		s[i] = in[i].Box.Shape()
	}
	return s
}

// at names the instruction that err is about.
func (e *Engine) at(section, instruction int, err error) error {
	s := e.program.Sections[section]
	return fmt.Errorf("section %q, instruction %d (%s): %w",
		s.GetName(), instruction, describe(e.program, s.Instructions[instruction]), err)
}

// describe writes an instruction in one line, whatever is wrong with it: a kernel with its
// operands' names and shapes, a transfer with its peer and size.
func describe(p *programpb.Program, n *programpb.Instruction) string {
	if a, t, ok := transferOf(n); ok {
		verb := [...]string{post: "post from", send: "send to", wait: "wait for", sent: "sent to"}[a]
		return fmt.Sprintf("%s rank %d, tag %d, %d bytes of %s", verb, t.GetPeer(), t.GetTag(), t.GetBytes(), bufferName(p, t.GetBuffer()))
	}
	r := n.GetRun()
	if r == nil {
		return "unknown"
	}
	var in []string
	for i, v := range r.In {
		if i == 8 { // enough to find it
			in = append(in, fmt.Sprintf("and %d more", len(r.In)-i))
			break
		}
		in = append(in, describeView(p, v))
	}
	line := fmt.Sprintf("%s %s", r.GetKernel().GetCode(), describeView(p, r.Out))
	if len(in) > 0 {
		line += " from " + strings.Join(in, ", ")
	}
	return line
}

func bufferName(p *programpb.Program, i uint32) string {
	if int64(i) >= int64(len(p.Buffers)) || p.Buffers[i].GetName() == "" {
		return fmt.Sprintf("buffer %d", i)
	}
	return p.Buffers[i].GetName()
}

func describeView(p *programpb.Program, v *programpb.View) string {
	if v == nil {
		return "nothing"
	}
	b := v.GetBox().GetBounds()
	parts := make([]string, 0, 4)
	for i := 0; i+1 < len(b); i += 2 {
		parts = append(parts, fmt.Sprint(int64(b[i+1])-int64(b[i])))
	}
	return bufferName(p, v.Buffer) + " " + strings.Join(parts, "x")
}
