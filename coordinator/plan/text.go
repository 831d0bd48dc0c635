package plan

import (
	"fmt"
	"strings"

	"cleave/layout"
)

// Text returns the plan in a form to be read and compared: a line for every op with the
// home of its output and, where ranks compute something else than their home, their works.
func (p *Plan) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan %s policy %s ranks %d batch %d\n", p.Graph.Name, p.Policy, p.Ranks, p.Graph.Batch)
	phase := Phase(255)
	for _, n := range p.Graph.Insts {
		if n.Phase != phase {
			phase = n.Phase
			fmt.Fprintf(&b, "%s\n", phase)
		}
		fmt.Fprintf(&b, "  %-24s %-18s %s", n.Out.Name, n.Out.Shape, Describe(n.Out, p.Homes[n.Out.ID]))
		if p.Summands[n.ID] {
			b.WriteString("  summands")
			for _, w := range p.Works[n.ID] {
				fmt.Fprintf(&b, " %s/%s", w.Out, w.Red)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Describe names a home: "replicated", "channels 0:48|48:96", "batch 0:8|8:16", or the
// boxes of every rank where it is none of these.
func Describe(t *Tensor, h layout.Home) string {
	if s, ok := alongAxis(t, h, t.Axes.Chan); ok {
		return "channels " + s
	}
	if s, ok := alongAxis(t, h, t.Axes.Batch); ok {
		return "batch " + s
	}
	for _, b := range h {
		if b != t.Shape.Box() {
			parts := make([]string, len(h))
			for r, b := range h {
				parts[r] = b.String()
			}
			return strings.Join(parts, "|")
		}
	}
	return "replicated"
}

// alongAxis lists the ranks' spans of the one axis that h cuts.
func alongAxis(t *Tensor, h layout.Home, axis int) (string, bool) {
	if axis < 0 || len(h) < 2 {
		return "", false
	}
	whole, parts, cuts := t.Shape.Box(), make([]string, len(h)), false
	for r, b := range h {
		parts[r] = b[axis].String()
		cuts = cuts || b[axis] != whole[axis]
		if !b.Empty() && b.With(axis, whole[axis]) != whole {
			return "", false
		}
	}
	return strings.Join(parts, "|"), cuts
}
