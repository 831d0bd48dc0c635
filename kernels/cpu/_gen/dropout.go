package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dropout writes the random numbers of dropout and their use.
func dropout() {
	philox()
	drop()
}

// fourfold makes a constant of four times v in memory.
func fourfold(name string, v uint64) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i := range 4 {
		DATA(8*i, U64(v))
	}
	return m
}

// philox writes the generator (random.Block) for two vectors of four counters. A word is
// the low half of a lane, where VPMULUDQ looks for its factors; the high halves hold what
// products leave there.
func philox() {
	TEXT("philoxAVX2", NOSPLIT, "func(bits []uint32, blocks []uint64, key, stream uint64)")
	Doc("philoxAVX2 is philoxGo for bits that are not empty.")
	Pragma("noescape")
	to, left := Load(Param("bits").Base(), GP64()), Load(Param("bits").Len(), GP64())
	blocks := Load(Param("blocks").Base(), GP64())
	everywhere := func(name string, v VecVirtual) {
		addr, err := Param(name).Resolve()
		if err != nil {
			panic(err)
		}
		VPBROADCASTQ(addr.Addr, v)
	}
	one, weyl := fourfold("philoxOne", 1), fourfold("philoxWeyl", 0xBB67AE85<<32|0x9E3779B9)
	mul0, mul1 := YMM(), YMM()
	VMOVDQU(fourfold("philoxMul0", 0xD2511F53), mul0)
	VMOVDQU(fourfold("philoxMul1", 0xCD9E8D57), mul1)
	// Counters 0, 1, 4, 5 and 2, 3, 6, 7: at the end the lower halves of both are eight words
	// in order.
	var counters [2]VecVirtual
	first := YMM()
	VMOVDQU(Mem{Base: blocks}, first)
	for i, half := range []uint64{0x20, 0x31} {
		counters[i] = YMM()
		VPERM2I128(Imm(half), Mem{Base: blocks, Disp: 32}, first, counters[i])
	}
	k0, k1 := YMM(), YMM()
	var c0, c1, c2, c3 [2]VecVirtual // c0 and c2 are factors
	for i := range 2 {
		c0[i], c1[i], c2[i], c3[i] = YMM(), YMM(), YMM(), YMM()
	}
	Label("next")
	everywhere("key", k0)
	for i, c := range counters {
		VMOVDQA(c, c0[i])
		VPSRLQ(Imm(32), c, c1[i])
		everywhere("stream", c2[i])
		VPSRLQ(Imm(32), c2[i], c3[i])
		VPADDQ(one, c, c)
	}
	for range 10 {
		VPSRLQ(Imm(32), k0, k1)
		for i := range 2 {
			VPXOR(k0, c1[i], c1[i])
			VPXOR(k1, c3[i], c3[i])
			VPMULUDQ(mul0, c0[i], c0[i])
			VPMULUDQ(mul1, c2[i], c2[i])
			t := YMM()
			VPSRLQ(Imm(32), c2[i], t)
			VPXOR(c1[i], t, c1[i]) // the next c0
			VPSRLQ(Imm(32), c0[i], t)
			VPXOR(c3[i], t, c3[i]) // the next c2
			c0[i], c1[i], c2[i], c3[i] = c1[i], c2[i], c3[i], c0[i]
		}
		VPADDD(weyl, k0, k0)
	}
	for w, c := range [][2]VecVirtual{c0, c1, c2, c3} {
		v := YMM()
		VSHUFPS(Imm(0x88), c[1], c[0], v)
		VMOVUPS(v, Mem{Base: to, Disp: 32 * w})
	}
	ADDQ(Imm(128), to)
	SUBQ(Imm(32), left)
	JG(LabelRef("next"))
	VZEROUPPER()
	RET()
}

// drop writes the loop that uses eight numbers in each row.
func drop() {
	TEXT("dropAVX2", NOSPLIT, "func(y, x []float32, bits []uint32, rows, yStep, xStep int, below uint32, scale float32)")
	Doc("dropAVX2 is dropGo for rows that are not zero.")
	Pragma("noescape")
	y, x, bits := Load(Param("y").Base(), GP64()), Load(Param("x").Base(), GP64()), Load(Param("bits").Base(), GP64())
	rows, yStep, xStep := Load(Param("rows"), GP64()), bytes("yStep"), bytes("xStep")
	below, scale, x0 := YMM(), YMM(), XMM()
	VBROADCASTSS(Load(Param("scale"), x0), scale)
	VMOVD(Load(Param("below"), GP32()), x0)
	VPBROADCASTD(x0, below)
	Label("next")
	b, v := YMM(), YMM()
	VMOVUPS(Mem{Base: x}, v)
	VMULPS(scale, v, v)
	VPMAXUD(Mem{Base: bits}, below, b)
	VPCMPEQD(below, b, b) // where it becomes zero
	VANDNPS(v, b, v)
	VMOVUPS(v, Mem{Base: y})
	ADDQ(Imm(32), bits)
	ADDQ(xStep, x)
	ADDQ(yStep, y)
	DECQ(rows)
	JNZ(LabelRef("next"))
	VZEROUPPER()
	RET()
}
