package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// copies writes the loops over rows of several planes' rows: too short, at 7 to 60 floats,
// for a call each.
func copies() {
	pad("padRowsAVX2", "", 1)
	pad("padEvenRowsAVX2", ", of every other float of from", 2)
	unpad()
	zip()
}

// pad writes a loop that copies rows and puts zeros on both sides.
func pad(name, what string, gap int) {
	masks := "mask []int32"
	if gap == 2 {
		masks = "first, second []int32"
	}
	TEXT(name, NOSPLIT, "func(to, from []float32, rows, width, before, full, step int, "+masks+")")
	Doc(fmt.Sprintf("%s is padRowsGo%s, for rows of full eights and those that the mask lets through.", name, what))
	Pragma("noescape")
	to, from := Load(Param("to").Base(), GP64()), Load(Param("from").Base(), GP64())
	rows, width, before := Load(Param("rows"), GP64()), Load(Param("width"), GP64()), Load(Param("before"), GP64())
	full, step := Load(Param("full"), GP64()), Load(Param("step"), GP64())
	for _, r := range []Register{width, before, step} {
		SHLQ(Imm(2), r)
	}
	zero, v, w := YMM(), YMM(), YMM()
	VXORPS(zero, zero, zero)
	var ms []VecVirtual
	for _, n := range []string{"mask", "first", "second"} {
		if (n == "mask") == (gap == 1) {
			m := YMM()
			VMOVUPS(Mem{Base: Load(Param(n).Base(), GP64())}, m)
			ms = append(ms, m)
		}
	}
	p, q, end, left := GP64(), GP64(), GP64(), GP64()
	pack := func() { // the even floats of v and w
		VSHUFPS(Imm(0x88), w, v, v)
		VPERMPD(Imm(0xd8), v, v)
	}
	Label("row")
	MOVQ(to, p)
	LEAQ(Mem{Base: to, Index: before, Scale: 1}, end)
	Label("left")
	CMPQ(p, end)
	JGE(LabelRef("inside"))
	VMOVUPS(zero, Mem{Base: p})
	ADDQ(Imm(32), p)
	JMP(LabelRef("left"))
	Label("inside")
	MOVQ(end, p)
	MOVQ(from, q)
	MOVQ(full, left)
	TESTQ(left, left)
	JZ(LabelRef("rest"))
	Label("eight")
	VMOVUPS(Mem{Base: q}, v)
	if gap == 2 {
		VMOVUPS(Mem{Base: q, Disp: 32}, w)
		pack()
	}
	VMOVUPS(v, Mem{Base: p})
	ADDQ(Imm(uint64(32*gap)), q)
	ADDQ(Imm(32), p)
	DECQ(left)
	JNZ(LabelRef("eight"))
	Label("rest")
	VMASKMOVPS(Mem{Base: q}, ms[0], v)
	if gap == 2 {
		VMASKMOVPS(Mem{Base: q, Disp: 32}, ms[1], w)
		pack()
	}
	VMOVUPS(v, Mem{Base: p})
	ADDQ(Imm(32), p)
	LEAQ(Mem{Base: to, Index: width, Scale: 1}, end)
	Label("right")
	CMPQ(p, end)
	JGE(LabelRef("done"))
	VMOVUPS(zero, Mem{Base: p})
	ADDQ(Imm(32), p)
	JMP(LabelRef("right"))
	Label("done")
	MOVQ(end, to)
	ADDQ(step, from)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// unpad writes the loop that takes rows out of wider ones. Rows end with a vector that
// begins before the last one's end; those shorter than eight are copied in fours or ones.
func unpad() {
	TEXT("unpadRowsAVX2", NOSPLIT, "func(to, from []float32, rows, n, toStep, fromStep int, add, low float32)")
	Doc("unpadRowsAVX2 is unpadRowsGo.")
	Pragma("noescape")
	to, from := Load(Param("to").Base(), GP64()), Load(Param("from").Base(), GP64())
	rows, n := Load(Param("rows"), GP64()), Load(Param("n"), GP64())
	toStep, fromStep := Load(Param("toStep"), GP64()), Load(Param("fromStep"), GP64())
	SHLQ(Imm(2), toStep)
	SHLQ(Imm(2), fromStep)
	addX, lowX, add, low := XMM(), XMM(), YMM(), YMM()
	Load(Param("add"), addX)
	Load(Param("low"), lowX)
	VBROADCASTSS(addX, add)
	VBROADCASTSS(lowX, low)
	i, last, v := GP64(), GP64(), YMM()
	for _, part := range []struct {
		label string
		size  int
	}{{"eights", 8}, {"fours", 4}, {"ones", 1}} {
		size := part.size
		step := func(at Register) {
			src, dst := Mem{Base: from, Index: at, Scale: 4}, Mem{Base: to, Index: at, Scale: 4}
			switch size {
			case 8:
				VMOVUPS(src, v)
				VADDPS(add, v, v)
				VMAXPS(v, low, v) // v last: what is no number stays
				VMOVUPS(v, dst)
			case 4:
				VMOVUPS(src, v.AsX())
				VADDPS(add.AsX(), v.AsX(), v.AsX())
				VMAXPS(v.AsX(), low.AsX(), v.AsX())
				VMOVUPS(v.AsX(), dst)
			default:
				VMOVSS(src, v.AsX())
				VADDSS(add.AsX(), v.AsX(), v.AsX())
				VMAXSS(v.AsX(), low.AsX(), v.AsX())
				VMOVSS(v.AsX(), dst)
			}
		}
		Label(part.label)
		if size > 1 {
			next := map[int]string{8: "fours", 4: "ones"}[size]
			CMPQ(n, Imm(uint64(size)))
			JLT(LabelRef(next))
		}
		LEAQ(Mem{Base: n, Disp: -size}, last)
		Label(part.label + "Row")
		XORQ(i, i)
		JMP(LabelRef(part.label + "Test"))
		Label(part.label + "Next")
		step(i)
		ADDQ(Imm(uint64(size)), i)
		Label(part.label + "Test")
		CMPQ(i, last)
		JLT(LabelRef(part.label + "Next"))
		step(last)
		ADDQ(toStep, to)
		ADDQ(fromStep, from)
		DECQ(rows)
		JNZ(LabelRef(part.label + "Row"))
		VZEROUPPER()
		RET()
	}
}

// zip writes the loop that puts a row's elements between those of another.
func zip() {
	TEXT("zipAVX2", NOSPLIT, "func(to, even, odd []float32)")
	Doc("zipAVX2 is zipGo for lengths of even that are a multiple of eight, not zero.")
	Pragma("noescape")
	to, even, odd := Load(Param("to").Base(), GP64()), Load(Param("even").Base(), GP64()), Load(Param("odd").Base(), GP64())
	n := Load(Param("even").Len(), GP64())
	i, e, o, l, h := GP64(), YMM(), YMM(), YMM(), YMM()
	XORQ(i, i)
	Label("next")
	VMOVUPS(Mem{Base: even, Index: i, Scale: 4}, e)
	VMOVUPS(Mem{Base: odd, Index: i, Scale: 4}, o)
	VUNPCKLPS(o, e, l)
	VUNPCKHPS(o, e, h)
	VPERM2F128(Imm(0x20), h, l, e)
	VPERM2F128(Imm(0x31), h, l, o)
	VMOVUPS(e, Mem{Base: to, Index: i, Scale: 8})
	VMOVUPS(o, Mem{Base: to, Index: i, Scale: 8, Disp: 32})
	ADDQ(Imm(8), i)
	CMPQ(i, n)
	JLT(LabelRef("next"))
	VZEROUPPER()
	RET()
}
