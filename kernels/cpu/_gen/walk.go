package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// walk is a routine's state of pixels that it takes to a panel a vector at a time, in the order in
// which they lie. Its words are a parameter; those from which to begin come first.
type walk struct {
	words, to, from Register
	left            Register // vectors of the pixel; 0: there are none
	leftWord        int
}

const (
	walkTo = 8 * iota
	walkFrom
)

// level is how pixels, rows or images follow each other: the words for how many are left, how many
// there are and how far the next lies from where the last ends.
type level struct{ left, all, to, from int }

func newWalk(words string, left int) walk {
	w := walk{words: Load(Param(words).Base(), GP64()), leftWord: left}
	w.to, w.from = Load(Param("to").Base(), GP64()), Load(Param("from").Base(), GP64())
	ADDQ(w.word(walkTo), w.to)
	ADDQ(w.word(walkFrom), w.from)
	w.left = GP64()
	MOVQ(w.word(left), w.left)
	return w
}

func (w *walk) word(at int) Mem { return Mem{Base: w.words, Disp: at} }

// next goes on after a vector, from level to level where the last one of the level below is taken,
// and to done but after the very last.
func (w *walk) next(done string, vectors int, levels ...level) {
	DECQ(w.left)
	JNZ(LabelRef(done))
	MOVQ(w.word(vectors), w.left)
	for i, l := range levels {
		ADDQ(w.word(l.to), w.to)
		ADDQ(w.word(l.from), w.from)
		DECQ(w.word(l.left))
		JNZ(LabelRef(done))
		if i < len(levels)-1 {
			MOVQ(w.word(l.all), w.left)
			MOVQ(w.left, w.word(l.left))
			MOVQ(w.word(vectors), w.left)
		}
	}
	XORQ(w.left, w.left)
}

// leave writes the state back.
func (w *walk) leave() {
	SUBQ(inMemory(Param("to").Base()), w.to)
	SUBQ(inMemory(Param("from").Base()), w.from)
	MOVQ(w.to, w.word(walkTo))
	MOVQ(w.from, w.word(walkFrom))
	MOVQ(w.left, w.word(w.leftWord))
}
