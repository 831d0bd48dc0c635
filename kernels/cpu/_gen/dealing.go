package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Words of what a routine is told about pixels that it deals: see dealing in kernels/cpu.
const (
	dealTo = 8 * iota
	dealFrom
	dealLines
	dealPixels
	dealRows
	dealVectors
	dealCols
	dealToVector
	dealToPixel
	dealFromPixel
	dealToRow
	dealFromRow
)

// dealAhead is how many bytes ahead a routine asks for what it deals: two pages, for processors
// fetch ahead by themselves within a page only, and what they do not a load would wait for.
const dealAhead = 8192

// dealing is a routine's state of pixels that it deals, a vector at a time.
type dealing struct {
	count                     int // of the places that deal
	v                         vectors
	words                     Register
	to, from, lines, toVector Register
	order                     VecVirtual // nil: lanes keep their order
}

func newDealing(v vectors, ordered bool) *dealing {
	d := &dealing{v: v, words: Load(Param("deal").Base(), GP64())}
	d.to, d.from = Load(Param("to").Base(), GP64()), Load(Param("from").Base(), GP64())
	ADDQ(Mem{Base: d.words, Disp: dealTo}, d.to)
	ADDQ(Mem{Base: d.words, Disp: dealFrom}, d.from)
	d.lines, d.toVector = GP64(), GP64()
	MOVQ(Mem{Base: d.words, Disp: dealLines}, d.lines)
	MOVQ(Mem{Base: d.words, Disp: dealToVector}, d.toVector)
	if ordered {
		d.order = v.register()
		VMOVDQU32(Mem{Base: Load(Param("order").Base(), GP64())}, d.order)
	}
	return d
}

// line deals the next vector, if there is one.
func (d *dealing) line() {
	dealt := fmt.Sprintf("dealt%d", d.count)
	d.count++
	TESTQ(d.lines, d.lines)
	JZ(LabelRef(dealt))
	one := d.v.register()
	PREFETCHT1(Mem{Base: d.from, Disp: dealAhead})
	if d.order != nil {
		VPERMPS(Mem{Base: d.from}, d.order, one)
	} else {
		VMOVUPS(Mem{Base: d.from}, one)
	}
	VMOVUPS(one, Mem{Base: d.to})
	ADDQ(Imm(uint64(4*d.v.lanes)), d.from)
	ADDQ(d.toVector, d.to)
	DECQ(d.lines)
	JNZ(LabelRef(dealt))
	word := func(at int) Mem { return Mem{Base: d.words, Disp: at} }
	MOVQ(word(dealVectors), d.lines)
	ADDQ(word(dealToPixel), d.to)
	ADDQ(word(dealFromPixel), d.from)
	DECQ(word(dealPixels))
	JNZ(LabelRef(dealt))
	ADDQ(word(dealToRow), d.to)
	ADDQ(word(dealFromRow), d.from)
	cols := GP64()
	MOVQ(word(dealCols), cols)
	MOVQ(cols, word(dealPixels))
	DECQ(word(dealRows))
	JNZ(LabelRef(dealt))
	XORQ(d.lines, d.lines)
	Label(dealt)
}

// leave writes the state back.
func (d *dealing) leave() {
	SUBQ(inMemory(Param("to").Base()), d.to)
	SUBQ(inMemory(Param("from").Base()), d.from)
	MOVQ(d.to, Mem{Base: d.words, Disp: dealTo})
	MOVQ(d.from, Mem{Base: d.words, Disp: dealFrom})
	MOVQ(d.lines, Mem{Base: d.words, Disp: dealLines})
}
