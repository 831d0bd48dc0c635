package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// picks are the permutations that put channel c of each group of per channels into all
// lanes of the group.
var picks = map[int][]uint64{1: {0xe4}, 2: {0xa0, 0xf5}, 4: {0x00, 0x55, 0xaa, 0xff}}

// pick reads channel c of each group into all lanes of the group.
func pick(per, c int, from Mem, to VecVirtual) {
	switch per {
	case 1:
		VMOVUPS(from, to)
	case 8: // a vector is a group
		from.Disp += 4 * c
		VBROADCASTSS(from, to)
	default:
		VPERMILPS(Imm(picks[per][c]), from, to)
	}
}

// columns addresses columns that lie a distance apart, from few registers.
type columns struct {
	bases   map[int]Register // of some columns
	one     Register         // the distance
	three   Register         // thrice the distance
	indexed []int            // columns of the bases, ascending
}

func newColumns(one Register, bases ...int) *columns {
	c := &columns{bases: map[int]Register{}, one: one, three: GP64(), indexed: bases}
	LEAQ(Mem{Base: one, Index: one, Scale: 2}, c.three)
	for _, b := range bases {
		c.bases[b] = GP64()
	}
	return c
}

// reach sets the other bases from the first.
func (c *columns) reach() {
	last := c.bases[0]
	for i, b := range c.indexed[1:] {
		LEAQ(c.near(last, b-c.indexed[i]), c.bases[b])
		last = c.bases[b]
	}
}

func (c *columns) near(base Register, distance int) Mem {
	for _, scale := range []uint8{1, 2, 4, 8} {
		switch distance {
		case int(scale):
			return Mem{Base: base, Index: c.one, Scale: scale}
		case 3 * int(scale):
			return Mem{Base: base, Index: c.three, Scale: scale}
		}
	}
	panic(fmt.Sprintf("no address %d columns on", distance))
}

func (c *columns) at(j int) Mem {
	for _, b := range c.indexed {
		switch d := j - b; d {
		case 0:
			return Mem{Base: c.bases[b]}
		case 1, 2, 3, 4, 6, 8, 12:
			return c.near(c.bases[b], d)
		}
	}
	panic(fmt.Sprintf("no address of column %d", j))
}

// direct writes the loop over the channels of some neighbouring outputs of a 3×3
// convolution in groups of per channels. The columns of up to three rows of x are read for
// all of them. The first or the last column may lie beside x.
func direct(v vectors, per, stride, outputs int, left, right bool) {
	const taps = 3
	side := map[[2]bool]string{{false, false}: "Inner", {true, false}: "Left", {false, true}: "Right", {true, true}: "Both"}[[2]bool{left, right}]
	name := fmt.Sprintf("direct%s_%dby%d%s", v.name, per, stride, side)
	TEXT(name, NOSPLIT, "func(w, x []float32, rows, xRow, xCol int, y []float32, yRow, yCol int, start []float32, vectors int, low float32)")
	Doc(fmt.Sprintf("%s is directReference for %d lanes and %d outputs, in groups of %d channels with stride %d.", name, v.lanes, outputs, per, stride))
	Pragma("noescape")
	w, x, y := Load(Param("w").Base(), GP64()), Load(Param("x").Base(), GP64()), Load(Param("y").Base(), GP64())
	xCol, xRow, pw := stretch("xCol"), stretch("xRow"), GP64()
	rows := AllocLocal(8)
	width := stride*(outputs-1) + taps
	cols := newColumns(xCol, map[bool][]int{false: {0, 3}, true: {0, 3, 6, 7}}[width > 10]...)
	sums, ws := v.many(outputs), v.many(taps)
	bytes := v.lanes * 4
	skip := func(j int) bool { return left && j == 0 || right && j == width-1 }
	shift := 0 // the first column that is read is number shift
	if left {
		shift = 1
	}
	far, line := GP64(), GP64()
	Label("vector")
	// What the next row of outputs takes, where y's rows are known. A line has two vectors
	// of eight.
	CMPQ(inMemory(Param("yRow")), Imm(0))
	JEQ(LabelRef("begin"))
	if v.lanes == 8 {
		TESTQ(U32(1), inMemory(Param("vectors")))
		JNZ(LabelRef("begin"))
	}
	LEAQ(Mem{Base: x, Index: xRow, Scale: 2}, line)
	for range stride {
		ADDQ(xRow, line)
		MOVQ(line, far)
		for range stride * outputs {
			PREFETCHT1(Mem{Base: far})
			ADDQ(xCol, far)
		}
	}
	MOVQ(inMemory(Param("yRow")), line)
	LEAQ(Mem{Base: y, Index: line, Scale: 4}, far)
	MOVQ(inMemory(Param("yCol")), line)
	for range outputs {
		PREFETCHT1(Mem{Base: far})
		LEAQ(Mem{Base: far, Index: line, Scale: 4}, far)
	}
	Label("begin")
	MOVQ(inMemory(Param("start").Base()), pw)
	VMOVUPS(Mem{Base: pw}, sums[0])
	for _, s := range sums[1:] {
		VMOVAPS(sums[0], s)
	}
	ADDQ(Imm(uint64(bytes)), inMemory(Param("start").Base()))
	first := cols.bases[0]
	MOVQ(x, first)
	MOVQ(inMemory(Param("rows")), pw)
	MOVQ(pw, rows)
	MOVQ(w, pw)
	Label("row")
	cols.reach()
	for c := range per {
		for s, r := range ws {
			VMOVUPS(Mem{Base: pw, Disp: (s*per + c) * bytes}, r)
		}
		for j := range width {
			if skip(j) {
				continue
			}
			one := v.register()
			pick(per, c, cols.at(j-shift), one)
			for s, r := range ws {
				if i := j - s; i >= 0 && i%stride == 0 && i/stride < outputs {
					VFMADD231PS(one, r, sums[i/stride])
				}
			}
		}
	}
	ADDQ(xRow, first)
	ADDQ(U32(uint32(taps*per*bytes)), pw)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VBROADCASTSS(inMemory(Param("low")), ws[0])
	MOVQ(inMemory(Param("yCol")), line)
	MOVQ(y, pw)
	for _, s := range sums {
		VMAXPS(s, ws[0], s) // the sum last: NaN stays
		VMOVUPS(s, Mem{Base: pw})
		LEAQ(Mem{Base: pw, Index: line, Scale: 4}, pw)
	}
	ADDQ(U32(uint32(taps*taps*per*bytes)), w)
	ADDQ(Imm(uint64(bytes)), x)
	ADDQ(Imm(uint64(bytes)), y)
	DECQ(inMemory(Param("vectors")))
	JNZ(LabelRef("vector"))
	VZEROUPPER()
	RET()
}
