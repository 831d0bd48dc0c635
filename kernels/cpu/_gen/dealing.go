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
	dealFromVector
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
	v                         vectors
	ahead                     int // bytes; 0: what it deals was asked for
	words                     Register
	to, from, lines, toVector Register
	order                     VecVirtual // nil: lanes keep their order
	places                    int        // that deal
}

// newDealing begins a routine that deals in the order that is a parameter; "": lanes keep theirs.
func newDealing(v vectors, order string, ahead int) *dealing {
	d := &dealing{v: v, ahead: ahead, words: Load(Param("deal").Base(), GP64())}
	d.to, d.from = Load(Param("to").Base(), GP64()), Load(Param("from").Base(), GP64())
	ADDQ(Mem{Base: d.words, Disp: dealTo}, d.to)
	ADDQ(Mem{Base: d.words, Disp: dealFrom}, d.from)
	d.lines, d.toVector = GP64(), GP64()
	MOVQ(Mem{Base: d.words, Disp: dealLines}, d.lines)
	MOVQ(Mem{Base: d.words, Disp: dealToVector}, d.toVector)
	if order != "" {
		d.order = v.register()
		VMOVDQU32(Mem{Base: Load(Param(order).Base(), GP64())}, d.order)
	}
	return d
}

// line deals the next vector, if there is one.
func (d *dealing) line() {
	dealt := fmt.Sprintf("dealt%d", d.places)
	d.places++
	TESTQ(d.lines, d.lines)
	JZ(LabelRef(dealt))
	one := d.v.register()
	if d.ahead > 0 {
		PREFETCHT1(Mem{Base: d.from, Disp: d.ahead})
	}
	if d.order != nil {
		VPERMPS(Mem{Base: d.from}, d.order, one)
	} else {
		VMOVUPS(Mem{Base: d.from}, one)
	}
	VMOVUPS(one, Mem{Base: d.to})
	word := func(at int) Mem { return Mem{Base: d.words, Disp: at} }
	ADDQ(word(dealFromVector), d.from)
	ADDQ(d.toVector, d.to)
	DECQ(d.lines)
	JNZ(LabelRef(dealt))
	MOVQ(word(dealVectors), d.lines)
	ADDQ(word(dealToPixel), d.to)
	ADDQ(word(dealFromPixel), d.from)
	DECQ(word(dealPixels))
	JNZ(LabelRef(dealt))
	ADDQ(word(dealToRow), d.to)
	ADDQ(word(dealFromRow), d.from)
	MOVQ(word(dealCols), d.lines)
	MOVQ(d.lines, word(dealPixels))
	MOVQ(word(dealVectors), d.lines)
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
