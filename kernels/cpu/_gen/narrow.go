package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dealt reads channel p of each group, of vectors whose groups' first channels come first,
// then their second: one load fills the lanes of all groups.
func dealt(v vectors, per, p int, from Mem, to VecVirtual) {
	groups := v.lanes / per
	from.Disp += 4 * p * groups
	switch groups {
	case 16:
		VMOVUPS(from, to)
	case 8:
		VBROADCASTF32X8(from, to)
	case 4:
		VBROADCASTF32X4(from, to)
	case 2:
		VBROADCASTSD(from, to)
	case 1:
		VBROADCASTSS(from, to)
	}
}

// narrow writes a narrowTile: of n vectors of x in each of some rows of taps, with block of
// the channels of dy's groups of per at a time. With stride 1, each position has n-1 vectors of
// the one before it, which stay in registers; with 2, it deals as many vectors; 0: any stride.
func narrow(v vectors, per, block, taps, n, stride int) {
	name := fmt.Sprintf("narrow%s_%d_%dx%d", v.name, per, taps, n)
	if stride > 0 {
		name += fmt.Sprintf("by%d", stride)
	}
	TEXT(name, NOSPLIT, "func(dy, x []float32, strips, rows, cols, dyRow, dyCol, xRow, xCol, xTap int, sums, to, from []float32, order []int32, deal []int)")
	Doc(fmt.Sprintf("%s is narrowReference for %d rows of %d vectors of x, in groups of %d channels, %d of dy's at a time.", name, taps, n, per, block))
	Pragma("noescape")
	for _, p := range []string{"dyRow", "xRow"} {
		SHLQ(Imm(2), inMemory(Param(p)))
	}
	dyCol, xCol, rows := stretch("dyCol"), stretch("xCol"), AllocLocal(8)
	dyNow, xNow, p, q, cols := GP64(), GP64(), GP64(), GP64(), GP64()
	var tap, tap2 Register
	if taps > 1 {
		tap, tap2 = stretch("xTap"), GP64()
		LEAQ(Mem{Base: tap, Index: tap, Scale: 1}, tap2)
	}
	at := func(t, i int) Mem {
		from := Mem{Base: q, Disp: i * v.lanes * 4}
		if t > 0 {
			from.Index, from.Scale = []Register{nil, tap, tap2}[t], 1
		}
		return from
	}
	k := newPicker(v, per)
	pick := func(c int, to VecVirtual) {
		if v.lanes == 16 {
			dealt(v, per, c, Mem{Base: p}, to)
		} else {
			k.pick(c, Mem{Base: p}, to)
		}
	}
	order := ""
	if v.lanes == 16 && per > 1 && per < v.lanes {
		order = "order"
	}
	d := newDealing(v, order, dealAhead)
	sums := v.many(taps * block * n)
	Label("strip")
	v.clear(sums)
	MOVQ(inMemory(Param("rows")), dyNow)
	MOVQ(dyNow, rows)
	MOVQ(inMemory(Param("dy").Base()), dyNow)
	MOVQ(inMemory(Param("x").Base()), xNow)
	Label("row")
	MOVQ(dyNow, p)
	MOVQ(xNow, q)
	MOVQ(inMemory(Param("cols")), cols)
	window, turns := v.grid(1, n), 1
	if stride == 1 { // column c of x is in column c%n
		window, turns = v.grid(taps, n), n
		for t := range taps {
			for i := range n - 1 {
				VMOVUPS(at(t, i), window[t][i])
			}
		}
	}
	g := v.many(map[bool]int{true: block, false: 1}[taps > 1])
	Label("position")
	for turn := range turns {
		if taps > 1 {
			for c, r := range g {
				pick(c, r)
			}
		}
		for t := range taps {
			xs := window[t%len(window)]
			switch {
			case stride == 1:
				VMOVUPS(at(t, n-1), xs[(turn+n-1)%n])
			case per > 1: // each vector of x is used more than once
				for i, r := range xs {
					VMOVUPS(at(t, i), r)
				}
			}
			for c := range block {
				r := g[c%len(g)]
				if taps == 1 {
					pick(c, r)
				}
				for i := range n {
					if sum := sums[(t*block+c)*n+i]; per > 1 {
						VFMADD231PS(xs[(turn+i)%n], r, sum)
					} else {
						VFMADD231PS(at(t, i), r, sum)
					}
				}
			}
		}
		if v.lanes == 16 && per > 1 {
			PREFETCHT0(Mem{Base: p, Index: dyCol, Scale: 8})
			far := at(taps-1, n+7)
			if taps == 1 {
				far = Mem{Base: q, Index: xCol, Scale: 8, Disp: 64 * n}
			}
			PREFETCHT0(far)
		}
		for range max(1, stride) {
			d.line()
		}
		ADDQ(dyCol, p)
		ADDQ(xCol, q)
		DECQ(cols)
		if turn < turns-1 {
			JZ(LabelRef("end"))
		} else {
			JNZ(LabelRef("position"))
		}
	}
	Label("end")
	ADDQ(inMemory(Param("dyRow")), dyNow)
	ADDQ(inMemory(Param("xRow")), xNow)
	DECQ(rows)
	JNZ(LabelRef("row"))
	MOVQ(inMemory(Param("sums").Base()), p)
	addSums(v, p, sums)
	ADDQ(U32(uint32(4*v.lanes*len(sums))), inMemory(Param("sums").Base()))
	strip := block * 4
	if v.lanes == 16 {
		strip *= v.lanes / per
	}
	ADDQ(Imm(uint64(strip)), inMemory(Param("dy").Base()))
	DECQ(inMemory(Param("strips")))
	JNZ(LabelRef("strip"))
	d.leave()
	VZEROUPPER()
	RET()
}

// deal writes the loop that copies pixels' vectors to places some floats apart, on AVX-512
// with their lanes in an order.
func deal(v vectors, ordered bool) {
	name, order := "deal"+v.name, ""
	if ordered {
		name, order = name+"Ordered", "order []int32, "
	}
	TEXT(name, NOSPLIT, "func(to, from []float32, "+order+"rows, cols, vectors, last, toRow, toVector, fromRow, fromCol int)")
	Doc(name + " is dealGo for vectors, the last of which has last channels.")
	Pragma("noescape")
	for _, p := range []string{"toRow", "fromRow"} {
		SHLQ(Imm(2), inMemory(Param(p)))
	}
	toVector, fromCol := stretch("toVector"), stretch("fromCol")
	var some Register
	var mask, lanes VecVirtual
	if v.lanes == 16 {
		some = firstLanes(Param("last"))
	} else {
		mask = firstEights(Param("last"))
	}
	if ordered {
		lanes = v.register()
		VMOVDQU32(Mem{Base: Load(Param("order").Base(), GP64())}, lanes)
	}
	to, from, p, q, cols, count := GP64(), GP64(), GP64(), GP64(), GP64(), GP64()
	one := v.register()
	put := func() {
		if ordered {
			VPERMPS(one, lanes, one)
		}
		VMOVUPS(one, Mem{Base: q})
	}
	Label("row")
	MOVQ(inMemory(Param("to").Base()), to)
	MOVQ(inMemory(Param("from").Base()), from)
	MOVQ(inMemory(Param("cols")), cols)
	Label("col")
	MOVQ(to, q)
	MOVQ(from, p)
	MOVQ(inMemory(Param("vectors")), count)
	DECQ(count)
	JZ(LabelRef("last"))
	Label("vector")
	VMOVUPS(Mem{Base: p}, one)
	put()
	ADDQ(Imm(uint64(4*v.lanes)), p)
	ADDQ(toVector, q)
	DECQ(count)
	JNZ(LabelRef("vector"))
	Label("last")
	if v.lanes == 16 {
		VMOVUPS_Z(Mem{Base: p}, some, one)
	} else {
		VMASKMOVPS(Mem{Base: p}, mask, one)
	}
	put()
	ADDQ(fromCol, from)
	ADDQ(Imm(uint64(4*v.lanes)), to)
	DECQ(cols)
	JNZ(LabelRef("col"))
	MOVQ(inMemory(Param("toRow")), p)
	ADDQ(p, inMemory(Param("to").Base()))
	MOVQ(inMemory(Param("fromRow")), p)
	ADDQ(p, inMemory(Param("from").Base()))
	DECQ(inMemory(Param("rows")))
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}
