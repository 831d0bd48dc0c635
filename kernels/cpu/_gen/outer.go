package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

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
	TEXT(name, NOSPLIT, "func(dy, x []float32, strips, images, rows, cols, dyImage, dyRow, dyCol, xImage, xRow, xCol int, sums, next []float32, step int, to, from []float32, copies []int)")
	Doc(fmt.Sprintf("%s is outerReference for %d filters a strip and %d floats of x.", name, rows, nv*v.lanes))
	Pragma("noescape")
	for _, p := range []string{"dyImage", "dyRow", "xImage", "xRow"} {
		SHLQ(Imm(2), inMemory(Param(p)))
	}
	dyCol, xCol := stretch("dyCol"), stretch("xCol")
	dyImage, xImage, imagesLeft, rowsLeft := AllocLocal(8), AllocLocal(8), AllocLocal(8), AllocLocal(8)
	dyRow, xRow, p, q, cols := GP64(), GP64(), GP64(), GP64(), GP64()
	c := newCopying(v)
	sums, xs := v.many(rows*nv), v.many(nv)
	Label("strip")
	v.clear(sums)
	MOVQ(inMemory(Param("images")), p)
	MOVQ(p, imagesLeft)
	MOVQ(inMemory(Param("dy").Base()), dyRow)
	MOVQ(inMemory(Param("x").Base()), xRow)
	Label("image")
	MOVQ(dyRow, dyImage)
	MOVQ(xRow, xImage)
	MOVQ(inMemory(Param("rows")), p)
	MOVQ(p, rowsLeft)
	Label("row")
	MOVQ(dyRow, p)
	MOVQ(xRow, q)
	MOVQ(inMemory(Param("cols")), cols)
	Label("position")
	if v.lanes == 16 { // positions to come lie in the second-level cache
		PREFETCHT0(Mem{Base: p, Index: dyCol, Scale: 8})
	}
	for i, r := range xs {
		VMOVUPS(Mem{Base: q, Disp: i * v.lanes * 4}, r)
	}
	for i := range rows {
		from := Mem{Base: p, Disp: 4 * i}
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
	c.line()
	ADDQ(dyCol, p)
	ADDQ(xCol, q)
	DECQ(cols)
	JNZ(LabelRef("position"))
	ADDQ(inMemory(Param("dyRow")), dyRow)
	ADDQ(inMemory(Param("xRow")), xRow)
	DECQ(rowsLeft)
	JNZ(LabelRef("row"))
	MOVQ(dyImage, dyRow)
	ADDQ(inMemory(Param("dyImage")), dyRow)
	MOVQ(xImage, xRow)
	ADDQ(inMemory(Param("xImage")), xRow)
	DECQ(imagesLeft)
	JNZ(LabelRef("image"))
	MOVQ(inMemory(Param("sums").Base()), p)
	addSums(v, p, sums)
	ADDQ(U32(uint32(rows*nv*v.lanes*4)), inMemory(Param("sums").Base()))
	ADDQ(Imm(uint64(rows*4)), inMemory(Param("dy").Base()))
	DECQ(inMemory(Param("strips")))
	JNZ(LabelRef("strip"))
	c.leave()
	VZEROUPPER()
	RET()
	c.lines()
}
