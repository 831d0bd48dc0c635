package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Words of what a routine is told about pixels that it copies, behind a walk's first: see copying
// in kernels/cpu.
const (
	copyCount = walkFrom + 8 + 8*iota
	copyLines
	copyPixels
	copyRows
	copyImages
	copyPace
	copyAhead
	copyMask
	copyVectors
	copyCols
	copyImageRows
	copyToVector
	copyFromVector
	copyToPixel
	copyFromPixel
	copyToRow
	copyFromRow
	copyToImage
	copyFromImage
)

// copying is a routine's state of pixels that it copies, a vector at a time.
type copying struct {
	walk
	v     vectors
	count Register
	some  Register // mask of a vector's lanes
}

// newCopying begins a routine that copies.
func newCopying(v vectors) *copying {
	c := &copying{walk: newWalk("copies", copyLines), v: v, count: GP64()}
	MOVQ(c.word(copyCount), c.count)
	if v.lanes == 16 {
		c.some = K()
		KMOVW(c.word(copyMask), c.some)
	}
	return c
}

// line asks for the next line and copies the next vector, if it is its turn.
func (c *copying) line() {
	DECQ(c.count)
	JZ(LabelRef("copy"))
	Label("copied")
}

// lines writes what line jumps to: out of the way, for it is seldom its turn.
func (c *copying) lines() {
	Label("copy")
	MOVQ(c.word(copyPace), c.count)
	some, one := GP64(), c.v.register()
	MOVQ(inMemory(Param("next").Base()), some)
	PREFETCHT1(Mem{Base: some})
	PREFETCHT1(Mem{Base: some, Disp: 64})
	ADDQ(inMemory(Param("step")), some)
	MOVQ(some, inMemory(Param("next").Base()))
	TESTQ(c.left, c.left)
	JZ(LabelRef("copied"))
	MOVQ(c.word(copyAhead), some)
	PREFETCHT1(Mem{Base: c.from, Index: some, Scale: 1})
	if c.v.lanes == 16 {
		VMOVUPS_Z(Mem{Base: c.from}, c.some, one)
		VMOVUPS(one, c.some, Mem{Base: c.to})
	} else {
		VMOVUPS(Mem{Base: c.from}, one)
		VMOVUPS(one, Mem{Base: c.to})
	}
	ADDQ(c.word(copyFromVector), c.from)
	ADDQ(c.word(copyToVector), c.to)
	c.next("copied", copyVectors, level{copyPixels, copyCols, copyToPixel, copyFromPixel},
		level{copyRows, copyImageRows, copyToRow, copyFromRow}, level{left: copyImages, to: copyToImage, from: copyFromImage})
	JMP(LabelRef("copied"))
}

// leave writes the state back.
func (c *copying) leave() {
	c.walk.leave()
	MOVQ(c.count, c.word(copyCount))
}
