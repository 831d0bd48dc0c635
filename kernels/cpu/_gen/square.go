package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// square writes a squareTile: the loop over vectors of channels, of which it computes some
// neighbouring outputs of some rows of a depthwise 3×3 convolution. Each vector of the source is
// read once, or for each row of filters where registers are few; the first or the last column may
// lie beside it.
func square(v vectors, rows, outputs int) {
	const taps = 3
	name := fmt.Sprintf("square%s_%dx%d", v.name, rows, outputs)
	TEXT(name, NOSPLIT, "func(w, x []float32, xRow, xCol int, y []float32, yRow, yCol int, start []float32, units, ends int, low float32)")
	Doc(fmt.Sprintf("%s is squareReference for %d rows of %d outputs.", name, rows, outputs))
	Pragma("noescape")
	bytes := 4 * v.lanes
	xRow, xCol, yCol := stretch("xRow"), stretch("xCol"), stretch("yCol")
	SHLQ(Imm(2), inMemory(Param("yRow")))
	pw, x, y := Load(Param("w").Base(), GP64()), Load(Param("x").Base(), GP64()), Load(Param("y").Base(), GP64())
	start, ends := Load(Param("start").Base(), GP64()), Load(Param("ends"), GP64())
	three, five, p, q := GP64(), GP64(), GP64(), GP64()
	LEAQ(Mem{Base: xRow, Index: xRow, Scale: 2}, three)
	LEAQ(Mem{Base: xRow, Index: xRow, Scale: 4}, five)
	// x is where the first column would be.
	TESTQ(U32(leftEnd), ends)
	JZ(LabelRef("inside"))
	SUBQ(xCol, x)
	Label("inside")
	at := func(row int) Mem {
		m := Mem{Base: p}
		switch row {
		case 1, 2, 4:
			m.Index, m.Scale = xRow, uint8(row)
		case 3:
			m.Index, m.Scale = three, 1
		case 5:
			m.Index, m.Scale = five, 1
		}
		return m
	}
	sums, one := v.grid(rows, outputs), v.register()
	passes, ws := 1, v.grid(taps, taps) // over the columns; each takes some rows of filters
	if rows*outputs+taps*taps+1 > v.registers() {
		passes, ws = taps, v.grid(1, taps)
	}
	Label("unit")
	for i, row := range sums {
		for j, s := range row {
			if i+j == 0 {
				VMOVUPS(Mem{Base: start}, s)
			} else {
				VMOVAPS(sums[0][0], s)
			}
		}
	}
	width := outputs + taps - 1
	for pass := range passes {
		first := pass // row of filters
		for r, row := range ws {
			for s, w := range row {
				VMOVUPS(Mem{Base: pw, Disp: ((first+r)*taps + s) * bytes}, w)
			}
		}
		MOVQ(x, p)
		for j := range width {
			side := map[int]int{0: leftEnd, width - 1: rightEnd}[j]
			beside := fmt.Sprintf("beside%d_%d", side, pass)
			if side != 0 {
				TESTQ(U32(uint32(side)), ends)
				JNZ(LabelRef(beside))
			}
			for i := first; i < first+rows+len(ws)-1; i++ {
				VMOVUPS(at(i), one)
				for r, row := range ws {
					for s, w := range row {
						if i := i - first - r; i >= 0 && i < rows && j-s >= 0 && j-s < outputs {
							VFMADD231PS(one, w, sums[i][j-s])
						}
					}
				}
			}
			if side != 0 {
				Label(beside)
			}
			ADDQ(xCol, p)
		}
	}
	low := ws[0][0]
	VBROADCASTSS(inMemory(Param("low")), low)
	MOVQ(y, p)
	for _, row := range sums {
		MOVQ(p, q)
		for _, s := range row {
			VMAXPS(s, low, s) // the sum last: NaN stays
			VMOVUPS(s, Mem{Base: q})
			ADDQ(yCol, q)
		}
		ADDQ(inMemory(Param("yRow")), p)
	}
	for _, r := range []Op{x, y, start} {
		ADDQ(Imm(uint64(bytes)), r)
	}
	ADDQ(U32(uint32(taps*taps*bytes)), pw)
	DECQ(inMemory(Param("units")))
	JNZ(LabelRef("unit"))
	VZEROUPPER()
	RET()
}
