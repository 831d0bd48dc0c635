package program

import (
	"slices"

	"cleave/kernels"
)

// fuseResiduals lets a batch norm add what a residual block adds to its result, where nothing
// else reads that result, which then is never stored. The call takes the place and the ReLU of
// the sum: what the norm would add is there by then, and what it reads is still.
func fuseResiduals(p *Program) {
	writers := make([][]place, len(p.Buffers))
	readers := make([]int, len(p.Buffers))
	for i := range p.Sections {
		s := &p.Sections[i]
		for k := range s.Instrs {
			s.Instrs[k].writes(func(v View) { writers[v.Buffer] = append(writers[v.Buffer], place{s, k}) })
			s.Instrs[k].reads(func(v View) { readers[v.Buffer]++ })
		}
	}
	for i := range p.Sections {
		s := &p.Sections[i]
		for k := range s.Instrs {
			n := &s.Instrs[k]
			if n.Kind != Run || n.Call.Desc.Code != kernels.Add {
				continue
			}
			sum := n.Call
			for j, other := range []View{sum.In[1], sum.In[0]} {
				from := sum.In[j]
				if p.Buffers[from.Buffer].Kept || readers[from.Buffer] != 1 || len(writers[from.Buffer]) != 1 {
					continue
				}
				w := writers[from.Buffer][0]
				norm := w.instr().Call
				if norm == nil || norm.Desc.Code != kernels.BN || norm.Desc.Epilogue != (kernels.Epilogue{}) || norm.Out != from ||
					w.section != s || !unwritten(norm.In, s, w.index, k, writers) {
					continue
				}
				desc := norm.Desc
				desc.Epilogue = kernels.Epilogue{Add: true, ReLU: sum.Desc.Epilogue.ReLU}
				sum.Desc, sum.In = desc, append(slices.Clone(norm.In), other)
				w.instr().Call = nil // removed below
				break
			}
		}
	}
	for i := range p.Sections {
		s := &p.Sections[i]
		s.Instrs = slices.DeleteFunc(s.Instrs, func(n Instr) bool { return n.Kind == Run && n.Call == nil })
	}
}

// unwritten reports whether no instruction of a section from begin to end writes what views read.
func unwritten(views []View, s *Section, begin, end int, writers [][]place) bool {
	return !slices.ContainsFunc(views, func(v View) bool {
		return slices.ContainsFunc(writers[v.Buffer], func(w place) bool { return w.section == s && begin <= w.index && w.index < end })
	})
}
