// Command _gen writes the assembly of kernels/cpu: the inner loops of its vector tiers.
//
//	go run . -out ../micro_amd64.s -stubs ../micro_amd64.go -pkg cpu
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// vectors is an instruction set: how wide its registers are.
type vectors struct {
	name  string
	lanes int
}

var (
	avx2   = vectors{"AVX2", 8}
	avx512 = vectors{"AVX512", 16}
)

func (v vectors) register() VecVirtual {
	if v.lanes == 16 {
		return ZMM()
	}
	return YMM()
}

func (v vectors) zeroed() VecVirtual {
	r := v.register()
	if v.lanes == 16 {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
	return r
}

// many returns n registers.
func (v vectors) many(n int) []VecVirtual {
	rs := make([]VecVirtual, n)
	for i := range rs {
		rs[i] = v.register()
	}
	return rs
}

func main() {
	ConstraintExpr("amd64,!purego")
	for _, t := range []struct {
		v      vectors
		mr, nr int
	}{{avx2, 6, 16}, {avx2, 4, 24}, {avx2, 2, 32}, {avx2, 1, 64}, {avx512, 12, 32}, {avx512, 8, 48}, {avx512, 4, 64}, {avx512, 2, 64}, {avx512, 1, 128}} {
		tile(t.v, t.mr, t.nr)
	}
	for _, t := range []struct {
		v      vectors
		mr, nr int
	}{{avx2, 4, 3}, {avx2, 1, 8}, {avx512, 5, 5}, {avx512, 4, 3}, {avx512, 1, 8}} {
		dot(t.v, t.mr, t.nr)
	}
	rows()
	copies()
	Generate()
}

// tile writes a tile: mr×nr sums stay in registers while the loop runs over the products.
func tile(v vectors, mr, nr int) {
	name := fmt.Sprintf("tile%s_%dx%d", v.name, mr, nr)
	TEXT(name, NOSPLIT, "func(a, b []float32, off []int, c []float32, ldc int, add bool)")
	Doc(fmt.Sprintf("%s is tileReference for %d rows and %d columns.", name, mr, nr))
	Pragma("noescape")
	a, b := Load(Param("a").Base(), GP64()), Load(Param("b").Base(), GP64())
	off, n := Load(Param("off").Base(), GP64()), Load(Param("off").Len(), GP64())
	nv := nr / v.lanes
	sums := make([][]VecVirtual, mr)
	for i := range sums {
		for range nv {
			sums[i] = append(sums[i], v.zeroed())
		}
	}
	cols := v.many(nv)
	row := v.many(min(2, mr))
	at := GP64()
	TESTQ(n, n)
	JZ(LabelRef("store"))
	Label("next")
	MOVQ(Mem{Base: off}, at)
	column := func(j int) Mem { return Mem{Base: b, Index: at, Scale: 4, Disp: j * v.lanes * 4} }
	if mr > 1 {
		for j, r := range cols {
			VMOVUPS(column(j), r)
		}
	}
	for i := range mr {
		r := row[i%len(row)]
		VBROADCASTSS(Mem{Base: a, Disp: 4 * i}, r)
		for j := range nv {
			if mr > 1 {
				VFMADD231PS(cols[j], r, sums[i][j])
			} else {
				VFMADD231PS(column(j), r, sums[i][j])
			}
		}
	}
	ADDQ(Imm(uint64(4*mr)), a)
	ADDQ(Imm(8), off)
	DECQ(n)
	JNZ(LabelRef("next"))
	Label("store")
	c, ldc := Load(Param("c").Base(), GP64()), Load(Param("ldc"), GP64())
	add := Load(Param("add"), GP8())
	SHLQ(Imm(2), ldc)
	TESTB(add, add)
	JZ(LabelRef("write"))
	p := GP64()
	MOVQ(c, p)
	for i := range mr {
		for j := range nv {
			VADDPS(Mem{Base: p, Disp: j * v.lanes * 4}, sums[i][j], sums[i][j])
		}
		if i < mr-1 {
			ADDQ(ldc, p)
		}
	}
	Label("write")
	for i := range mr {
		for j := range nv {
			VMOVUPS(sums[i][j], Mem{Base: c, Disp: j * v.lanes * 4})
		}
		if i < mr-1 {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
}

// dot writes a dotTile: mr×nr sums of vectors stay in registers while the loops run over
// segments and their elements; at the end each is added up.
func dot(v vectors, mr, nr int) {
	name := fmt.Sprintf("dot%s_%dx%d", v.name, mr, nr)
	TEXT(name, NOSPLIT, "func(a []float32, offA []int, b []float32, offB []int, n, segments, stepA, stepB int, sums []float32)")
	Doc(fmt.Sprintf("%s is dotReference for %d and %d rows.", name, mr, nr))
	Pragma("noescape")
	pointers := func(base, offsets string, count int) []Register {
		ps := make([]Register, count)
		from, offs := Load(Param(base).Base(), GP64()), Load(Param(offsets).Base(), GP64())
		for i := range ps {
			ps[i] = GP64()
			MOVQ(Mem{Base: offs, Disp: 8 * i}, ps[i])
			LEAQ(Mem{Base: from, Index: ps[i], Scale: 4}, ps[i])
		}
		return ps
	}
	as, bs := pointers("a", "offA", mr), pointers("b", "offB", nr)
	sums := make([]VecVirtual, mr*nr)
	for i := range sums {
		sums[i] = v.zeroed()
	}
	cols, row := v.many(nr), v.register()
	segments, at := Load(Param("segments"), GP64()), GP64()
	parameter := func(name string) Op {
		addr, err := Param(name).Resolve()
		if err != nil {
			panic(err)
		}
		return addr.Addr
	}
	TESTQ(segments, segments)
	JZ(LabelRef("reduce"))
	Label("segment")
	XORQ(at, at)
	Label("next")
	element := func(p Register) Mem { return Mem{Base: p, Index: at, Scale: 4} }
	if mr > 1 {
		for j, p := range bs {
			VMOVUPS(element(p), cols[j])
		}
	}
	for i, p := range as {
		VMOVUPS(element(p), row)
		for j := range nr {
			if mr > 1 {
				VFMADD231PS(cols[j], row, sums[i*nr+j])
			} else {
				VFMADD231PS(element(bs[j]), row, sums[i*nr+j])
			}
		}
	}
	ADDQ(Imm(uint64(v.lanes)), at)
	CMPQ(at, parameter("n"))
	JLT(LabelRef("next"))
	for _, group := range []struct {
		step string
		ps   []Register
	}{{"stepA", as}, {"stepB", bs}} {
		MOVQ(parameter(group.step), at)
		for _, p := range group.ps {
			LEAQ(Mem{Base: p, Index: at, Scale: 4}, p)
		}
	}
	DECQ(segments)
	JNZ(LabelRef("segment"))
	Label("reduce")
	to := Load(Param("sums").Base(), GP64())
	for i, s := range sums {
		half := row // free by now
		if v.lanes == 16 {
			VEXTRACTF64X4(Imm(1), s, half.AsY())
			VADDPS(half.AsY(), s.AsY(), s.AsY())
			VEXTRACTF32X4(Imm(1), s.AsY(), half.AsX())
		} else {
			VEXTRACTF128(Imm(1), s, half.AsX())
		}
		VADDPS(half.AsX(), s.AsX(), s.AsX())
		VPERMILPS(Imm(0x4e), s.AsX(), half.AsX())
		VADDPS(half.AsX(), s.AsX(), s.AsX())
		VPERMILPS(Imm(0xb1), s.AsX(), half.AsX())
		VADDPS(half.AsX(), s.AsX(), s.AsX())
		VMOVSS(s.AsX(), Mem{Base: to, Disp: 4 * i})
	}
	VZEROUPPER()
	RET()
}
