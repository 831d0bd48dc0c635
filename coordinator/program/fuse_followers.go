package program

import (
	"slices"

	"cleave/kernels"
)

// follower is a kind of calls that can be the epilogue of the calls that write one of their
// inputs.
type follower struct {
	code   kernels.Code
	inputs []int                                        // which of them may be that one
	after  kernels.Code                                 // of the calls that write it
	fits   func(before, follower kernels.Epilogue) bool // whether a call with that epilogue has room for the follower
	join   func(c, follower *Call, i int)               // makes c, whose result was the follower's input i, both
}

// follow makes calls of a section the epilogue of those before them, where nothing else reads
// these' result, which then is never stored. The joint calls take the follower's place: what it
// would read is there by then, and what they read is still. What of its input this rank computes
// by calls for parts of it, such as groups that are cut, stays in parts. Summands and what other
// ranks have computed go through a merge or an exchange first; what follows these stays.
// A section that is not there, nil, has no calls.
func (p *Program) follow(s *Section, f follower) {
	if s == nil {
		return
	}
	writers := make([][]place, len(p.Buffers))
	readers := make([]int, len(p.Buffers))
	for i := range p.Sections {
		s := &p.Sections[i]
		for k := range s.Instrs {
			s.Instrs[k].writes(func(v View) { writers[v.Buffer] = append(writers[v.Buffer], place{s, k}) })
			s.Instrs[k].reads(func(v View) { readers[v.Buffer]++ })
		}
	}
	joint := make([][]Instr, len(s.Instrs)) // what takes a follower's place
	for k := range s.Instrs {
		n := &s.Instrs[k]
		if n.Kind != Run || n.Call == nil || n.Call.Desc.Code != f.code || len(writers[n.Call.Out.Buffer]) != 1 {
			continue
		}
		for _, i := range f.inputs {
			x := n.Call.In[i].Buffer
			if readers[x] != 1 || !p.follows(f, n.Call, i, place{s, k}, writers) {
				continue
			}
			for _, w := range writers[x] {
				c := *w.instr().Call
				c.Out.Buffer, c.In = n.Call.Out.Buffer, slices.Clone(c.In)
				f.join(&c, n.Call, i)
				joint[k] = append(joint[k], Instr{Kind: Run, Call: &c, exchange: n.exchange})
				w.instr().Call = nil // removed below
			}
			n.Call = nil
			break
		}
	}
	var code []Instr
	for k, n := range s.Instrs {
		if n.Kind == Run && n.Call == nil {
			code = append(code, joint[k]...)
		} else {
			code = append(code, n)
		}
	}
	s.Instrs = code
}

// follows reports whether a call at a place can become the epilogue of those that write its
// input i: together they write exactly that, and what they read is still there.
func (p *Program) follows(f follower, c *Call, i int, at place, writers [][]place) bool {
	x := &p.Buffers[c.In[i].Buffer]
	if x.Kept || c.In[i].Box != c.Out.Box || x.Box != p.Buffers[c.Out.Buffer].Box {
		return false
	}
	volume := 0
	for _, w := range writers[c.In[i].Buffer] {
		n := w.instr()
		if w.section != at.section || w.index > at.index || n.Kind != Run || n.Call == nil || n.Call.Desc.Code != f.after ||
			!f.fits(n.Call.Desc.Epilogue, c.Desc.Epilogue) || !unwritten(n.Call.In, at.section, w.index, at.index, writers) {
			return false
		}
		volume += n.Call.Out.Box.Volume()
	}
	return volume == c.Out.Box.Volume()
}

// unwritten reports whether no instruction of a section from begin to end writes what views read.
func unwritten(views []View, s *Section, begin, end int, writers [][]place) bool {
	return !slices.ContainsFunc(views, func(v View) bool {
		return slices.ContainsFunc(writers[v.Buffer], func(w place) bool { return w.section == s && begin <= w.index && w.index < end })
	})
}

// put gives a call one more input: the part of v that is for its output.
func (c *Call) put(v View) { c.In = append(c.In, View{v.Buffer, c.Out.Box}) }
