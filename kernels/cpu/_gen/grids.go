package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// grids writes the copies that change the order of the elements.
func grids() {
	transpose()
	stride()
	shuffles()
}

// bytes loads a parameter that counts floats and makes it count bytes.
func bytes(name string) Register {
	r := Load(Param(name), GP64())
	SHLQ(Imm(2), r)
	return r
}

// transpose writes the loop that transposes squares of eight: columns of from in the outer
// loop, its rows in the inner.
func transpose() {
	TEXT("transposeAVX2", NOSPLIT, "func(to, from []uint32, rows, cols, toPitch, fromPitch int)")
	Doc("transposeAVX2 is transposeGo for rows and columns that are multiples of eight, not zero.")
	Pragma("noescape")
	to, from := Load(Param("to").Base(), GP64()), Load(Param("from").Base(), GP64())
	rows, cols := Load(Param("rows"), GP64()), Load(Param("cols"), GP64())
	toPitch, fromPitch := bytes("toPitch"), bytes("fromPitch")
	p, q, left, at := GP64(), GP64(), GP64(), GP64()
	Label("columns")
	MOVQ(from, p)
	MOVQ(to, q)
	MOVQ(rows, left)
	Label("square")
	// Of each row k two vectors: its first and its last four columns, row k+4 behind them.
	vs := make([]VecVirtual, 8)
	for i := range vs {
		vs[i] = YMM()
	}
	each := func(base Register, pitch Register, f func(k int, m Mem)) {
		MOVQ(base, at)
		for k := range 8 {
			f(k, Mem{Base: at})
			if k < 7 {
				ADDQ(pitch, at)
			}
		}
	}
	each(p, fromPitch, func(k int, m Mem) {
		for half := range 2 {
			m.Disp = 16 * half
			if v := vs[k%4+4*half]; k < 4 {
				VBROADCASTF128(m, v) // its upper half is overwritten
			} else {
				VINSERTF128(Imm(1), m, v, v)
			}
		}
	})
	var out []VecVirtual
	for half := range 2 {
		a := vs[4*half:]
		t := []VecVirtual{YMM(), YMM(), YMM(), YMM()}
		VUNPCKLPS(a[1], a[0], t[0])
		VUNPCKHPS(a[1], a[0], t[1])
		VUNPCKLPS(a[3], a[2], t[2])
		VUNPCKHPS(a[3], a[2], t[3])
		for i := range 2 {
			l, h := YMM(), YMM()
			VUNPCKLPD(t[2+i], t[i], l)
			VUNPCKHPD(t[2+i], t[i], h)
			out = append(out, l, h)
		}
	}
	each(q, toPitch, func(k int, m Mem) { VMOVUPS(out[k], m) })
	LEAQ(Mem{Base: p, Index: fromPitch, Scale: 8}, p)
	ADDQ(Imm(32), q)
	SUBQ(Imm(8), left)
	JNZ(LabelRef("square"))
	ADDQ(Imm(32), from)
	LEAQ(Mem{Base: to, Index: toPitch, Scale: 8}, to)
	SUBQ(Imm(8), cols)
	JNZ(LabelRef("columns"))
	VZEROUPPER()
	RET()
}

// stride writes the loop that copies words one by one, four at a time.
func stride() {
	TEXT("strideAMD64", NOSPLIT, "func(to, from []uint32, rows, cols, toPitch, toStep, fromPitch, fromStep int)")
	Doc("strideAMD64 is strideGo, for rows and columns that are not zero.")
	Pragma("noescape")
	to, from := Load(Param("to").Base(), GP64()), Load(Param("from").Base(), GP64())
	rows, cols := Load(Param("rows"), GP64()), Load(Param("cols"), GP64())
	toPitch, toStep, fromPitch, fromStep := bytes("toPitch"), bytes("toStep"), bytes("fromPitch"), bytes("fromStep")
	p, q, left := GP64(), GP64(), GP64()
	words := []Register{GP32(), GP32()}
	Label("row")
	MOVQ(from, p)
	MOVQ(to, q)
	MOVQ(cols, left)
	SUBQ(Imm(4), left)
	JLT(LabelRef("rest"))
	Label("four")
	for range 2 {
		MOVL(Mem{Base: p}, words[0])
		MOVL(Mem{Base: p, Index: fromStep, Scale: 1}, words[1])
		LEAQ(Mem{Base: p, Index: fromStep, Scale: 2}, p)
		MOVL(words[0], Mem{Base: q})
		MOVL(words[1], Mem{Base: q, Index: toStep, Scale: 1})
		LEAQ(Mem{Base: q, Index: toStep, Scale: 2}, q)
	}
	SUBQ(Imm(4), left)
	JGE(LabelRef("four"))
	Label("rest")
	ADDQ(Imm(4), left)
	JZ(LabelRef("done"))
	Label("one")
	MOVL(Mem{Base: p}, words[0])
	MOVL(words[0], Mem{Base: q})
	ADDQ(fromStep, p)
	ADDQ(toStep, q)
	DECQ(left)
	JNZ(LabelRef("one"))
	Label("done")
	ADDQ(fromPitch, from)
	ADDQ(toPitch, to)
	DECQ(rows)
	JNZ(LabelRef("row"))
	RET()
}

// shuffles writes the loops that interleave three rows, and take them apart. Element j of
// row g has place 3·j+g; as 3 and 8 have no common divisor, the eight places of a vector
// of a row differ in their remainders by 8: put there, three rows' vectors blend into the
// three vectors of their places, and back.
func shuffles() {
	for _, t := range []struct {
		name, doc string
		apart     bool
	}{{"interleaveAVX2", "interleaveAVX2 is shuffleGo for three groups of per channels, at least eight.", false},
		{"separateAVX2", "separateAVX2 is shuffleGo for groups of three channels, as many as per, at least eight.", true}} {
		shuffle3(t.name, t.doc, t.apart)
	}
}

func shuffle3(name, doc string, apart bool) {
	TEXT(name, NOSPLIT, "func(to, from []uint32, rows, per, toPitch, fromPitch int)")
	Doc(doc)
	Pragma("noescape")
	to, from := Load(Param("to").Base(), GP64()), Load(Param("from").Base(), GP64())
	rows, per := Load(Param("rows"), GP64()), bytes("per")
	toPitch, fromPitch := bytes("toPitch"), bytes("fromPitch")
	wide, narrow := to, from // where places are, where rows are
	if apart {
		wide, narrow = from, to
	}
	var index [3]VecVirtual // of the lane that each lane takes
	for g := range index {
		m := GLOBL(fmt.Sprintf("%sLanes%d", name, g), RODATA|NOPTR)
		for lane := range 8 {
			from := (3*lane + g) % 8 // taking apart: where element lane is
			if !apart {
				from = (lane - g + 16) * 3 % 8 // 3 is its own inverse
			}
			DATA(4*lane, U32(from))
		}
		index[g] = YMM()
		VMOVDQU(m, index[g])
	}
	// ofRow is the lanes of vector k of the places that hold elements of row g.
	ofRow := func(k, g int) (mask uint8) {
		for lane := range 8 {
			if (8*k+lane)%3 == g {
				mask |= 1 << lane
			}
		}
		return mask
	}
	mix := func(v [3]VecVirtual, choose func(k int) uint8) VecVirtual {
		r := YMM()
		VPBLENDD(Imm(uint64(choose(1))), v[1], v[0], r)
		VPBLENDD(Imm(uint64(choose(2))), v[2], r, r)
		return r
	}
	at, last, second, third, place := GP64(), GP64(), GP64(), GP64(), GP64()
	Label("row")
	XORQ(at, at)
	LEAQ(Mem{Base: narrow, Index: per, Scale: 1}, second)
	LEAQ(Mem{Base: narrow, Index: per, Scale: 2}, third)
	LEAQ(Mem{Base: per, Disp: -32}, last) // the last eight may overlap those before
	Label("eight")
	CMPQ(at, last)
	CMOVQGT(last, at)
	LEAQ(Mem{Base: at, Index: at, Scale: 2}, place)
	row := func(g int) Mem { return Mem{Base: []Register{narrow, second, third}[g], Index: at, Scale: 1} }
	var v [3]VecVirtual
	for g := range v {
		v[g] = YMM()
		if apart {
			VMOVDQU(Mem{Base: wide, Index: place, Scale: 1, Disp: 32 * g}, v[g])
		} else {
			VPERMD(row(g), index[g], v[g])
		}
	}
	for g := range v {
		if apart {
			r := mix(v, func(k int) uint8 { return ofRow(k, g) })
			VPERMD(r, index[g], r)
			VMOVDQU(r, row(g))
		} else {
			r := mix(v, func(k int) uint8 { return ofRow(g, k) })
			VMOVDQU(r, Mem{Base: wide, Index: place, Scale: 1, Disp: 32 * g})
		}
	}
	ADDQ(Imm(32), at)
	CMPQ(at, per)
	JLT(LabelRef("eight"))
	ADDQ(toPitch, to)
	ADDQ(fromPitch, from)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}
