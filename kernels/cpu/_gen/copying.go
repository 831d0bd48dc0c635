package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Words of what a routine is told about pixels that it copies: see copying in kernels/cpu.
const (
	copyTo = 8 * iota
	copyFrom
	copyCount
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
	v                            vectors
	words, to, from, left, count Register
	some                         Register // mask of a vector's lanes
}

// newCopying begins a routine that copies.
func newCopying(v vectors) *copying {
	c := &copying{v: v, words: Load(Param("copies").Base(), GP64()), left: GP64(), count: GP64()}
	c.to, c.from = Load(Param("to").Base(), GP64()), Load(Param("from").Base(), GP64())
	ADDQ(c.word(copyTo), c.to)
	ADDQ(c.word(copyFrom), c.from)
	MOVQ(c.word(copyLines), c.left)
	MOVQ(c.word(copyCount), c.count)
	if v.lanes == 16 {
		c.some = K()
		KMOVW(c.word(copyMask), c.some)
	}
	return c
}

func (c *copying) word(at int) Mem { return Mem{Base: c.words, Disp: at} }

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
	DECQ(c.left)
	JNZ(LabelRef("copied"))
	MOVQ(c.word(copyVectors), c.left)
	again := func(left, all, to, from int) {
		ADDQ(c.word(to), c.to)
		ADDQ(c.word(from), c.from)
		DECQ(c.word(left))
		JNZ(LabelRef("copied"))
		if all > 0 {
			MOVQ(c.word(all), some)
			MOVQ(some, c.word(left))
		}
	}
	again(copyPixels, copyCols, copyToPixel, copyFromPixel)
	again(copyRows, copyImageRows, copyToRow, copyFromRow)
	again(copyImages, 0, copyToImage, copyFromImage)
	XORQ(c.left, c.left)
	JMP(LabelRef("copied"))
}

// leave writes the state back.
func (c *copying) leave() {
	SUBQ(inMemory(Param("to").Base()), c.to)
	SUBQ(inMemory(Param("from").Base()), c.from)
	MOVQ(c.to, c.word(copyTo))
	MOVQ(c.from, c.word(copyFrom))
	MOVQ(c.left, c.word(copyLines))
	MOVQ(c.count, c.word(copyCount))
}
