package program

import (
	"container/heap"
	"slices"

	"cleave/kernels"
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
// a wait when nothing else is left or when, by the sizer's and the link's account, it would
// no longer hold anything up.
//
// No circle of waits can arise. The first instruction, in the order as lowered, that has
// not run is always ready; so a wait runs only when all before it has run, with all posts
// and sends of its exchange and of those before. So the rank whose wait belongs to the
// earliest exchange of the one global order is never held up.
func schedule(s *Section, sizer kernels.Sizer, link Link) {
	epoch := epochs(s.Instrs, Post, Send)
	if len(epoch) == 0 || epoch[len(epoch)-1] == 0 {
		return // nothing to hide
	}
	l := &scheduler{
		graph:   dependences(s.Instrs),
		clocks:  newClocks(s.Instrs, epoch, sizer, link),
		credits: epochs(s.Instrs, Post),
	}
	l.class = l.classes()
	for i, n := range l.blockers {
		if n == 0 {
			l.push(i)
		}
	}
	done := make([]bool, len(l.code))
	out := make([]Instr, 0, len(l.code))
	for len(out) < len(l.code) {
		i := l.pop()
		out = append(out, l.code[i])
		done[i] = true
		l.ran(i)
		for _, k := range l.after[i] {
			if l.blockers[k]--; l.blockers[k] == 0 {
				l.push(int(k))
			}
		}
		before := l.epoch[l.first]
		for l.first < len(l.code)-1 && done[l.first] {
			l.first++
		}
		if l.epoch[l.first] != before {
			l.entered(l.epoch[l.first])
			held := l.later
			l.later = nil
			for _, k := range held {
				l.push(k)
			}
		}
	}
	s.Instrs = out
}

// scheduler is the state of one section's list scheduling.
type scheduler struct {
	*graph
	*clocks
	class   []urgency
	credits []int // of each instruction: how many exchanges there were that the rank receives in
	first   int   // the first instruction that has not run
	ready   [urgencies]indices
	later   []int // ready, but beyond the window
}

func (l *scheduler) beyond(i int) bool {
	if l.code[i].Kind == Post {
		return l.credits[i] > l.credits[l.first]+credit
	}
	return l.epoch[i] > l.epoch[l.first]+window
}

func (l *scheduler) push(i int) {
	if l.beyond(i) {
		l.later = append(l.later, i)
	} else {
		heap.Push(&l.ready[l.class[i]], i)
	}
}

// pop takes what is to run next.
func (l *scheduler) pop() int {
	u := starts
	for u < waits && len(l.ready[u]) == 0 {
		u++
	}
	if u == filling && len(l.ready[waits]) > 0 && l.ready[waits][0] == l.first && l.over(l.first) {
		u = waits
	}
	return heap.Pop(&l.ready[u]).(int)
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

// classes says how urgent every instruction is. What no send needs is left to fill a wait
// only as far as the wait is expected to last: the kernels just before the exchange. The
// others keep their place, for what they read would have to stay alive until then.
func (l *scheduler) classes() []urgency {
	class := make([]urgency, len(l.code))
	leads := make([]bool, len(l.code)) // to a send
	budget, of := 0.0, 0               // seconds to fill, of which exchange
	for i := len(l.code) - 1; i >= 0; i-- {
		switch l.code[i].Kind {
		case Post, Send:
			class[i] = starts
		case Wait:
			class[i] = waits
			if of != l.epoch[i] {
				budget, of = 0, l.epoch[i]
			}
			budget = max(budget, l.seconds[i])
		case Sent:
			class[i] = waits
		default:
			for _, k := range l.after[i] {
				leads[i] = leads[i] || l.code[k].Kind == Send || l.code[k].Kind == Run && leads[k]
			}
			class[i] = critical
			if !leads[i] && (budget > 0 || of == l.epoch[i]) {
				class[i] = filling
			}
			if !leads[i] && of != l.epoch[i] {
				budget -= l.seconds[i]
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
