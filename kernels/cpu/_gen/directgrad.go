package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// directGrad writes the loop over the channels of a directGradTile: the elements of dx that
// some neighbouring positions of two rows of dy take part in. The last of the columns of dy
// may lie beside it.
func directGrad(v vectors, per, positions int, right bool) {
	name := fmt.Sprintf("directGrad%s_%d%s", v.name, per, map[bool]string{false: "Inner", true: "Right"}[right])
	TEXT(name, NOSPLIT, "func(w, dy []float32, rows, dyRow, dyCol int, dx []float32, dxRow, dxCol int, vectors, ahead int)")
	Doc(fmt.Sprintf("%s is directGradReference for %d lanes and %d positions, in groups of %d channels.", name, v.lanes, positions, per))
	Pragma("noescape")
	w, dy, dx := Load(Param("w").Base(), GP64()), Load(Param("dy").Base(), GP64()), Load(Param("dx").Base(), GP64())
	dyRow, dyCol, dxCol := stretch("dyRow"), stretch("dyCol"), stretch("dxCol")
	base, below := GP64(), GP64()
	bytes := v.lanes * 4
	columns := positions + 1
	if right {
		columns--
	}
	// Columns and rows of dx: [row][column][position].
	var sums [2][2][]VecVirtual
	for i := range sums {
		for j := range sums[i] {
			sums[i][j] = v.many(positions)
		}
	}
	// add multiplies the elements of tap t with the columns from shift on.
	add := func(t, c, shift int, from, to []VecVirtual) {
		r := v.register()
		VMOVUPS(Mem{Base: w, Disp: (t*per + c) * bytes}, r)
		for p, s := range to {
			if p+shift < len(from) {
				VFMADD231PS(from[p+shift], r, s)
			}
		}
	}
	k := newPicker(v, per)
	columnsOf := func(row Register, c int) []VecVirtual {
		at := newColumnsAt(row, dyCol)
		all := make([]VecVirtual, columns)
		for j := range all {
			all[j] = v.register()
			k.pick(c, at(j), all[j])
		}
		return all
	}
	far := GP64()
	Label("vector")
	// What the next row of positions takes. A line has two vectors of eight.
	CMPQ(inMemory(Param("ahead")), Imm(0))
	JEQ(LabelRef("begin"))
	if v.lanes == 8 {
		TESTQ(U32(1), inMemory(Param("vectors")))
		JNZ(LabelRef("begin"))
	}
	ask := func(step Register, count int) {
		for range count {
			PREFETCHT1(Mem{Base: far})
			ADDQ(step, far)
		}
	}
	LEAQ(Mem{Base: dy, Index: dyRow, Scale: 2}, far)
	ask(dyCol, positions)
	MOVQ(inMemory(Param("dxRow")), base)
	LEAQ(Mem{Base: dx, Index: base, Scale: 8}, far)
	ask(dxCol, 2*positions)
	LEAQ(Mem{Base: dx, Index: base, Scale: 8}, far)
	LEAQ(Mem{Base: far, Index: base, Scale: 4}, far)
	ask(dxCol, 2*positions)
	Label("begin")
	for _, row := range sums {
		for _, column := range row {
			v.clear(column)
		}
	}
	MOVQ(dy, base)
	LEAQ(Mem{Base: dy, Index: dyRow, Scale: 1}, below)
	for c := range per {
		at := columnsOf(base, c)
		add(0, c, 0, at, sums[0][0])
		add(1, c, 0, at, sums[0][1])
		add(3, c, 0, at, sums[1][0])
		add(5, c, 0, at, sums[1][1])
		add(2, c, 1, at, sums[0][1])
		add(6, c, 1, at, sums[1][1])
	}
	CMPQ(inMemory(Param("rows")), Imm(1))
	JEQ(LabelRef("store"))
	for c := range per {
		at := columnsOf(below, c)
		add(4, c, 0, at, sums[1][0])
		add(7, c, 0, at, sums[1][1])
		add(8, c, 1, at, sums[1][1])
	}
	Label("store")
	MOVQ(dx, base)
	for i, row := range sums {
		for p := range positions {
			for _, column := range row {
				VMOVUPS(column[p], Mem{Base: base})
				ADDQ(dxCol, base)
			}
		}
		if i == 0 {
			MOVQ(inMemory(Param("dxRow")), base)
			LEAQ(Mem{Base: dx, Index: base, Scale: 4}, base)
		}
	}
	ADDQ(U32(uint32(9*per*bytes)), w)
	ADDQ(Imm(uint64(bytes)), dy)
	ADDQ(Imm(uint64(bytes)), dx)
	DECQ(inMemory(Param("vectors")))
	JNZ(LabelRef("vector"))
	VZEROUPPER()
	RET()
}

// newColumnsAt addresses up to five columns from a base.
func newColumnsAt(base, one Register) func(j int) Mem {
	return func(j int) Mem {
		switch j {
		case 0:
			return Mem{Base: base}
		case 1, 2, 4:
			return Mem{Base: base, Index: one, Scale: uint8(j)}
		}
		third := GP64()
		LEAQ(Mem{Base: base, Index: one, Scale: 2}, third)
		return Mem{Base: third, Index: one, Scale: 1}
	}
}
