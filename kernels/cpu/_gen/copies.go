package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// copies writes the copies between the layouts of buffers and of tiles. A row of positions
// is too short, at 7 to 60, for a call each.
func copies() {
	copyPanel()
	copyEights(1)
	copyEights(2)
	spread(4, 0x00, 0x55, 0xaa, 0xff)
	spread(2, 0xa0, 0xf5)
}

// panelLoop writes the loop over rows and columns; body gets pointers to a position.
func panelLoop(toCol, fromCol Op, body func(to, from Register)) {
	to, from := Load(Param("to").Base(), GP64()), Load(Param("from").Base(), GP64())
	rows, cols := Load(Param("rows"), GP64()), GP64()
	toRow, fromRow := Load(Param("toRow"), GP64()), Load(Param("fromRow"), GP64())
	SHLQ(Imm(2), toRow)
	SHLQ(Imm(2), fromRow)
	p, q := GP64(), GP64()
	Label("row")
	MOVQ(to, p)
	MOVQ(from, q)
	MOVQ(inMemory(Param("cols")), cols)
	Label("position")
	body(p, q)
	ADDQ(toCol, p)
	ADDQ(fromCol, q)
	DECQ(cols)
	JNZ(LabelRef("position"))
	ADDQ(toRow, to)
	ADDQ(fromRow, from)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// stretch loads a parameter that counts floats and makes it bytes.
func stretch(name string) Register {
	r := Load(Param(name), GP64())
	SHLQ(Imm(2), r)
	return r
}

func copyPanel() {
	TEXT("copyPanelAVX2", NOSPLIT, "func(to, from []float32, rows, cols, full, rest, toRow, toCol, fromRow, fromCol int)")
	Doc("copyPanelAVX2 is copyPanelGo for full eights and rest floats; then zeros fill up an eight.")
	Pragma("noescape")
	toCol, fromCol := stretch("toCol"), stretch("fromCol")
	full, rest, i := stretch("full"), stretch("rest"), GP64()
	SHLQ(Imm(3), full)
	mask, v := YMM(), YMM()
	LEAQ(NewDataAddr(NewStaticSymbol("laneMasks"), 0), i)
	SUBQ(rest, i)
	VMOVUPS(Mem{Base: i, Disp: 32}, mask)
	panelLoop(toCol, fromCol, func(to, from Register) {
		XORQ(i, i)
		CMPQ(i, full)
		JGE(LabelRef("rest"))
		Label("eight")
		VMOVUPS(Mem{Base: from, Index: i, Scale: 1}, v)
		VMOVUPS(v, Mem{Base: to, Index: i, Scale: 1})
		ADDQ(Imm(32), i)
		CMPQ(i, full)
		JLT(LabelRef("eight"))
		Label("rest")
		TESTQ(rest, rest)
		JZ(LabelRef("done"))
		VMASKMOVPS(Mem{Base: from, Index: i, Scale: 1}, mask, v)
		VMOVUPS(v, Mem{Base: to, Index: i, Scale: 1})
		Label("done")
	})
}

// copyEights writes the loop for so many eights, which asks for the row below.
func copyEights(n int) {
	name := fmt.Sprintf("copyEights%dAVX2", n)
	TEXT(name, NOSPLIT, "func(to, from []float32, rows, cols, toRow, toCol, fromRow, fromCol int)")
	Doc(fmt.Sprintf("%s is copyPanelGo for %d floats.", name, 8*n))
	Pragma("noescape")
	toCol, fromCol, below := stretch("toCol"), stretch("fromCol"), stretch("fromRow")
	panelLoop(toCol, fromCol, func(to, from Register) {
		PREFETCHT1(Mem{Base: from, Index: below, Scale: 1})
		for i := range n {
			v := YMM()
			VMOVUPS(Mem{Base: from, Disp: 32 * i}, v)
			VMOVUPS(v, Mem{Base: to, Disp: 32 * i})
		}
	})
}

func spread(per int, picks ...uint64) {
	name := fmt.Sprintf("spread%dAVX2", per)
	TEXT(name, NOSPLIT, "func(to, from []float32, rows, cols, toRow, fromRow, fromCol int)")
	Doc(fmt.Sprintf("%s is spreadGo for eight channels in groups of %d.", name, per))
	Pragma("noescape")
	fromCol := stretch("fromCol")
	panelLoop(Imm(uint64(per*32)), fromCol, func(to, from Register) {
		v := YMM()
		VMOVUPS(Mem{Base: from}, v)
		for i, pick := range picks {
			w := YMM()
			VPERMILPS(Imm(pick), v, w)
			VMOVUPS(w, Mem{Base: to, Disp: 32 * i})
		}
	})
}
