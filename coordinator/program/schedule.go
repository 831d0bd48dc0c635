package program

import (
	"container/heap"
	"slices"
)

// How far the schedule looks ahead. Within the window whatever is ready may run before a
// wait; a larger window hides more of a transfer and keeps more buffers alive.
const (
	window = 2 // exchanges that the rank takes part in, for kernels, sends and waits
	credit = 1 // exchanges that the rank receives in, for posts: they are out before the data
)

// rank of an instruction among those that are ready; equal ones keep their order.
type urgency uint8

const (
	starts   urgency = iota // posts, sends and what packs for them
	critical                // a send needs it, with no wait between
	filling                 // the rest: filter gradients, updates
	waits
	urgencies
)

// schedule puts the instructions of a section in an order that keeps every dependence,
// starts transfers early and waits late: of what is ready within a window of a few
// exchanges it takes posts and sends first, then what leads to a send, then the rest, and
// a wait only when nothing else is left.
//
// No circle of waits can arise. The first instruction, in the order as lowered, that has
// not run is always ready; so a wait runs only when all before it has run, with all posts
// and sends of its exchange and of those before. So the rank whose wait belongs to the
// earliest exchange of the one global order is never held up.
func schedule(s *Section) {
	code := s.Instrs
	epoch := epochs(code, Post, Send)
	credits := epochs(code, Post)
	if len(code) == 0 || epoch[len(code)-1] == 0 {
		return // nothing to hide
	}
	g := dependences(code)
	class := classes(code, g)
	var ready [urgencies]indices
	var later indices // ready, but beyond the window
	first := 0        // the first instruction that has not run
	done := make([]bool, len(code))
	blockers := g.blockers
	beyond := func(i int) bool {
		if code[i].Kind == Post {
			return credits[i] > credits[first]+credit
		}
		return epoch[i] > epoch[first]+window
	}
	push := func(i int) {
		if beyond(i) {
			heap.Push(&later, i)
		} else {
			heap.Push(&ready[class[i]], i)
		}
	}
	for i := range code {
		if blockers[i] == 0 {
			push(i)
		}
	}
	out := make([]Instr, 0, len(code))
	for len(out) < len(code) {
		u := starts
		for u < waits && len(ready[u]) == 0 {
			u++
		}
		i := heap.Pop(&ready[u]).(int)
		out = append(out, code[i])
		done[i] = true
		for _, k := range g.after[i] {
			if blockers[k]--; blockers[k] == 0 {
				push(int(k))
			}
		}
		before := epoch[min(first, len(code)-1)]
		for first < len(code) && done[first] {
			first++
		}
		if first < len(code) && epoch[first] != before {
			held := later
			later = nil
			for _, k := range held {
				push(k)
			}
		}
	}
	s.Instrs = out
}

// epochs counts, up to each instruction, the exchanges in which the rank has instructions
// of the kinds.
func epochs(code []Instr, kinds ...Kind) []int {
	out := make([]int, len(code))
	n, last := 0, int32(-1)
	for i := range code {
		if slices.Contains(kinds, code[i].Kind) && code[i].exchange != last {
			n++
			last = code[i].exchange
		}
		out[i] = n
	}
	return out
}

// classes says how urgent every instruction is.
func classes(code []Instr, g *graph) []urgency {
	class := make([]urgency, len(code))
	for i := len(code) - 1; i >= 0; i-- {
		switch code[i].Kind {
		case Post, Send:
			class[i] = starts
		case Wait, Sent:
			class[i] = waits
		default:
			class[i] = filling
			for _, k := range g.after[i] {
				switch {
				case code[k].Kind == Send:
					class[i] = critical
				case code[k].Kind == Run && class[k] == critical:
					class[i] = critical
				}
			}
		}
	}
	return class
}

// indices is a heap of indices, least first.
type indices []int

func (h indices) Len() int           { return len(h) }
func (h indices) Less(i, j int) bool { return h[i] < h[j] }
func (h indices) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *indices) Push(v any)        { *h = append(*h, v.(int)) }
func (h *indices) Pop() any {
	old := *h
	v := old[len(old)-1]
	*h = old[:len(old)-1]
	return v
}
