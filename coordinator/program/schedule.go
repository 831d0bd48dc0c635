package program

import "container/heap"

// How far the schedule looks ahead, in exchanges. Within the window whatever is ready may
// run before a wait; a larger window hides more of a transfer and keeps more buffers
// alive.
const (
	window = 2 // for kernels, sends and waits
	credit = 1 // for posts: the receiver's credit is there before the data
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
// No circle of waits can arise. Waits run in their first order; when a rank gets to a wait
// of exchange k, all that is left depends on this or a later wait, so all its posts and
// sends of exchanges up to k are out. So the rank whose wait belongs to the earliest
// exchange is never held up.
func schedule(s *Section) {
	code := s.Instrs
	if len(code) == 0 || code[0].exchange == code[len(code)-1].exchange && !hasMessages(code) {
		return
	}
	g := dependences(code)
	class := classes(code, g)
	var ready [urgencies]indices
	var later indices // ready, but beyond the window
	first := 0        // the first instruction that has not run
	done := make([]bool, len(code))
	blockers := g.blockers
	limit := func(i int) int32 {
		if code[i].Kind == Post {
			return code[first].exchange + credit
		}
		return code[first].exchange + window
	}
	push := func(i int) {
		if code[i].exchange > limit(i) {
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
		before := code[min(first, len(code)-1)].exchange
		for first < len(code) && done[first] {
			first++
		}
		if first < len(code) && code[first].exchange != before {
			held := later
			later = nil
			for _, k := range held {
				push(k)
			}
		}
	}
	s.Instrs = out
}

func hasMessages(code []Instr) bool {
	for i := range code {
		if code[i].Kind != Run {
			return true
		}
	}
	return false
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
