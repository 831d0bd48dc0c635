package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// outerLoop writes the loop over images, rows and columns of positions that outer tiles
// share, from the position of dy in a register on. It calls body with pointers to a position
// of dy and of x, and with the bytes from position to position of dy.
func outerLoop(dy Register, body func(dy, x, dyCol Register)) {
	x := Load(Param("x").Base(), GP64())
	images, rows, cols := Load(Param("images"), GP64()), GP64(), GP64()
	dyCol, xCol := Load(Param("dyCol"), GP64()), Load(Param("xCol"), GP64())
	SHLQ(Imm(2), dyCol)
	SHLQ(Imm(2), xCol)
	dyRow, xRow, p, q := GP64(), GP64(), GP64(), GP64()
	move := func(from Register, by string, to Register) { // to = from + by floats
		step := GP64()
		MOVQ(inMemory(Param(by)), step)
		LEAQ(Mem{Base: from, Index: step, Scale: 4}, to)
	}
	Label("image")
	MOVQ(dy, dyRow)
	MOVQ(x, xRow)
	MOVQ(inMemory(Param("rows")), rows)
	Label("row")
	MOVQ(inMemory(Param("far").Base()), p)
	for i := range 4 {
		PREFETCHT1(Mem{Base: p, Disp: 64 * i})
	}
	ADDQ(inMemory(Param("farStep")), p)
	MOVQ(p, inMemory(Param("far").Base()))
	MOVQ(dyRow, p)
	MOVQ(xRow, q)
	MOVQ(inMemory(Param("cols")), cols)
	Label("position")
	body(p, q, dyCol)
	ADDQ(dyCol, p)
	ADDQ(xCol, q)
	DECQ(cols)
	JNZ(LabelRef("position"))
	move(dyRow, "dyRow", dyRow)
	move(xRow, "xRow", xRow)
	DECQ(rows)
	JNZ(LabelRef("row"))
	move(dy, "dyImage", dy)
	move(x, "xImage", x)
	DECQ(images)
	JNZ(LabelRef("image"))
}

// addSums adds registers to the sums in memory.
func addSums(v vectors, to Register, sums []VecVirtual) {
	for i, s := range sums {
		at := Mem{Base: to, Disp: i * v.lanes * 4}
		VADDPS(at, s, s)
		VMOVUPS(s, at)
	}
}

// clear zeroes registers.
func (v vectors) clear(rs []VecVirtual) {
	for _, r := range rs {
		if v.lanes == 16 {
			VPXORD(r, r, r)
		} else {
			VXORPS(r, r, r)
		}
	}
}

// outer writes an outerTile: sums of some filters × vectors of x.
func outer(v vectors, rows, nv int) {
	name := fmt.Sprintf("outer%s_%dx%d", v.name, rows, nv*v.lanes)
	TEXT(name, NOSPLIT, "func(dy, x []float32, strips, images, rows, cols, dyImage, dyRow, dyCol, xImage, xRow, xCol int, sums, next []float32, step int, far []float32, farStep int)")
	Doc(fmt.Sprintf("%s is outerReference for %d filters a strip and %d floats of x.", name, rows, nv*v.lanes))
	Pragma("noescape")
	dyNow, sumsNow, dy := AllocLocal(8), AllocLocal(8), GP64()
	MOVQ(inMemory(Param("sums").Base()), dy)
	MOVQ(dy, sumsNow)
	MOVQ(inMemory(Param("dy").Base()), dy)
	MOVQ(dy, dyNow)
	sums, xs := v.many(rows*nv), v.many(nv)
	next, step := Load(Param("next").Base(), GP64()), Load(Param("step"), GP64())
	Label("strip")
	v.clear(sums)
	MOVQ(dyNow, dy)
	outerLoop(dy, func(dy, x, dyCol Register) {
		if v.lanes == 16 { // positions to come lie in the second-level cache
			PREFETCHT0(Mem{Base: dy, Index: dyCol, Scale: 8})
		}
		for i, r := range xs {
			VMOVUPS(Mem{Base: x, Disp: i * v.lanes * 4}, r)
		}
		PREFETCHT1(Mem{Base: next})
		ADDQ(step, next)
		for i := range rows {
			from := Mem{Base: dy, Disp: 4 * i}
			if v.lanes == 16 && nv == 1 {
				VFMADD231PS_BCST(from, xs[0], sums[i])
				continue
			}
			one := v.register()
			VBROADCASTSS(from, one)
			for j, r := range xs {
				VFMADD231PS(one, r, sums[i*nv+j])
			}
		}
	})
	to := GP64()
	MOVQ(sumsNow, to)
	addSums(v, to, sums)
	ADDQ(U32(uint32(rows*nv*v.lanes*4)), sumsNow)
	ADDQ(Imm(uint64(rows*4)), dyNow)
	DECQ(inMemory(Param("strips")))
	JNZ(LabelRef("strip"))
	VZEROUPPER()
	RET()
}
