package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// dealtDirect writes a dealtTile: rows of some neighbouring outputs of a 3×3 convolution in
// groups of per channels, for one vector whose source was dealt to a panel.
func dealtDirect(per, stride, outputs int) {
	const taps, line = 3, 64
	v := avx512
	name := fmt.Sprintf("dealt%s_%dby%d_%d", v.name, per, stride, outputs)
	TEXT(name, NOSPLIT, "func(w, x []float32, rows, xRow int, y []float32, yRow, yCol int, order []int32, start []float32, low float32, next []float32, step int, to, from []float32, into []int32, deal []int)")
	Doc(fmt.Sprintf("%s is dealtReference for groups of %d channels with stride %d and %d outputs.", name, per, stride, outputs))
	Pragma("noescape")
	SHLQ(Imm(2), inMemory(Param("yRow")))
	xRow, yCol := stretch("xRow"), stretch("yCol")
	x, y := Load(Param("x").Base(), GP64()), Load(Param("y").Base(), GP64())
	next, step := Load(Param("next").Base(), GP64()), Load(Param("step"), GP64())
	pw, from, to, row := GP64(), GP64(), GP64(), GP64()
	order, begin, low, one := v.register(), v.register(), v.register(), v.register()
	VMOVDQU32(Mem{Base: Load(Param("order").Base(), GP64())}, order)
	VMOVUPS(Mem{Base: Load(Param("start").Base(), GP64())}, begin)
	VBROADCASTSS(inMemory(Param("low")), low)
	d := newDealing(v, "into", 0)
	sums, ws := v.many(outputs), v.many(taps)
	width := stride*(outputs-1) + taps
	turns := taps * per
	lines := (stride*stride*outputs*5/4 + turns - 1) / turns // of a source, with what lies beside it
	asked := ((stride*stride+1)*outputs + turns - 1) / turns
	Label("outputs")
	for _, s := range sums {
		VMOVAPS(begin, s)
	}
	MOVQ(inMemory(Param("w").Base()), pw)
	MOVQ(x, from)
	MOVQ(U32(taps), row)
	Label("row")
	for c := range per {
		for s, r := range ws {
			VMOVUPS(Mem{Base: pw, Disp: (c*taps + s) * line}, r)
		}
		for range asked {
			PREFETCHT1(Mem{Base: next})
			ADDQ(step, next)
		}
		for range lines {
			d.line()
		}
		for j := range width {
			dealt(v, per, c, Mem{Base: from, Disp: j * line}, one)
			for s, r := range ws {
				if i := j - s; i >= 0 && i%stride == 0 && i/stride < outputs {
					VFMADD231PS(one, r, sums[i/stride])
				}
			}
		}
	}
	ADDQ(U32(uint32(taps*per*line)), pw)
	ADDQ(xRow, from)
	DECQ(row)
	JNZ(LabelRef("row"))
	MOVQ(y, to)
	for _, s := range sums {
		VMAXPS(s, low, s) // the sum last: NaN stays
		VPERMPS(s, order, s)
		VMOVUPS(s, Mem{Base: to})
		ADDQ(yCol, to)
	}
	for range stride {
		ADDQ(xRow, x)
	}
	ADDQ(inMemory(Param("yRow")), y)
	DECQ(inMemory(Param("rows")))
	JNZ(LabelRef("outputs"))
	d.leave()
	VZEROUPPER()
	RET()
}
