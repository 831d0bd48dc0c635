package program

import "cleave/kernels"

// indexPools lets a max pool keep which pixel of each window is its maximum, in a byte, where
// its gradient will ask: that then reads neither x nor y, whose memory is free earlier. Where
// windows have too many pixels for a byte, or a rank's share of the gradient is not what it
// has pooled, the gradient goes on to compare y with x.
func indexPools(p *Program) {
	s := p.Section(Accumulate)
	if s == nil {
		return
	}
	for i := range s.Instrs {
		n := &s.Instrs[i]
		if n.Kind != Run || n.Call.Desc.Code != kernels.MaxPoolGrad {
			continue
		}
		w := n.Call.Desc.Window
		if w.Kernel[0]*w.Kernel[1] > kernels.MaxIndexed {
			continue
		}
		f := p.pooled(s.Instrs[:i], n.Call)
		if f == nil {
			continue
		}
		index := Buffer{Name: p.Buffers[f.Out.Buffer].Name + ".index", Use: kernels.Activation, DType: kernels.U8, Box: f.Out.Box}
		index.Format = p.sizer.Format(index.Use, index.DType, index.Shape())
		index.Bytes = p.sizer.Bytes(index.Format, index.DType, index.Shape())
		at := View{BufferID(len(p.Buffers)), index.Box}
		p.Buffers = append(p.Buffers, index)
		f.Desc.Code, f.In = kernels.MaxPoolIndex, []View{f.In[0], at}
		n.Call.Desc.Code, n.Call.In = kernels.MaxPoolIndexGrad, []View{n.Call.In[2], at}
	}
}

// pooled finds the call that pools the x of a max pool's gradient to its y, both whole.
func (p *Program) pooled(code []Instr, grad *Call) *Call {
	same := func(a, b View) bool { return p.Buffers[a.Buffer].Name == p.Buffers[b.Buffer].Name && a.Box == b.Box }
	for i := range code {
		if code[i].Kind != Run || code[i].Call.Desc.Code != kernels.MaxPool {
			continue
		}
		if c := code[i].Call; c.Desc.Window == grad.Desc.Window && same(c.In[0], grad.In[0]) && same(c.Out, grad.In[1]) {
			return c
		}
	}
	return nil
}
