package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// gradTaps are the taps of a directGradTile in their order: the row and column of dx that
// each is added to, and whether it meets the row below and the column on the right.
var gradTaps = [9]struct{ row, col, below, right int }{
	{0, 0, 0, 0}, {0, 1, 0, 0}, {0, 1, 0, 1}, {1, 0, 0, 0}, {1, 0, 1, 0},
	{1, 1, 0, 0}, {1, 1, 0, 1}, {1, 1, 1, 0}, {1, 1, 1, 1},
}

// directGrad writes a directGradTile: the loop over units, vectors of narrow groups or of one
// group if per is 0, of the elements of dx that some neighbouring positions of two rows of
// dy take part in. The last of the columns of dy may lie beside it.
func directGrad(v vectors, per, positions int) {
	name, doc := fmt.Sprintf("directGrad%s_%d", v.name, per), fmt.Sprintf("groups of %d channels", per)
	if per == 0 {
		name, doc = fmt.Sprintf("directGradWide%s", v.name), "wide groups"
	}
	TEXT(name, NOSPLIT, "func(w, dy []float32, rows, dyRow, dyCol, dyUnit, channels int, dx []float32, dxRow, dxCol int, units, ends int)")
	Doc(fmt.Sprintf("%s is directGradReference for %d lanes, %d positions and %s.", name, v.lanes, positions, doc))
	Pragma("noescape")
	dyCol, dxCol := stretch("dyCol"), stretch("dxCol")
	bytes := v.lanes * 4
	k := newPicker(v, per)
	// Columns and rows of dx: [row][column][position].
	var sums [2][2][]VecVirtual
	for i := range sums {
		for j := range sums[i] {
			sums[i][j] = v.many(positions)
		}
	}
	for _, p := range []string{"dyRow", "dxRow", "dyUnit"} {
		SHLQ(Imm(2), inMemory(Param(p)))
	}
	rows := [2]*columns{newColumns(dyCol, positions+1), nil}
	below := *rows[0]
	below.bases = map[int]Register{}
	for _, b := range below.indexed {
		below.bases[b] = GP64()
	}
	rows[1] = &below
	last := v.zeroed() // the column on the right
	pw, count := GP64(), GP64()

	Label("unit")
	for _, row := range sums {
		for _, column := range row {
			v.clear(column)
		}
	}
	MOVQ(inMemory(Param("w").Base()), pw)
	MOVQ(inMemory(Param("dy").Base()), rows[0].bases[0])
	MOVQ(rows[0].bases[0], below.bases[0])
	ADDQ(inMemory(Param("dyRow")), below.bases[0])
	for _, row := range rows {
		row.reach()
	}
	channels := per
	if per == 0 {
		channels = wideStep
		MOVQ(inMemory(Param("channels")), count)
		Label("channel")
	}
	for c := range channels {
		for b, row := range rows {
			one := fmt.Sprintf("one%d", c)
			if b == 1 {
				CMPQ(inMemory(Param("rows")), Imm(1))
				JEQ(LabelRef(one))
			}
			all := make([]VecVirtual, positions+1)
			for j := range all {
				all[j] = v.register()
				beside := fmt.Sprintf("beside%d_%d", b, c)
				if j == positions {
					all[j] = last // zeros where it lies beside dy
					TESTQ(U32(rightEnd), inMemory(Param("ends")))
					JNZ(LabelRef(beside))
				}
				k.pick(c, row.at(j), all[j])
				if j == positions {
					Label(beside)
				}
			}
			for t, tap := range gradTaps {
				if tap.below != b {
					continue
				}
				r := v.register()
				VMOVUPS(Mem{Base: pw, Disp: (c*len(gradTaps) + t) * bytes}, r)
				for p, s := range sums[tap.row][tap.col] {
					VFMADD231PS(all[p+tap.right], r, s)
				}
			}
			if b == 1 {
				Label(one)
			}
		}
	}
	if per == 0 {
		ADDQ(U32(uint32(channels*len(gradTaps)*bytes)), pw)
		for _, row := range rows {
			row.advance(4 * wideStep)
		}
		SUBQ(Imm(wideStep), count)
		JNZ(LabelRef("channel"))
	}
	MOVQ(inMemory(Param("dx").Base()), count)
	for i, row := range sums {
		for p := range positions {
			for _, column := range row {
				VMOVUPS(column[p], Mem{Base: count})
				ADDQ(dxCol, count)
			}
		}
		if i == 0 {
			MOVQ(inMemory(Param("dx").Base()), count)
			ADDQ(inMemory(Param("dxRow")), count)
		}
	}
	// The next unit's filter elements follow this one's.
	if per == 0 {
		MOVQ(pw, inMemory(Param("w").Base()))
	} else {
		ADDQ(U32(uint32(len(gradTaps)*per*bytes)), inMemory(Param("w").Base()))
	}
	MOVQ(inMemory(Param("dyUnit")), count)
	ADDQ(count, inMemory(Param("dy").Base()))
	ADDQ(Imm(uint64(bytes)), inMemory(Param("dx").Base()))
	DECQ(inMemory(Param("units")))
	JNZ(LabelRef("unit"))
	VZEROUPPER()
	RET()
}
