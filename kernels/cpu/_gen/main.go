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

// registers is how many there are.
func (v vectors) registers() int { return 2 * v.lanes }

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

// grid returns rows of n registers.
func (v vectors) grid(rows, n int) [][]VecVirtual {
	all := make([][]VecVirtual, rows)
	for i := range all {
		all[i] = v.many(n)
	}
	return all
}

func main() {
	ConstraintExpr("amd64,!purego")
	for _, t := range []struct {
		v                  vectors
		positions, vectors int
		lanes              bool
	}{{avx2, 8, 1, false}, {avx2, 6, 2, false}, {avx2, 4, 3, false}, {avx2, 8, 1, true}, {avx512, 8, 1, false}, {avx512, 8, 2, false}, {avx512, 8, 3, false}, {avx512, 8, 1, true}} {
		tile(t.v, t.positions, t.vectors, t.lanes)
	}
	for _, t := range []struct {
		v             vectors
		rows, vectors int
	}{{avx2, 12, 1}, {avx2, 6, 2}, {avx2, 4, 3}, {avx512, 12, 1}, {avx512, 12, 2}, {avx512, 8, 3}} {
		outer(t.v, t.rows, t.vectors)
	}
	for _, v := range []vectors{avx2, avx512} {
		narrow(v, 1, 1, 3, 3, 0)
		narrow(v, 1, 1, 1, 12, 0)
		narrow(v, 1, 1, 1, 4, 0)
		if v.lanes == 16 {
			narrow(v, 2, 2, 3, 3, 1)
			narrow(v, 2, 2, 3, 3, 0)
		}
		narrow(v, 2, 2, 1, 3, 0)
		if v.lanes == 16 {
			narrow(v, 4, 2, 3, 3, 1)
			narrow(v, 4, 2, 3, 3, 0)
		}
		narrow(v, 4, 4, 1, 3, 0)
		narrow(v, 8, v.lanes/2, 1, 3, 0)
	}
	narrow(avx512, 8, 8, 1, 3, 2)
	narrow(avx512, 16, 8, 1, 3, 0)
	deal(avx2, false)
	deal(avx512, false)
	deal(avx512, true)
	for _, t := range []struct {
		v      vectors
		mr, nr int
	}{{avx2, 4, 3}, {avx2, 1, 8}, {avx512, 5, 5}, {avx512, 4, 3}, {avx512, 1, 8}} {
		dot(t.v, t.mr, t.nr)
	}
	for _, v := range []vectors{avx2, avx512} {
		for _, per := range []int{1, 2, 4, 8} {
			for _, stride := range []int{1, 2} {
				for _, outputs := range directOutputs(v, per) {
					direct(v, per, stride, outputs, 1)
				}
			}
			directGrad(v, per, v.lanes/4)
		}
	}
	for _, stride := range []int{1, 2} {
		for _, outputs := range []int{7, 8, 14, 16} {
			direct(avx512, 0, stride, outputs, 1)
		}
		for _, outputs := range []int{7, 8} {
			direct(avx512, 0, stride, outputs, 2)
		}
	}
	for _, per := range []int{2, 4, 8} {
		for _, stride := range []int{1, 2} {
			for _, outputs := range []int{7, 8, 14} {
				dealtDirect(per, stride, outputs)
			}
		}
	}
	directGrad(avx512, 0, 4)
	square(avx2, 2, 4)
	square(avx512, 2, 4)
	square(avx512, 3, 7)
	for _, t := range []struct {
		v                vectors
		outputs, vectors int
	}{{avx2, 6, 2}, {avx2, 5, 2}, {avx2, 4, 3}, {avx512, 12, 2}, {avx512, 10, 2}, {avx512, 8, 3}, {avx512, 6, 4}} {
		planar(t.v, t.outputs, t.vectors)
	}
	laneMasks()
	rows()
	copies()
	grids()
	dropout()
	Generate()
}

// directOutputs are the outputs of the direct tiles of narrow groups: what registers hold,
// and what divides the rows of nets. More columns at a time are slower where a row comes from
// memory.
func directOutputs(v vectors, per int) []int {
	if v.lanes == 16 && per == 8 {
		return []int{7, 14}
	}
	return []int{7, 8}
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
	CMPQ(at, inMemory(Param("n")))
	JLT(LabelRef("next"))
	for _, group := range []struct {
		step string
		ps   []Register
	}{{"stepA", as}, {"stepB", bs}} {
		MOVQ(inMemory(Param(group.step)), at)
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
