package program

import (
	"cleave/coordinator/plan"
	"cleave/kernels"
	"cleave/layout"
)

// emit writes the exchange x on every rank: all posts, all sends (packed first where the
// bytes do not lie together), local copies, all waits. Then the rank's sends so far are
// waited for, if it had to wait anyway: its peers were as far as it was.
func (lw *lowerer) emit(x *exchange) {
	if len(x.transfers) > 0 {
		lw.exchange++
	}
	type ends struct{ from, to Message }
	messages := make([]ends, len(x.transfers))
	packed := map[packKey]View{}
	var packs, unpacks []localMove
	for i, t := range x.transfers {
		w := lw.wire(t)
		from, to := View{t.src, t.box}, View{t.dst, t.box}
		if w.pack {
			k := packKey{t.from, from, w.format}
			if v, ok := packed[k]; ok {
				from = v
			} else {
				staged := View{lw.stage(t.from, t.tensor, w.format, t.box), t.box}
				packs = append(packs, localMove{t.from, from, staged, i})
				packed[k], from = staged, staged
			}
		}
		if w.unpack {
			staged := View{lw.stage(t.to, t.tensor, w.format, t.box), t.box}
			unpacks = append(unpacks, localMove{t.to, staged, to, i})
			to = staged
		}
		messages[i] = ends{lw.message(t.from, t.to, from), lw.message(t.to, t.from, to)}
		lw.tag++
	}
	for i, t := range x.transfers {
		lw.say(t.to, Post, messages[i].to)
	}
	for i, t := range x.transfers {
		for len(packs) > 0 && packs[0].before == i {
			lw.run(packs[0].rank, kernels.Desc{Code: kernels.Copy}, packs[0].dst, packs[0].src)
			packs = packs[1:]
		}
		lw.say(t.from, Send, messages[i].from)
		lw.unsent[t.from] = append(lw.unsent[t.from], messages[i].from)
	}
	for _, c := range x.copies {
		lw.run(c.rank, kernels.Desc{Code: kernels.Copy}, View{c.dst, c.box}, View{c.src, c.box})
	}
	waited := make([]bool, lw.ranks)
	for i, t := range x.transfers {
		lw.say(t.to, Wait, messages[i].to)
		waited[t.to] = true
		for len(unpacks) > 0 && unpacks[0].before == i {
			lw.run(unpacks[0].rank, kernels.Desc{Code: kernels.Copy}, unpacks[0].dst, unpacks[0].src)
			unpacks = unpacks[1:]
		}
	}
	for r, w := range waited {
		if w {
			lw.flushSent(r)
		}
	}
	lw.settle(x.at.In)
	lw.record(x)
}

// packKey names what is packed for the wire: once, however many ranks it goes to.
type packKey struct {
	rank   int
	view   View
	format kernels.Format
}

// localMove is a copy between a buffer and a staging buffer, for transfer number before.
type localMove struct {
	rank     int
	src, dst View
	before   int
}

func (lw *lowerer) say(r int, k Kind, m Message) {
	lw.code[r] = append(lw.code[r], Instr{Kind: k, Message: m, exchange: lw.exchange})
}

func (lw *lowerer) flushSent(r int) {
	for _, m := range lw.unsent[r] {
		lw.say(r, Sent, m)
	}
	lw.unsent[r] = lw.unsent[r][:0]
}

// stage makes a buffer for the bytes of a message.
func (lw *lowerer) stage(r int, t *plan.Tensor, f kernels.Format, box layout.Box) BufferID {
	return lw.add(r, Buffer{Name: t.Name, Use: kernels.Staging, Format: f, Box: box})
}

func (lw *lowerer) message(r, peer int, v View) Message {
	g, _ := contiguous(lw.options.Sizers[r], lw.at(r, v.Buffer), v.Box)
	return Message{Tag: lw.tag, Peer: layout.Rank(peer), View: v, Offset: g.Offset, Bytes: g.Bytes}
}

// wired says in which format a message travels, and at which ends it is staged.
type wired struct {
	format       kernels.Format
	pack, unpack bool
}

// wire finds the form of a message that costs the fewest copies: in place where the bytes
// lie together at both ends in one order; in the order of the end where they lie together;
// else in the format that both ends share, or in NHWC.
func (lw *lowerer) wire(t transfer) wired {
	src, dst := lw.at(t.from, t.src), lw.at(t.to, t.dst)
	_, here := contiguous(lw.options.Sizers[t.from], src, t.box)
	_, there := contiguous(lw.options.Sizers[t.to], dst, t.box)
	switch {
	case here && there && sameOrder(src.Format, dst.Format, t.box.Shape()):
		return wired{format: src.Format}
	case here:
		return wired{format: src.Format, unpack: true}
	case there:
		return wired{format: dst.Format, pack: true}
	case src.Format == dst.Format:
		return wired{format: src.Format, pack: true, unpack: true}
	}
	return wired{format: kernels.NHWC, pack: true, unpack: true}
}

// contiguous returns where the elements of box lie in b, from its beginning, if they lie
// together with nothing between them.
func contiguous(s kernels.Sizer, b *Buffer, box layout.Box) (kernels.Region, bool) {
	g, ok := s.Contiguous(b.Format, b.DType, b.Shape(), box.Local(b.Box))
	return g, ok && g.Bytes == int64(box.Volume())*b.DType.Size()
}

// sameOrder reports whether a box of shape s has its elements in the same order in both.
func sameOrder(f, g kernels.Format, s layout.Shape) bool {
	return f == g || f <= kernels.NHWC && g <= kernels.NHWC && (s[1] == 1 || s[2]*s[3] == 1)
}
