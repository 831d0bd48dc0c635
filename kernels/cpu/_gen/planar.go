package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// planar writes a planarTile: the sums of some output channels × vectors of positions stay in
// registers while the loops run over taps and channels; a loop around them goes from
// vectors to vectors.
func planar(v vectors, outputs, nv int) {
	name := fmt.Sprintf("planar%s_%dx%d", v.name, outputs, nv*v.lanes)
	TEXT(name, NOSPLIT, "func(w, x []float32, taps []int, channels, plane int, at []int, y []float32, to []int, yPlane int, start []float32, low float32, next []float32, step int)")
	Doc(fmt.Sprintf("%s is planarReference for %d output channels and %d positions.", name, outputs, nv*v.lanes))
	Pragma("noescape")
	plane := Load(Param("plane"), GP64())
	atNow, toNow := Load(Param("at").Base(), GP64()), Load(Param("to").Base(), GP64())
	next, step := Load(Param("next").Base(), GP64()), Load(Param("step"), GP64())
	left, taps := AllocLocal(8), AllocLocal(8)
	idx, w, tap, channel := GP64(), GP64(), GP64(), GP64()
	ptr := make([]Register, nv)
	for i := range ptr {
		ptr[i] = GP64()
	}
	sums := v.grid(outputs, nv)
	xs, one := v.many(nv), v.register()
	MOVQ(inMemory(Param("at").Len()), idx)
	MOVQ(idx, left)

	Label("vectors")
	MOVQ(inMemory(Param("start").Base()), w)
	for o, s := range sums {
		VBROADCASTSS(Mem{Base: w, Disp: 4 * o}, s[0])
		for _, r := range s[1:] {
			VMOVAPS(s[0], r)
		}
	}
	MOVQ(inMemory(Param("x").Base()), w)
	for i, p := range ptr {
		MOVQ(Mem{Base: atNow, Disp: 8 * i}, idx)
		LEAQ(Mem{Base: w, Index: idx, Scale: 4}, p)
	}
	MOVQ(inMemory(Param("taps").Base()), tap)
	MOVQ(inMemory(Param("taps").Len()), idx)
	MOVQ(idx, taps)
	TESTQ(idx, idx)
	JZ(LabelRef("store"))
	Label("tap")
	MOVQ(Mem{Base: tap, Disp: 8}, idx)
	MOVQ(inMemory(Param("w").Base()), w)
	LEAQ(Mem{Base: w, Index: idx, Scale: 4}, w)
	MOVQ(Mem{Base: tap}, idx)
	ADDQ(Imm(16), tap)
	MOVQ(inMemory(Param("channels")), channel)
	Label("channel")
	for i, p := range ptr {
		VMOVUPS(Mem{Base: p, Index: idx, Scale: 4}, xs[i])
	}
	ADDQ(plane, idx)
	PREFETCHT1(Mem{Base: next})
	ADDQ(step, next)
	for o, s := range sums {
		VBROADCASTSS(Mem{Base: w, Disp: 4 * o}, one)
		for i, r := range s {
			VFMADD231PS(one, xs[i], r)
		}
	}
	ADDQ(Imm(uint64(4*outputs)), w)
	DECQ(channel)
	JNZ(LabelRef("channel"))
	SUBQ(Imm(2), taps)
	JNZ(LabelRef("tap"))

	Label("store")
	// The maximum is its second operand where one is no number: NaN stays.
	VBROADCASTSS(inMemory(Param("low")), one)
	yPlane := stretch("yPlane")
	for i := range nv {
		MOVQ(Mem{Base: toNow, Disp: 8 * i}, idx)
		MOVQ(inMemory(Param("y").Base()), w)
		LEAQ(Mem{Base: w, Index: idx, Scale: 4}, w)
		for o, s := range sums {
			VMAXPS(s[i], one, s[i])
			VMOVUPS(s[i], Mem{Base: w})
			if o < outputs-1 {
				ADDQ(yPlane, w)
			}
		}
	}
	ADDQ(Imm(uint64(8*nv)), atNow)
	ADDQ(Imm(uint64(8*nv)), toNow)
	SUBQ(Imm(uint64(nv)), left)
	JNZ(LabelRef("vectors"))
	VZEROUPPER()
	RET()
}
