package program

import (
	"cmp"
	"slices"

	"cleave/kernels"
	"cleave/layout"
)

// timelines are the sections that run one after the other over the same memory, beside
// the kept buffers. What accumulate leaves lives on into update; evaluation happens
// between steps.
var timelines = [][]string{{Init}, {Accumulate, Update}, {Eval}}

// life is the span of instructions of a timeline between which a buffer holds something:
// from its first mention to its last (a post, from which on a peer may write, and a sent,
// until which the transport reads, are mentions).
type life struct {
	timeline    int // -1: never mentioned
	first, last int
}

func (l life) meets(m life) bool {
	return l.timeline == m.timeline && l.first <= m.last && m.first <= l.last
}

// each calls do with every instruction of the program in the order of the timelines.
func (p *Program) each(do func(timeline, i int, n *Instr)) {
	for t, names := range timelines {
		i := 0
		for _, name := range names {
			s := p.Section(name)
			if s == nil {
				continue
			}
			for k := range s.Instrs {
				do(t, i, &s.Instrs[k])
				i++
			}
		}
	}
}

// lives returns the life of every buffer. Inputs live from the beginning of the timeline.
func (p *Program) lives() []life {
	ls := make([]life, len(p.Buffers))
	for i := range ls {
		ls[i].timeline = -1
	}
	p.each(func(t, i int, n *Instr) {
		see := func(v View) {
			l := &ls[v.Buffer]
			if l.timeline != t {
				*l = life{t, i, i}
			}
			l.last = i
		}
		n.reads(see)
		n.writes(see)
	})
	for _, in := range p.Inputs {
		ls[in.Buffer].first = 0
	}
	return ls
}

// compact removes the buffers that nothing mentions, such as those that fusion left.
func compact(p *Program) {
	ls := p.lives()
	at := make([]BufferID, len(p.Buffers))
	var kept []Buffer
	for i := range p.Buffers {
		if ls[i].timeline >= 0 || p.Buffers[i].Kept {
			at[i] = BufferID(len(kept))
			kept = append(kept, p.Buffers[i])
		}
	}
	p.Buffers = kept
	p.each(func(_, _ int, n *Instr) {
		if n.Kind != Run {
			n.Message.View.Buffer = at[n.Message.View.Buffer]
			return
		}
		n.Call.Out.Buffer = at[n.Call.Out.Buffer]
		for k := range n.Call.In {
			n.Call.In[k].Buffer = at[n.Call.In[k].Buffer]
		}
	})
	for i := range p.Inputs {
		p.Inputs[i].Buffer = at[p.Inputs[i].Buffer]
	}
	for i := range p.Outputs {
		p.Outputs[i].Buffer = at[p.Outputs[i].Buffer]
	}
}

// assign gives every buffer its place: first what is kept, then the workspace that all
// calls share, then the rest, packed by life.
func assign(p *Program, reuse bool) {
	size := int64(0)
	for i := range p.Buffers {
		if b := &p.Buffers[i]; b.Kept {
			b.Offset = size
			size += b.Bytes
		}
	}
	p.Workspace = kernels.Region{Offset: size, Bytes: workspace(p)}
	size += p.Workspace.Bytes
	p.ArenaBytes = size + pack(p, size, reuse)
}

// alignment is what the workspace is rounded up to, so that buffers behind it stay as
// aligned as the sizer made them.
const alignment = 256

// workspace notes what each call needs and returns the most.
func workspace(p *Program) int64 {
	most := int64(0)
	p.each(func(_, _ int, n *Instr) {
		if n.Kind == Run {
			out, in := shapes(n.Call)
			n.Call.Workspace = p.sizer.Workspace(n.Call.Desc, out, in)
			most = max(most, n.Call.Workspace)
		}
	})
	return (most + alignment - 1) / alignment * alignment
}

func shapes(c *Call) (out layout.Shape, in []layout.Shape) {
	in = make([]layout.Shape, len(c.In))
	for i, v := range c.In {
		in[i] = v.Box.Shape()
	}
	return c.Out.Box.Shape(), in
}

// block is memory that one buffer holds, or several one after the other in place.
type block struct {
	life   life
	bytes  int64
	offset int64
}

// pack places the buffers that are not kept from base on: first fit, largest first. It
// returns the bytes that they take together.
func pack(p *Program, base int64, reuse bool) int64 {
	ls := p.lives()
	host := make([]int, len(p.Buffers)) // whose memory a buffer takes
	for i := range host {
		host[i] = i
	}
	if reuse {
		inPlace(p, ls, host)
	}
	blocks := make([]block, len(p.Buffers))
	var order []int
	for i := range p.Buffers {
		if b := &p.Buffers[i]; !b.Kept && host[i] == i && ls[i].timeline >= 0 {
			blocks[i] = block{life: ls[i], bytes: b.Bytes}
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(blocks[b].bytes, blocks[a].bytes) })
	size := int64(0)
	var placed []int // by offset
	for _, i := range order {
		b := &blocks[i]
		if !reuse {
			b.offset = size
			size += b.bytes
			continue
		}
		for _, k := range placed {
			q := &blocks[k]
			if q.offset >= b.offset+b.bytes {
				break
			}
			if q.offset+q.bytes > b.offset && q.life.meets(b.life) {
				b.offset = q.offset + q.bytes
			}
		}
		size = max(size, b.offset+b.bytes)
		at, _ := slices.BinarySearchFunc(placed, b.offset, func(k int, o int64) int { return cmp.Compare(blocks[k].offset, o) })
		placed = slices.Insert(placed, at, i)
	}
	for i := range p.Buffers {
		if b := &p.Buffers[i]; !b.Kept {
			b.Offset = base + blocks[host[i]].offset
		}
	}
	return size
}

// inPlace lets an output take the memory of an input that dies in the same instruction,
// where the kernel allows it. It joins their lives in the host's.
func inPlace(p *Program, ls []life, host []int) {
	p.each(func(t, i int, n *Instr) {
		if n.Kind != Run {
			return
		}
		c := n.Call
		out := int(c.Out.Buffer)
		if p.Buffers[out].Kept || ls[out].first != i || host[out] != out {
			return
		}
		for _, k := range c.Desc.Code.InPlace() {
			h := host[c.In[k].Buffer]
			if p.Buffers[h].Kept || ls[h].last != i || !sameMemory(p, c.Out, c.In[k]) {
				continue
			}
			others := 0 // of the inputs that lie in this memory
			for _, v := range c.In {
				if host[v.Buffer] == h {
					others++
				}
			}
			if others > 1 {
				continue
			}
			host[out] = h
			ls[h].last = ls[out].last
			return
		}
	})
}

// sameMemory reports whether two views are whole buffers that lie in memory alike.
func sameMemory(p *Program, a, b View) bool {
	x, y := &p.Buffers[a.Buffer], &p.Buffers[b.Buffer]
	return a.Box == x.Box && b.Box == y.Box && a.Box == b.Box &&
		x.DType == y.DType && x.Format == y.Format && x.Bytes == y.Bytes
}
