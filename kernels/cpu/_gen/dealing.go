package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Words of what a routine is told about pixels that it deals, behind a walk's first: see dealing
// in kernels/cpu.
const (
	dealLines = walkFrom + 8 + 8*iota
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
	walk
	v        vectors
	ahead    int // bytes; 0: what it deals was asked for
	toVector Register
	order    VecVirtual // nil: lanes keep their order
	places   int        // that deal
}

// newDealing begins a routine that deals in the order that is a parameter; "": lanes keep theirs.
func newDealing(v vectors, order string, ahead int) *dealing {
	d := &dealing{walk: newWalk("deal", dealLines), v: v, ahead: ahead, toVector: GP64()}
	MOVQ(d.word(dealToVector), d.toVector)
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
	TESTQ(d.left, d.left)
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
	ADDQ(d.word(dealFromVector), d.from)
	ADDQ(d.toVector, d.to)
	d.next(dealt, dealVectors, level{dealPixels, dealCols, dealToPixel, dealFromPixel}, level{left: dealRows, to: dealToRow, from: dealFromRow})
	Label(dealt)
}
