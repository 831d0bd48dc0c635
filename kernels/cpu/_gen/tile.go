package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// inMemory is a scalar parameter, or the base or length of a slice, in memory.
func inMemory(c gotypes.Component) Mem {
	addr, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return addr.Addr
}

// stepsAhead is how many steps before they are used filter elements are asked for.
const stepsAhead = 6

// tile writes a tile: the sums of some positions × vectors stay in registers while the
// loop runs over the steps; a loop around it goes from positions to positions.
func tile(v vectors, positions, nv int, lanes bool) {
	kind, doc := "tile", "tileReference"
	if lanes {
		kind, doc = "lanes", "lanesReference"
	}
	name := fmt.Sprintf("%s%s_%dx%d", kind, v.name, positions, nv*v.lanes)
	TEXT(name, NOSPLIT, "func(w, x []float32, runs, at []int, y []float32, to []int, start []float32, last int, next []float32, step int, low float32)")
	Doc(fmt.Sprintf("%s is %s for %d positions and %d channels.", name, doc, positions, nv*v.lanes))
	Pragma("noescape")
	atNow, toNow, left, runs := AllocLocal(8), AllocLocal(8), AllocLocal(8), AllocLocal(8)
	idx, end, w, run := GP64(), GP64(), GP64(), GP64()
	ptr := make([]Register, positions)
	for p := range ptr {
		ptr[p] = GP64()
	}
	sums := v.grid(positions, nv)
	ws := v.many(nv)
	var odd []VecVirtual // sums of every second step
	if v.lanes == 16 && nv == 1 && !lanes {
		odd = v.many(positions)
	}
	MOVQ(inMemory(Param("at").Base()), idx)
	MOVQ(idx, atNow)
	MOVQ(inMemory(Param("to").Base()), idx)
	MOVQ(idx, toNow)
	MOVQ(inMemory(Param("at").Len()), idx)
	MOVQ(idx, left)
	var some Register // the last vector's lanes in use
	if v.lanes == 16 {
		some = firstLanes(Param("last"))
	}

	next, step := Load(Param("next").Base(), GP64()), Load(Param("step"), GP64())

	Label("positions")
	// Sums begin with start, or with zero if they are added to what y holds: adding up in
	// two levels keeps long sums accurate.
	CMPQ(inMemory(Param("start").Len()), Imm(0))
	JEQ(LabelRef("zero"))
	MOVQ(inMemory(Param("start").Base()), w)
	for i, r := range ws {
		VMOVUPS(Mem{Base: w, Disp: i * v.lanes * 4}, r)
		for p := range sums {
			VMOVAPS(r, sums[p][i])
		}
	}
	JMP(LabelRef("begin"))
	Label("zero")
	for p := range sums {
		v.clear(sums[p])
	}
	Label("begin")
	v.clear(odd)
	MOVQ(atNow, run)
	MOVQ(inMemory(Param("x").Base()), end)
	for p := range ptr {
		MOVQ(Mem{Base: run, Disp: 8 * p}, ptr[p])
		LEAQ(Mem{Base: end, Index: ptr[p], Scale: 4}, ptr[p])
	}
	// Outputs that are added to come nearer while the sums are made.
	if v.lanes == 16 {
		MOVQ(toNow, run)
		MOVQ(inMemory(Param("y").Base()), end)
		for p := range ptr {
			MOVQ(Mem{Base: run, Disp: 8 * p}, idx)
			for i := range nv {
				PREFETCHT0(Mem{Base: end, Index: idx, Scale: 4, Disp: i * v.lanes * 4})
			}
		}
	}
	MOVQ(inMemory(Param("runs").Base()), run)
	MOVQ(inMemory(Param("runs").Len()), idx)
	MOVQ(idx, runs)
	TESTQ(idx, idx)
	JZ(LabelRef("store"))
	Label("run")
	MOVQ(Mem{Base: run, Disp: 16}, idx)
	IMUL3Q(U32(uint32(nv*v.lanes*4)), idx, w)
	ADDQ(inMemory(Param("w").Base()), w)
	MOVQ(Mem{Base: run}, idx)
	MOVQ(Mem{Base: run, Disp: 8}, end)
	// One vector's sums are too few to wait for each other: two steps have sums of their own.
	// Which they are does not depend on where a run begins.
	if odd != nil {
		TESTB(Imm(1), Mem{Base: run, Disp: 16})
		LEAQ(Mem{Base: run, Disp: 24}, run)
		JZ(LabelRef("even"))
		VMOVUPS(Mem{Base: w}, ws[0])
		for p := range ptr {
			VFMADD231PS_BCST(Mem{Base: ptr[p], Index: idx, Scale: 4}, ws[0], odd[p])
		}
		ADDQ(Imm(uint64(4*v.lanes)), w)
		INCQ(idx)
		Label("even")
		DECQ(end)
		CMPQ(idx, end)
		JGE(LabelRef("rest"))
		Label("two")
		second := v.register()
		VMOVUPS(Mem{Base: w}, ws[0])
		VMOVUPS(Mem{Base: w, Disp: 4 * v.lanes}, second)
		PREFETCHT1(Mem{Base: next})
		LEAQ(Mem{Base: next, Index: step, Scale: 2}, next)
		for p := range ptr {
			VFMADD231PS_BCST(Mem{Base: ptr[p], Index: idx, Scale: 4}, ws[0], sums[p][0])
			VFMADD231PS_BCST(Mem{Base: ptr[p], Index: idx, Scale: 4, Disp: 4}, second, odd[p])
		}
		ADDQ(Imm(uint64(8*v.lanes)), w)
		ADDQ(Imm(2), idx)
		CMPQ(idx, end)
		JLT(LabelRef("two"))
		Label("rest")
		INCQ(end)
		CMPQ(idx, end)
		JGE(LabelRef("ran"))
	} else {
		ADDQ(Imm(24), run)
	}
	Label("step")
	for i, r := range ws {
		VMOVUPS(Mem{Base: w, Disp: i * v.lanes * 4}, r)
		if v.lanes == 16 && nv > 1 { // filter elements of long passes lie in the second-level cache
			PREFETCHT0(Mem{Base: w, Disp: (i + stepsAhead*nv) * v.lanes * 4})
		}
	}
	PREFETCHT1(Mem{Base: next})
	ADDQ(step, next)
	var one VecVirtual
	if !lanes {
		one = v.register()
	}
	for p := range ptr {
		from := Mem{Base: ptr[p], Index: idx, Scale: 4}
		switch {
		case lanes:
			VFMADD231PS(from, ws[0], sums[p][0])
			continue
		case v.lanes == 16 && nv == 1:
			VFMADD231PS_BCST(from, ws[0], sums[p][0])
			continue
		}
		VBROADCASTSS(from, one)
		for i, r := range ws {
			VFMADD231PS(one, r, sums[p][i])
		}
	}
	ADDQ(Imm(uint64(nv*v.lanes*4)), w)
	if lanes {
		ADDQ(Imm(uint64(v.lanes)), idx)
	} else {
		INCQ(idx)
	}
	CMPQ(idx, end)
	JLT(LabelRef("step"))
	Label("ran")
	SUBQ(Imm(3), runs)
	JNZ(LabelRef("run"))

	Label("store")
	for p := range odd {
		VADDPS(odd[p], sums[p][0], sums[p][0])
	}
	CMPQ(inMemory(Param("start").Len()), Imm(0))
	JNE(LabelRef("write"))
	// All of y is read before any of it is written: a position may come twice.
	MOVQ(toNow, run)
	MOVQ(inMemory(Param("y").Base()), end)
	var mask VecVirtual
	if v.lanes == 8 {
		mask = firstEights(Param("last"))
	}
	for p := range sums {
		MOVQ(Mem{Base: run, Disp: 8 * p}, idx)
		for i, s := range sums[p] {
			from := Mem{Base: end, Index: idx, Scale: 4, Disp: i * v.lanes * 4}
			switch {
			case i < nv-1:
				VADDPS(from, s, s)
				continue
			case v.lanes == 16:
				VADDPS(from, s, some, s)
				continue
			}
			held := v.register()
			VMASKMOVPS(from, mask, held)
			VADDPS(held, s, s)
		}
	}
	Label("write")
	// The maximum is its second operand where one is no number: NaN stays.
	VBROADCASTSS(inMemory(Param("low")), ws[0])
	MOVQ(toNow, run)
	MOVQ(inMemory(Param("y").Base()), end)
	for p := range sums {
		MOVQ(Mem{Base: run, Disp: 8 * p}, ptr[p])
		LEAQ(Mem{Base: end, Index: ptr[p], Scale: 4}, ptr[p])
		for i, s := range sums[p] {
			VMAXPS(s, ws[0], s)
			to := Mem{Base: ptr[p], Disp: i * v.lanes * 4}
			if i < nv-1 {
				VMOVUPS(s, to)
			} else if v.lanes == 16 {
				VMOVUPS(s, some, to)
			}
		}
	}
	if v.lanes == 8 {
		MOVQ(inMemory(Param("last")), idx)
		CMPQ(idx, Imm(8))
		JNE(LabelRef("part"))
		for p := range sums {
			VMOVUPS(sums[p][nv-1], Mem{Base: ptr[p], Disp: (nv - 1) * 32})
		}
	}
	Label("next")
	ADDQ(Imm(uint64(8*positions)), atNow)
	ADDQ(Imm(uint64(8*positions)), toNow)
	SUBQ(Imm(uint64(positions)), left)
	JNZ(LabelRef("positions"))
	VZEROUPPER()
	RET()
	if v.lanes == 16 {
		return
	}
	// The first of the last vector's lanes, four, two and one at a time.
	Label("part")
	for p := range sums {
		to, s := ptr[p], sums[p][nv-1]
		two, one := fmt.Sprintf("two%d", p), fmt.Sprintf("one%d", p)
		ADDQ(Imm(uint64((nv-1)*32)), to)
		TESTQ(U32(4), idx)
		JZ(LabelRef(two))
		VMOVUPS(s.AsX(), Mem{Base: to})
		VEXTRACTF128(Imm(1), s, s.AsX())
		ADDQ(Imm(16), to)
		Label(two)
		TESTQ(U32(2), idx)
		JZ(LabelRef(one))
		VMOVSD(s.AsX(), Mem{Base: to})
		VPERMILPS(Imm(0x0e), s.AsX(), s.AsX())
		ADDQ(Imm(8), to)
		Label(one)
		done := fmt.Sprintf("done%d", p)
		TESTQ(U32(1), idx)
		JZ(LabelRef(done))
		VMOVSS(s.AsX(), Mem{Base: to})
		Label(done)
	}
	JMP(LabelRef("next"))
}

// firstLanes returns a mask of as many of sixteen lanes as a parameter says.
func firstLanes(count gotypes.Component) Register {
	all, bits, k := GP32(), GP64(), K()
	MOVQ(inMemory(count), bits)
	MOVL(U32(0xffff), all)
	NEGQ(bits)
	ADDQ(Imm(16), bits)
	MOVQ(bits, RCX)
	SHRL(CL, all)
	KMOVW(all, k)
	return k
}

// firstEights returns a mask of as many of eight lanes as a parameter says.
func firstEights(count gotypes.Component) VecVirtual {
	at, n, mask := GP64(), GP64(), YMM()
	MOVQ(inMemory(count), n)
	LEAQ(NewDataAddr(NewStaticSymbol("laneMasks"), 0), at)
	SHLQ(Imm(2), n)
	SUBQ(n, at)
	VMOVUPS(Mem{Base: at, Disp: 32}, mask)
	return mask
}

// laneMasks are eight lanes that are let through and eight that are not.
func laneMasks() {
	GLOBL("laneMasks", RODATA|NOPTR)
	for i := range 16 {
		v := uint32(0)
		if i < 8 {
			v = 0xffffffff
		}
		DATA(4*i, U32(v))
	}
}
