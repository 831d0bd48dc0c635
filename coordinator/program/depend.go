package program

import "cleave/layout"

// graph is the dependences between the instructions of a section.
type graph struct {
	after    [][]int32 // what must come after each instruction
	blockers []int32   // how many must come before it
}

func (g *graph) edge(from, to int) {
	g.after[from] = append(g.after[from], int32(to))
	g.blockers[to]++
}

// access is an instruction that reads or writes a box of a buffer.
type access struct {
	index int
	box   layout.Box
}

// dependences finds what must keep its order: a read after the writes that it sees, a
// write after the reads and writes before it, wherever their boxes meet; and of each
// message the post before the wait, the send before the sent. A post counts as a write,
// for the peer's bytes may come from then on; a sent as a read, which ends there.
func dependences(code []Instr) *graph {
	g := &graph{after: make([][]int32, len(code)), blockers: make([]int32, len(code))}
	reads, writes := map[BufferID][]access{}, map[BufferID][]access{}
	sends := map[uint32]int{}
	meets := func(i int, v View, all []access) {
		for _, a := range all {
			if a.index != i && !a.box.And(v.Box).Empty() {
				g.edge(a.index, i)
			}
		}
	}
	for i := range code {
		n := &code[i]
		n.reads(func(v View) { meets(i, v, writes[v.Buffer]) })
		n.writes(func(v View) {
			meets(i, v, writes[v.Buffer])
			meets(i, v, reads[v.Buffer])
		})
		n.reads(func(v View) { reads[v.Buffer] = append(reads[v.Buffer], access{i, v.Box}) })
		n.writes(func(v View) { writes[v.Buffer] = append(writes[v.Buffer], access{i, v.Box}) })
		switch n.Kind {
		case Send:
			sends[n.Message.Tag] = i
		case Sent:
			g.edge(sends[n.Message.Tag], i)
		}
	}
	return g
}
