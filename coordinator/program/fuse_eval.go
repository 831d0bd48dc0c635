package program

import (
	"slices"

	"cleave/kernels"
)

// foldNorms makes batch norm the epilogue of the convolution before it, in evaluation: there it
// goes by running statistics, so nothing needs the convolution's own result, and a block's last
// convolution adds the residual too. What of the norm's input this rank computes by calls
// for parts of it, such as groups that are cut, stays in parts. Summands and what other ranks
// have computed go through a merge or an exchange first; such norms stay.
func foldNorms(p *Program) {
	s := p.Section(Eval)
	if s == nil {
		return
	}
	writers := make([][]place, len(p.Buffers))
	readers := make([]int, len(p.Buffers))
	for k := range s.Instrs {
		s.Instrs[k].writes(func(v View) { writers[v.Buffer] = append(writers[v.Buffer], place{s, k}) })
		s.Instrs[k].reads(func(v View) { readers[v.Buffer]++ })
	}
	convs := make([][]Instr, len(s.Instrs)) // what takes a norm's place: what it reads is there by then
	for k := range s.Instrs {
		n := &s.Instrs[k]
		if n.Kind != Run || n.Call == nil || n.Call.Desc.Code != kernels.BN {
			continue
		}
		from := writers[n.Call.In[0].Buffer]
		if readers[n.Call.In[0].Buffer] != 1 || len(writers[n.Call.Out.Buffer]) != 1 || !p.folds(n.Call, from, s, k, writers) {
			continue
		}
		for _, w := range from {
			convs[k] = append(convs[k], Instr{Kind: Run, Call: folded(w.instr().Call, n.Call), exchange: n.exchange})
			w.instr().Call = nil // removed below
		}
		n.Call = nil
	}
	var code []Instr
	for k, n := range s.Instrs {
		if n.Kind == Run && n.Call == nil {
			code = append(code, convs[k]...)
		} else {
			code = append(code, n)
		}
	}
	s.Instrs = code
}

// folds reports whether a batch norm at k can become the epilogue of the calls that write its
// input: together they write exactly that, and what they read is still there at k.
func (p *Program) folds(norm *Call, writers []place, s *Section, k int, all [][]place) bool {
	x := &p.Buffers[norm.In[0].Buffer]
	if x.Kept || norm.In[0].Box != norm.Out.Box || x.Box != p.Buffers[norm.Out.Buffer].Box {
		return false
	}
	volume := 0
	for _, w := range writers {
		n := w.instr()
		if n.Kind != Run || w.index > k || n.Call.Desc.Code != kernels.ConvForward {
			return false
		}
		e := n.Call.Desc.Epilogue
		if e.Norm || e.Add || e.ReLU || !unwritten(n.Call.In, s, w.index, k, all) {
			return false
		}
		volume += n.Call.Out.Box.Volume()
	}
	return volume == norm.Out.Box.Volume()
}

// folded returns a convolution with the epilogue that is a batch norm of its result.
func folded(conv, norm *Call) *Call {
	c := &Call{Desc: conv.Desc, Out: View{norm.Out.Buffer, conv.Out.Box}, In: slices.Clone(conv.In)}
	c.Desc.Eps = norm.Desc.Eps
	c.Desc.Epilogue.Norm, c.Desc.Epilogue.Add, c.Desc.Epilogue.ReLU = true, norm.Desc.Epilogue.Add, norm.Desc.Epilogue.ReLU
	for _, v := range norm.In[1:5] {
		c.In = append(c.In, View{v.Buffer, v.Box.With(0, conv.Out.Box[1])})
	}
	if norm.Desc.Epilogue.Add {
		c.In = append(c.In, View{norm.In[5].Buffer, conv.Out.Box})
	}
	return c
}
