package main

import (
	"fmt"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// windows writes the loops of pools: over the windows of a row, blocks of channels, and the
// rows and columns of a window.
func windows() {
	pixelLoops("scale", "y, x", "", map[string]string{"y": "yPitch", "x": "xPitch"}, "", "factor", func(p *pixelLoop) {
		v := p.load("x")
		VMULPS(p.scalar["factor"], v, v)
		p.result("y", v)
	})
	lowest, nan := map[int]VecVirtual{}, map[int]VecVirtual{}
	windowLoops("windowMax", "y", "x", "", "", false,
		func(w *windowLoop, nv int) {
			for i := range nv {
				lowest[i], nan[i] = YMM(), YMM()
				// Minus infinity, from bits: all ones, shifted.
				VPCMPEQD(lowest[i], lowest[i], lowest[i])
				VPSLLD(Imm(23), lowest[i], lowest[i])
				VXORPS(nan[i], nan[i], nan[i])
			}
		},
		func(w *windowLoop, i int) {
			v := YMM()
			VMOVUPS(w.tap("x", i), v)
			VMAXPS(v, lowest[i], lowest[i])
			VCMPPS(Imm(unordered), v, nan[i], nan[i]) // all bits, no number itself, from the first on
		},
		func(w *windowLoop, nv int) {
			for i := range nv {
				VORPS(nan[i], lowest[i], lowest[i])
				VMOVUPS(lowest[i], w.top("y", i))
			}
		})
	index := map[int]VecVirtual{}
	windowLoops("windowMaxIndex", "y, at", "x", "", "", false,
		func(w *windowLoop, nv int) {
			for i := range nv {
				lowest[i], nan[i], index[i] = YMM(), YMM(), YMM()
				VPCMPEQD(lowest[i], lowest[i], lowest[i])
				VPSLLD(Imm(23), lowest[i], lowest[i])
				VXORPS(nan[i], nan[i], nan[i])
				VMOVDQA(w.count, index[i])
			}
		},
		func(w *windowLoop, i int) {
			v, above := YMM(), YMM()
			VMOVUPS(w.tap("x", i), v)
			VCMPPS(Imm(greater), lowest[i], v, above)
			VANDPS(w.count, above, above)
			VPMAXSD(above, index[i], index[i]) // the count grows
			VMAXPS(v, lowest[i], lowest[i])
			VCMPPS(Imm(unordered), v, nan[i], nan[i]) // as in windowMax
		},
		func(w *windowLoop, nv int) {
			for i := range nv {
				VORPS(nan[i], lowest[i], lowest[i])
				VMOVUPS(lowest[i], w.top("y", i))
				low, high := index[i].AsX(), XMM()
				VEXTRACTI128(Imm(1), index[i], high)
				VPACKUSDW(high, low, low)
				VPACKUSWB(low, low, low)
				VMOVQ(low, w.top("at", i))
			}
		})
	sums := map[int]VecVirtual{}
	windowLoops("windowMean", "y", "x", "", "divisor", false,
		func(w *windowLoop, nv int) {
			for i := range nv {
				sums[i] = YMM()
				VXORPS(sums[i], sums[i], sums[i])
			}
		},
		func(w *windowLoop, i int) { VADDPS(w.tap("x", i), sums[i], sums[i]) },
		func(w *windowLoop, nv int) {
			for i := range nv {
				VDIVPS(w.scalar, sums[i], sums[i])
				VMOVUPS(sums[i], w.top("y", i))
			}
		})
	best, gradient, done := map[int]VecVirtual{}, map[int]VecVirtual{}, map[int]VecVirtual{}
	windowLoops("windowPick", "y, dy", "dx, x", "mask", "", true,
		func(w *windowLoop, nv int) {
			for i := range nv {
				best[i], gradient[i], done[i] = YMM(), YMM(), YMM()
				VMOVUPS(w.top("y", i), best[i])
				VMOVUPS(w.top("dy", i), gradient[i])
				if w.masked {
					VMOVAPS(w.mask, done[i])
				} else {
					VXORPS(done[i], done[i], done[i])
				}
			}
		},
		func(w *windowLoop, i int) {
			v := YMM()
			VCMPPS(Imm(equal), w.tap("x", i), best[i], v)
			VANDNPS(v, done[i], v)
			VORPS(v, done[i], done[i])
			VANDPS(gradient[i], v, v)
			VADDPS(w.tap("dx", i), v, v)
			VMOVUPS(v, w.tap("dx", i))
		}, nil)
	windowLoops("windowPickIndex", "dy, at", "dx", "mask", "", true,
		func(w *windowLoop, nv int) {
			for i := range nv {
				index[i], gradient[i] = YMM(), YMM()
				VPMOVZXBD(w.top("at", i), index[i])
				VMOVUPS(w.top("dy", i), gradient[i])
				if w.masked {
					VANDNPS(gradient[i], w.mask, gradient[i])
				}
			}
		},
		func(w *windowLoop, i int) {
			v := YMM()
			VPCMPEQD(index[i], w.count, v)
			VANDPS(gradient[i], v, v)
			VADDPS(w.tap("dx", i), v, v)
			VMOVUPS(v, w.tap("dx", i))
		}, nil)
	share := map[int]VecVirtual{}
	windowLoops("windowSpread", "dy", "dx", "mask", "divisor", true,
		func(w *windowLoop, nv int) {
			for i := range nv {
				share[i] = YMM()
				VMOVUPS(w.top("dy", i), share[i])
				VDIVPS(w.scalar, share[i], share[i])
				if w.masked {
					VANDNPS(share[i], w.mask, share[i])
				}
			}
		},
		func(w *windowLoop, i int) {
			v := YMM()
			VADDPS(w.tap("dx", i), share[i], v)
			VMOVUPS(v, w.tap("dx", i))
		}, nil)
}

// windowLoop is a loop over windows. Its operands are tops, with one pixel a window, and
// taps, with the window's pixels.
type windowLoop struct {
	base   map[string]Register // of the window's operands
	row    map[string]Register // of taps: where the row begins, at the block's first channel
	pixel  map[string]Register
	index  Register // the block's first channel
	scalar VecVirtual
	mask   VecVirtual
	masked bool
	count  VecVirtual // of the window's pixels so far, where an operand at, of bytes, has indices
}

func (w *windowLoop) top(name string, i int) Mem {
	if name == "at" {
		return Mem{Base: w.base[name], Index: w.index, Scale: 1, Disp: 8 * i}
	}
	return Mem{Base: w.base[name], Index: w.index, Scale: 4, Disp: 32 * i}
}

func (w *windowLoop) tap(name string, i int) Mem { return Mem{Base: w.pixel[name], Disp: 32 * i} }

// broadcast fills a vector with an int32 parameter.
func broadcast(param string, to VecVirtual) {
	word, x := GP32(), XMM()
	MOVL(inMemory(Param(param)), word)
	VMOVD(word, x)
	VPBROADCASTD(x, to)
}

// windowLoops writes one loop: begin before, tap at each of, end after a window's pixels.
// Of the channels that are left over, all of the last eight are computed: where exact is
// set the mask has those that were before.
func windowLoops(name, tops, taps, mask, scalar string, exact bool, begin func(*windowLoop, int), tap func(*windowLoop, int), end func(*windowLoop, int)) {
	full := name + "AVX2"
	order := taps + ", " + tops
	if !exact {
		order = tops + ", " + taps // the output is first
	}
	indexed := strings.HasSuffix(tops, "at")
	signature := "func(" + order + " []float32, windows, channels, rows, cols"
	if indexed {
		signature = "func(" + strings.ReplaceAll(order, ", at", "") + " []float32, at []uint8, windows, channels, rows, cols"
	}
	for _, n := range names(tops) {
		signature += fmt.Sprintf(", %sStep", n)
	}
	for _, n := range names(taps) {
		signature += fmt.Sprintf(", %[1]sStep, %[1]sRow, %[1]sCol", n)
	}
	signature += " int"
	if indexed {
		signature += ", first, skip int32"
	}
	if scalar != "" {
		signature += ", " + scalar + " float32"
	}
	if mask != "" {
		signature += ", " + mask + " []int32"
	}
	TEXT(full, NOSPLIT, signature+")")
	doc := full + " is " + name + "Go for one window or more of eight channels or more."
	if mask != "" {
		doc += " The mask has the first of the last eight channels that are in an eight before."
	}
	Doc(doc)
	Pragma("noescape")
	w := &windowLoop{base: map[string]Register{}, row: map[string]Register{}, pixel: map[string]Register{}, index: GP64()}
	for _, n := range names(order) {
		w.base[n] = Load(Param(n).Base(), GP64())
	}
	for _, n := range names(taps) {
		w.row[n], w.pixel[n] = GP64(), GP64()
	}
	if scalar != "" {
		x := XMM()
		w.scalar = YMM()
		Load(Param(scalar), x)
		VBROADCASTSS(x, w.scalar)
	}
	var one VecVirtual
	if indexed {
		w.count, one = YMM(), YMM()
		VPCMPEQD(one, one, one)
		VPSRLD(Imm(31), one, one)
	}
	if mask != "" {
		w.mask = YMM()
		VMOVUPS(Mem{Base: Load(Param(mask).Base(), GP64())}, w.mask)
	}
	channels, rows, cols, t := inMemory(Param("channels")), GP64(), GP64(), GP64()
	block := func(label string, nv int) {
		for _, n := range names(taps) {
			LEAQ(Mem{Base: w.base[n], Index: w.index, Scale: 4}, w.row[n])
		}
		if indexed {
			broadcast("first", w.count)
		}
		begin(w, nv)
		MOVQ(inMemory(Param("rows")), rows)
		Label(label + "row")
		for _, n := range names(taps) {
			MOVQ(w.row[n], w.pixel[n])
		}
		MOVQ(inMemory(Param("cols")), cols)
		Label(label + "col")
		for i := range nv {
			tap(w, i)
		}
		if indexed {
			VPADDD(one, w.count, w.count)
		}
		for _, n := range names(taps) {
			MOVQ(inMemory(Param(n+"Col")), t)
			LEAQ(Mem{Base: w.pixel[n], Index: t, Scale: 4}, w.pixel[n])
		}
		DECQ(cols)
		JNZ(LabelRef(label + "col"))
		if indexed {
			skip := YMM()
			broadcast("skip", skip)
			VPADDD(skip, w.count, w.count)
		}
		for _, n := range names(taps) {
			MOVQ(inMemory(Param(n+"Row")), t)
			LEAQ(Mem{Base: w.row[n], Index: t, Scale: 4}, w.row[n])
		}
		DECQ(rows)
		JNZ(LabelRef(label + "row"))
		if end != nil {
			end(w, nv)
		}
	}
	// many does blocks of nv vectors while there are channels for a whole one.
	many := func(label string, nv int) {
		Label(label)
		LEAQ(Mem{Base: w.index, Disp: 8 * nv}, t)
		CMPQ(t, channels)
		JGT(LabelRef(label + "done"))
		block(label, nv)
		ADDQ(Imm(uint64(8*nv)), w.index)
		JMP(LabelRef(label))
		Label(label + "done")
	}
	Label("window")
	XORQ(w.index, w.index)
	many("four", 4)
	many("one", 1)
	CMPQ(w.index, channels)
	JGE(LabelRef("advance"))
	MOVQ(channels, w.index)
	SUBQ(Imm(8), w.index)
	w.masked = exact
	block("last", 1)
	Label("advance")
	for _, n := range names(order) {
		MOVQ(inMemory(Param(n+"Step")), t)
		scale := uint8(4)
		if n == "at" {
			scale = 1
		}
		LEAQ(Mem{Base: w.base[n], Index: t, Scale: scale}, w.base[n])
	}
	DECQ(inMemory(Param("windows")))
	JNZ(LabelRef("window"))
	VZEROUPPER()
	RET()
}
