package engine

import (
	"cleave/kernels"
	"cleave/proto/programpb"
)

// writer writes a Program by hand.
type writer struct {
	p       *programpb.Program
	scratch uint64
}

func newWriter(rank, ranks int) *writer {
	return &writer{p: &programpb.Program{Rank: uint32(rank), Ranks: uint32(ranks), Model: "test"}}
}

// buffer adds a buffer of n×c×h×w elements behind the others.
func (w *writer) buffer(name string, d programpb.DType, n, c, h, wd uint32) uint32 {
	const align = 64
	bytes := uint64(n) * uint64(c) * uint64(h) * uint64(wd) * uint64(kernels.DType(d).Size())
	w.p.Buffers = append(w.p.Buffers, &programpb.Buffer{
		Name: name, Dtype: d, Box: box(n, c, h, wd), Offset: w.p.ArenaBytes, Bytes: bytes,
	})
	w.p.ArenaBytes += (bytes + align - 1) / align * align
	return uint32(len(w.p.Buffers) - 1)
}

func (w *writer) floats(name string, n uint32) uint32 {
	return w.buffer(name, programpb.DType_DTYPE_F32, n, 1, 1, 1)
}

func (w *writer) section(name string, all ...*programpb.Instruction) *programpb.Section {
	s := &programpb.Section{Name: name, Instructions: all}
	w.p.Sections = append(w.p.Sections, s)
	return s
}

func (w *writer) input(section, name string, buffer uint32) {
	w.p.Inputs = append(w.p.Inputs, &programpb.Input{Section: section, Name: name, Buffer: buffer})
}

func (w *writer) output(section, name string, buffer uint32) {
	w.p.Outputs = append(w.p.Outputs, &programpb.Output{Section: section, Name: name, Buffer: buffer})
}

// call runs a kernel on whole buffers.
func (w *writer) call(k *programpb.Kernel, out uint32, in ...uint32) *programpb.Instruction {
	r := &programpb.Run{Kernel: k, Out: w.whole(out)}
	for _, b := range in {
		r.In = append(r.In, w.whole(b))
	}
	if k.Code == kernels.Sum.String() { // the toy wants it
		r.WorkspaceOffset, r.WorkspaceBytes = w.workspace(), 4
	}
	return &programpb.Instruction{Kind: &programpb.Instruction_Run{Run: r}}
}

// workspace returns the place of 4 bytes that belong to no buffer.
func (w *writer) workspace() uint64 {
	if w.scratch == 0 {
		w.scratch = w.p.ArenaBytes
		w.p.ArenaBytes += 64
	}
	return w.scratch
}

func (w *writer) whole(b uint32) *programpb.View {
	return &programpb.View{Buffer: b, Box: w.p.Buffers[b].Box}
}

func (w *writer) fill(out uint32, v float64) *programpb.Instruction {
	return w.call(&programpb.Kernel{Code: "fill_const", Value: v}, out)
}

func (w *writer) sum(out uint32, in ...uint32) *programpb.Instruction {
	return w.call(&programpb.Kernel{Code: "sum"}, out, in...)
}

// transfer returns the four instructions of a message that is a whole buffer.
func (w *writer) transfer(tag, peer, buffer uint32) (posted, sending, waiting, done *programpb.Instruction) {
	t := &programpb.Transfer{Tag: tag, Peer: peer, Buffer: buffer, Bytes: w.p.Buffers[buffer].Bytes}
	posted = &programpb.Instruction{Kind: &programpb.Instruction_Post{Post: t}}
	sending = &programpb.Instruction{Kind: &programpb.Instruction_Send{Send: t}}
	waiting = &programpb.Instruction{Kind: &programpb.Instruction_Wait{Wait: t}}
	done = &programpb.Instruction{Kind: &programpb.Instruction_Sent{Sent: t}}
	return
}

func box(n, c, h, w uint32) *programpb.Box {
	return &programpb.Box{Bounds: []uint32{0, n, 0, c, 0, h, 0, w}}
}

// allReduce is the Program of a rank that adds its value (rank+1 in every element, plus
// what "accumulate" was given) to the other ranks'.
func allReduce(rank, ranks int, n uint32) *programpb.Program {
	w := newWriter(rank, ranks)
	own, given, mine := w.floats("own", n), w.floats("given", n), w.floats("mine", n)
	w.section("init", w.fill(own, float64(rank+1)))
	var posts, sends, waits, sents []*programpb.Instruction
	all := make([]uint32, ranks)
	for q := range ranks {
		if q == rank {
			all[q] = mine
			continue
		}
		all[q] = w.floats("theirs", n)
		tag := func(from, to int) uint32 { return uint32(from*ranks + to) }
		p, _, wt, _ := w.transfer(tag(q, rank), uint32(q), all[q])
		_, s, _, st := w.transfer(tag(rank, q), uint32(q), mine)
		posts, waits = append(posts, p), append(waits, wt)
		sends, sents = append(sends, s), append(sents, st)
	}
	total := w.floats("total", n)
	list := append(posts, w.sum(mine, own, given))
	list = append(append(list, sends...), waits...)
	list = append(append(list, w.sum(total, all...)), sents...)
	w.section("accumulate", list...)
	w.input("accumulate", "given", given)
	w.output("accumulate", "total", total)
	return w.p
}
