package program

import (
	"slices"

	"cleave/kernels"
)

// fuse joins a kernel with the bias or ReLU that follows it into one call with an
// epilogue. By now placement is done, so the values are known to be final: summands go
// through a merge first. What lies between the two must have no other reader, in no
// section, and go to no other rank.
func fuse(p *Program) {
	for _, names := range timelines {
		fuseTimeline(p, names)
	}
}

// place is where an instruction is.
type place struct {
	section *Section
	index   int
}

func (l place) instr() *Instr { return &l.section.Instrs[l.index] }

func fuseTimeline(p *Program, names []string) {
	writers := make([][]place, len(p.Buffers))
	readers := make([][]place, len(p.Buffers))
	var all []place
	for _, name := range names {
		s := p.Section(name)
		if s == nil {
			continue
		}
		for i := range s.Instrs {
			l := place{s, i}
			all = append(all, l)
			s.Instrs[i].writes(func(v View) { writers[v.Buffer] = append(writers[v.Buffer], l) })
			s.Instrs[i].reads(func(v View) { readers[v.Buffer] = append(readers[v.Buffer], l) })
		}
	}
	for _, l := range all {
		n := l.instr()
		if n.Kind != Run || n.Call.Desc.Code != kernels.Bias && n.Call.Desc.Code != kernels.ReLU {
			continue
		}
		from, out := n.Call.In[0], n.Call.Out
		b := &p.Buffers[from.Buffer]
		if b.Kept || len(readers[from.Buffer]) != 1 || len(writers[out.Buffer]) != 1 || !p.joins(n.Call, writers[from.Buffer]) {
			continue
		}
		for _, w := range writers[from.Buffer] {
			c := w.instr().Call
			if n.Call.Desc.Code == kernels.ReLU {
				c.Desc.Epilogue.ReLU = true
			} else {
				c.Desc.Epilogue.Bias = true
				v := n.Call.In[1]
				c.In = append(c.In, View{v.Buffer, v.Box.With(0, c.Out.Box[1])})
			}
			c.Out.Buffer = out.Buffer
		}
		writers[out.Buffer] = writers[from.Buffer]
		writers[from.Buffer], readers[from.Buffer] = nil, nil
		n.Call = nil // removed below
	}
	for _, name := range names {
		if s := p.Section(name); s != nil {
			s.Instrs = slices.DeleteFunc(s.Instrs, func(n Instr) bool { return n.Kind == Run && n.Call == nil })
		}
	}
}

// joins reports whether the call c can become the epilogue of the calls that write its
// first input: together they write exactly what it reads, each has room in its epilogue,
// and the bias is there when they run.
func (p *Program) joins(c *Call, writers []place) bool {
	if c.In[0].Box != c.Out.Box || p.Buffers[c.In[0].Buffer].Box != p.Buffers[c.Out.Buffer].Box {
		return false
	}
	if c.Desc.Code == kernels.Bias && (!p.Buffers[c.In[1].Buffer].Kept || c.Desc.Epilogue != (kernels.Epilogue{})) {
		return false
	}
	volume := 0
	for _, w := range writers {
		n := w.instr()
		if n.Kind != Run {
			return false
		}
		d := &n.Call.Desc
		if d.Epilogue.ReLU {
			return false
		}
		switch d.Code {
		case kernels.ConvForward:
		case kernels.Bias, kernels.BN, kernels.Add:
			if c.Desc.Code != kernels.ReLU {
				return false
			}
		default:
			return false
		}
		volume += n.Call.Out.Box.Volume()
	}
	return volume == c.Out.Box.Volume()
}
