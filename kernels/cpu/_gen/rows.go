package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// rows writes the element-wise loops. Eight lanes are enough: they wait for memory, or for
// the divider.
func rows() {
	row("relu", "y, x []float32", "", func(r *rowLoop) {
		// The maximum is its second operand where one is no number.
		v := r.load("x")
		VMAXPS(v, r.zero, v) // x last: NaN stays
		r.store(v, "y")
	})
	row("reluGrad", "dx, y, dy []float32", "", func(r *rowLoop) {
		v, g := r.load("y"), r.load("dy")
		VCMPPS(Imm(greater), r.zero, v, v)
		VANDPS(g, v, v)
		r.store(v, "dx")
	})
	row("add", "y, a, b []float32", "", func(r *rowLoop) {
		v := r.load("a")
		VADDPS(r.at("b"), v, v)
		r.store(v, "y")
	})
	row("addReLU", "y, a, b []float32", "", func(r *rowLoop) {
		v := r.load("a")
		VADDPS(r.at("b"), v, v)
		VMAXPS(v, r.zero, v)
		r.store(v, "y")
	})
	row("maximum", "y, a, b []float32", "", func(r *rowLoop) {
		a, v, nan := r.load("a"), YMM(), YMM()
		VMAXPS(r.at("b"), a, v) // b where one is no number
		VCMPPS(Imm(unordered), a, a, nan)
		VBLENDVPS(nan, a, v, v)
		r.store(v, "y")
	})
	row("sgd", "to, w, m, g []float32", "mu, decay, rate", func(r *rowLoop) {
		w, m, t := r.load("w"), r.load("m"), YMM()
		VMULPS(r.scalar["mu"], m, m)
		VADDPS(r.at("g"), m, m)
		VMULPS(r.scalar["decay"], w, t)
		VADDPS(t, m, m)
		r.store(m, "m")
		VMULPS(r.scalar["rate"], m, m)
		VSUBPS(m, w, w)
		r.store(w, "to")
	})
	total("squares", "x []float32, mean float64", func(t *totals, sum VecVirtual, half int) {
		v := t.wide("x", half)
		VSUBPD(t.mean, v, v)
		VFMADD231PD(v, v, sum)
	})
	channels()
	windows()
	lrn()
}

// Predicates of VCMPPS.
const (
	equal     = 0x00
	unordered = 0x03
	greater   = 0x1e // the first operand of Go's order is the second compared
)

// rowLoop is a loop over the elements of rows of one length.
type rowLoop struct {
	base   map[string]Register
	scalar map[string]VecVirtual
	zero   VecVirtual
	index  Register
}

// row writes one loop. The length is the first slice's, a multiple of eight.
func row(name, slices, scalars string, body func(r *rowLoop)) {
	full := name + "AVX2"
	signature := "func(" + slices
	if scalars != "" {
		signature += ", " + scalars + " float32"
	}
	TEXT(full, NOSPLIT, signature+")")
	Doc(full + " is " + name + "Go for lengths that are a multiple of eight, not zero.")
	Pragma("noescape")
	r := &rowLoop{base: map[string]Register{}, scalar: map[string]VecVirtual{}, index: GP64()}
	names, _ := fields(slices)
	for _, n := range names {
		r.base[n] = Load(Param(n).Base(), GP64())
	}
	scalarNames, _ := fields(scalars)
	for _, n := range scalarNames {
		x, y := XMM(), YMM()
		Load(Param(n), x)
		VBROADCASTSS(x, y)
		r.scalar[n] = y
	}
	r.zero = YMM()
	VXORPS(r.zero, r.zero, r.zero)
	length := GP64()
	Load(Param(names[0]).Len(), length)
	XORQ(r.index, r.index)
	Label("next")
	body(r)
	ADDQ(Imm(8), r.index)
	CMPQ(r.index, length)
	JLT(LabelRef("next"))
	VZEROUPPER()
	RET()
}

func (r *rowLoop) at(name string) Mem { return Mem{Base: r.base[name], Index: r.index, Scale: 4} }

func (r *rowLoop) load(name string) VecVirtual {
	v := YMM()
	VMOVUPS(r.at(name), v)
	return v
}

func (r *rowLoop) store(v VecVirtual, name string) { VMOVUPS(v, r.at(name)) }

// totals is a loop that adds up in double precision.
type totals struct {
	rowLoop
	mean VecVirtual
}

// total writes one loop: sixteen elements at a time into four vectors of four sums.
func total(name, parameters string, body func(t *totals, sum VecVirtual, half int)) {
	full := name + "AVX2"
	TEXT(full, NOSPLIT, "func("+parameters+") float64")
	Doc(full + " is " + name + "Go, in another order, for lengths that are a multiple of sixteen, not zero.")
	Pragma("noescape")
	t := &totals{rowLoop: rowLoop{base: map[string]Register{}, index: GP64()}}
	names, more := fields(parameters)
	for _, n := range names {
		t.base[n] = Load(Param(n).Base(), GP64())
	}
	if more {
		x, y := XMM(), YMM()
		Load(Param("mean"), x)
		VBROADCASTSD(x, y)
		t.mean = y
	}
	sums := make([]VecVirtual, 4)
	for i := range sums {
		sums[i] = YMM()
		VXORPD(sums[i], sums[i], sums[i])
	}
	length := GP64()
	Load(Param(names[0]).Len(), length)
	XORQ(t.index, t.index)
	Label("next")
	for i, s := range sums {
		body(t, s, i)
	}
	ADDQ(Imm(16), t.index)
	CMPQ(t.index, length)
	JLT(LabelRef("next"))
	VADDPD(sums[1], sums[0], sums[0])
	VADDPD(sums[3], sums[2], sums[2])
	VADDPD(sums[2], sums[0], sums[0])
	high := YMM()
	VEXTRACTF128(Imm(1), sums[0], high.AsX())
	VADDPD(high.AsX(), sums[0].AsX(), sums[0].AsX())
	VPERMILPD(Imm(1), sums[0].AsX(), high.AsX())
	VADDSD(high.AsX(), sums[0].AsX(), sums[0].AsX())
	VZEROUPPER()
	Store(sums[0].AsX(), ReturnIndex(0))
	RET()
}

// wide returns four of a row's elements in double precision.
func (t *totals) wide(name string, part int) VecVirtual {
	v, m := YMM(), t.at(name)
	m.Disp = 16 * part
	VCVTPS2PD(m, v)
	return v
}

// fields splits the parameters of a signature: the names of slices or scalars, and whether
// integers follow.
func fields(s string) (names []string, ints bool) {
	name := ""
	for i := 0; i <= len(s); i++ {
		switch {
		case i == len(s) || s[i] == ',':
			if name != "" {
				names = append(names, name)
			}
			name = ""
		case s[i] == ' ' && name == "":
		case s[i] == ' ': // a type follows
			names = append(names, name)
			return names, len(s) > i+len(" []float32")
		default:
			name += string(s[i])
		}
	}
	return names, false
}
