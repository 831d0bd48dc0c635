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

// picker reads channels of groups of per channels, or of one group if per is 0.
type picker struct {
	v    vectors
	per  int
	high Register // the mask of the second group, where a vector has two
}

func newPicker(v vectors, per int) *picker {
	k := &picker{v: v, per: per}
	if per == 8 && v.lanes == 16 {
		bits := GP32()
		k.high = K()
		MOVL(U32(0xff00), bits)
		KMOVW(bits, k.high)
	}
	return k
}

// pick reads channel c of each group into all lanes of the group.
func (k *picker) pick(c int, from Mem, to VecVirtual) {
	switch {
	case k.per == 1:
		VMOVUPS(from, to)
	case k.per > 0 && k.per < 8:
		VPERMILPS(Imm(picks[k.per][c]), from, to)
	default:
		from.Disp += 4 * c
		VBROADCASTSS(from, to)
		if k.high != nil { // no instruction that permutes as cheaply picks from both
			from.Disp += 32
			VBROADCASTSS(from, k.high, to)
		}
	}
}

// columns addresses columns that lie a distance apart, from few registers.
type columns struct {
	bases   map[int]Register // of some columns
	one     Register         // the distance
	three   Register         // thrice the distance
	indexed []int            // columns of the bases, ascending
}

// newColumns addresses so many columns.
func newColumns(one Register, count int) *columns {
	c := &columns{bases: map[int]Register{}, one: one, three: GP64(), indexed: []int{0}}
	LEAQ(Mem{Base: one, Index: one, Scale: 2}, c.three)
	for j := range count {
		if _, ok := c.find(j); ok {
			continue
		}
		for b := j; ; b-- { // the last column that has an address and from which j has one
			if _, ok := c.find(b); !ok {
				continue
			}
			if _, ok := c.near(b, j); ok {
				c.indexed = append(c.indexed, b)
				break
			}
		}
	}
	for _, b := range c.indexed {
		c.bases[b] = GP64()
	}
	return c
}

// reach sets the other bases from the first.
func (c *columns) reach() {
	for _, b := range c.indexed[1:] {
		LEAQ(c.before(b), c.bases[b])
	}
}

// before addresses column j from the bases in front of it.
func (c *columns) before(j int) Mem {
	for _, b := range c.indexed {
		if m, ok := c.near(b, j); ok && b < j {
			return m
		}
	}
	panic(fmt.Sprintf("no address of column %d", j))
}

// near addresses column j from base b, if it can.
func (c *columns) near(b, j int) (Mem, bool) {
	if j == b {
		return Mem{Base: c.bases[b]}, true
	}
	for _, scale := range []uint8{1, 2, 4, 8} {
		switch j - b {
		case int(scale):
			return Mem{Base: c.bases[b], Index: c.one, Scale: scale}, true
		case 3 * int(scale):
			return Mem{Base: c.bases[b], Index: c.three, Scale: scale}, true
		}
	}
	return Mem{}, false
}

func (c *columns) find(j int) (Mem, bool) {
	for _, b := range c.indexed {
		if m, ok := c.near(b, j); ok {
			return m, true
		}
	}
	return Mem{}, false
}

func (c *columns) at(j int) Mem {
	m, ok := c.find(j)
	if !ok {
		panic(fmt.Sprintf("no address of column %d", j))
	}
	return m
}

// advance moves all columns.
func (c *columns) advance(bytes int) {
	for _, b := range c.indexed {
		ADDQ(Imm(uint64(bytes)), c.bases[b])
	}
}

const wideStep = 4 // channels of one group that a loop's body takes

// direct writes a directTile: the loop over units, vectors of narrow groups or some vectors
// of one group, of which it computes some neighbouring outputs of a row of a 3×3
// convolution. The columns of up to three rows of x are read for all of them; the first or
// the last may lie beside x.
func direct(v vectors, per, stride, outputs, nv int) {
	const taps = 3
	name, doc := fmt.Sprintf("direct%s_%dby%d_%d", v.name, per, stride, outputs), fmt.Sprintf("groups of %d channels", per)
	if per == 0 {
		name, doc = fmt.Sprintf("directWide%s_%dby%d_%d", v.name, nv*v.lanes, stride, outputs), fmt.Sprintf("%d channels of a group", nv*v.lanes)
	}
	TEXT(name, NOSPLIT, "func(w, x []float32, rows, xRow, xCol, xUnit, channels int, y []float32, yRow, yCol int, start []float32, units, ends int, low float32)")
	Doc(fmt.Sprintf("%s is directReference for %d lanes, %d outputs and %s with stride %d.", name, v.lanes, outputs, doc, stride))
	Pragma("noescape")
	rows, unit := AllocLocal(8), AllocLocal(8)
	xCol := stretch("xCol")
	width := stride*(outputs-1) + taps
	cols := newColumns(xCol, width)
	first, pw, count, t := cols.bases[0], GP64(), GP64(), GP64()
	k := newPicker(v, per)
	sums := v.grid(outputs, nv)
	ws := v.grid(taps, nv)
	bytes := nv * v.lanes * 4
	// The floats of xUnit, xRow and yCol become bytes; a unit's filter elements, too.
	for _, p := range []string{"xUnit", "xRow", "yCol", "yRow"} {
		SHLQ(Imm(2), inMemory(Param(p)))
	}
	if per == 0 {
		MOVQ(inMemory(Param("channels")), t)
		IMUL3Q(U32(uint32(taps*taps*bytes)), t, t)
	} else {
		MOVQ(U32(uint32(taps*taps*per*bytes)), t)
	}
	MOVQ(t, unit)
	// x is where the first column would be.
	TESTQ(U32(leftEnd), inMemory(Param("ends")))
	JZ(LabelRef("inside"))
	SUBQ(xCol, inMemory(Param("x").Base()))

	Label("inside")
	ahead := newAhead(v, per, stride, outputs, nv, xCol)
	Label("unit")
	MOVQ(inMemory(Param("start").Base()), pw)
	for j := range nv {
		VMOVUPS(Mem{Base: pw, Disp: j * v.lanes * 4}, sums[0][j])
		for _, s := range sums[1:] {
			VMOVAPS(sums[0][j], s[j])
		}
	}
	ADDQ(U32(uint32(bytes)), inMemory(Param("start").Base()))
	MOVQ(inMemory(Param("rows")), pw)
	MOVQ(pw, rows)
	ahead.begin()
	MOVQ(inMemory(Param("x").Base()), t)
	MOVQ(inMemory(Param("w").Base()), pw)

	Label("row")
	MOVQ(t, first)
	cols.reach()
	channels := per
	if per == 0 {
		channels = wideStep
		MOVQ(inMemory(Param("channels")), count)
		Label("channel")
	}
	for c := range channels {
		ahead.ask(c)
		for s := range taps {
			for j, r := range ws[s] {
				VMOVUPS(Mem{Base: pw, Disp: ((c*taps+s)*nv + j) * v.lanes * 4}, r)
			}
		}
		for j := range width {
			side := map[int]int{0: leftEnd, width - 1: rightEnd}[j]
			beside := fmt.Sprintf("beside%d_%d", side, c)
			if side != 0 {
				TESTQ(U32(uint32(side)), inMemory(Param("ends")))
				JNZ(LabelRef(beside))
			}
			one := v.register()
			k.pick(c, cols.at(j), one)
			for s := range taps {
				if i := j - s; i >= 0 && i%stride == 0 && i/stride < outputs {
					for n, r := range ws[s] {
						VFMADD231PS(one, r, sums[i/stride][n])
					}
				}
			}
			if side != 0 {
				Label(beside)
			}
		}
	}
	ADDQ(U32(uint32(taps*channels*bytes)), pw)
	if per == 0 {
		cols.advance(4 * wideStep)
		SUBQ(Imm(wideStep), count)
		JNZ(LabelRef("channel"))
	}
	ADDQ(inMemory(Param("xRow")), t)
	DECQ(rows)
	JNZ(LabelRef("row"))

	VBROADCASTSS(inMemory(Param("low")), ws[0][0])
	MOVQ(inMemory(Param("yCol")), t)
	MOVQ(inMemory(Param("y").Base()), pw)
	for _, s := range sums {
		for j, r := range s {
			VMAXPS(r, ws[0][0], r) // the sum last: NaN stays
			VMOVUPS(r, Mem{Base: pw, Disp: j * v.lanes * 4})
		}
		ADDQ(t, pw)
	}
	ADDQ(U32(uint32(bytes)), inMemory(Param("y").Base()))
	MOVQ(unit, t)
	ADDQ(t, inMemory(Param("w").Base()))
	MOVQ(inMemory(Param("xUnit")), t)
	ADDQ(t, inMemory(Param("x").Base()))
	if v.lanes == 8 { // a line has two vectors
		XORQ(Imm(1), ahead.off)
	}
	DECQ(inMemory(Param("units")))
	JNZ(LabelRef("unit"))
	VZEROUPPER()
	RET()
}

// ahead asks the caches for what the next row of outputs takes, where y's rows are known:
// some lines with each channel of the source, because loads wait for lines that come from
// memory if they are many.
type ahead struct {
	x, y, xCol Register
	off        Mem // not zero: asks for nothing; bit 0 changes with each unit of half a line
	nx, ny     int // columns of x and outputs of y at a time
	lines      int // of an output
}

func newAhead(v vectors, per, stride, outputs, nv int, xCol Register) *ahead {
	if per == 0 {
		per = 16
	}
	share := func(n int) int { return (n + 3*per - 1) / (3 * per) }
	a := &ahead{x: GP64(), y: GP64(), xCol: xCol, off: AllocLocal(8), nx: share(stride * stride * outputs), ny: share(outputs), lines: (nv*v.lanes + 15) / 16}
	MOVQ(U32(2), a.off)
	CMPQ(inMemory(Param("yRow")), Imm(0))
	JEQ(LabelRef("unit"))
	MOVQ(U32(0), a.off)
	return a
}

// begin puts the pointers to the next row.
func (a *ahead) begin() {
	MOVQ(inMemory(Param("xRow")), a.y)
	MOVQ(inMemory(Param("x").Base()), a.x)
	LEAQ(Mem{Base: a.x, Index: a.y, Scale: 2}, a.x)
	ADDQ(a.y, a.x)
	MOVQ(inMemory(Param("y").Base()), a.y)
	ADDQ(inMemory(Param("yRow")), a.y)
}

// ask asks for some lines; number tells this call from others of a routine.
func (a *ahead) ask(number int) {
	done := fmt.Sprintf("asked%d", number)
	CMPQ(a.off, Imm(0))
	JNE(LabelRef(done))
	for range a.nx {
		PREFETCHT1(Mem{Base: a.x})
		ADDQ(a.xCol, a.x)
	}
	for range a.ny {
		for j := range a.lines {
			PREFETCHT1(Mem{Base: a.y, Disp: 64 * j})
		}
		ADDQ(inMemory(Param("yCol")), a.y)
	}
	Label(done)
}

// The ends of a row that lie beside x.
const (
	leftEnd  = 1
	rightEnd = 2
)
