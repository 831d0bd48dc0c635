package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// channels writes the loops over pixels whose channels have values of their own.
func channels() {
	shift := func(p *pixelLoop) VecVirtual {
		v := p.load("x")
		VADDPS(p.at("v"), v, v)
		return v
	}
	// The maximum is its second operand where one is no number.
	positive := func(p *pixelLoop, v VecVirtual) VecVirtual {
		VMAXPS(v, p.zero, v)
		return v
	}
	norm := func(p *pixelLoop) VecVirtual {
		v := p.load("x")
		VSUBPS(p.at("mean"), v, v)
		VMULPS(p.at("scale"), v, v)
		VADDPS(p.at("shift"), v, v)
		return v
	}
	streamed("shift", "y, x", "v", func(p *pixelLoop) { p.result("y", shift(p)) })
	streamed("shiftReLU", "y, x", "v", func(p *pixelLoop) { p.result("y", positive(p, shift(p))) })
	streamed("norm", "y, x", "mean, scale, shift", func(p *pixelLoop) { p.result("y", norm(p)) })
	streamed("normReLU", "y, x", "mean, scale, shift", func(p *pixelLoop) { p.result("y", positive(p, norm(p))) })
	normAdd := func(p *pixelLoop) VecVirtual {
		v := norm(p)
		VADDPS(p.at("z"), v, v)
		return v
	}
	streamed("normAdd", "y, x, z", "mean, scale, shift", func(p *pixelLoop) { p.result("y", normAdd(p)) })
	streamed("normAddReLU", "y, x, z", "mean, scale, shift", func(p *pixelLoop) { p.result("y", positive(p, normAdd(p))) })
	// normGrad of how far x is from its mean.
	normGrad := func(p *pixelLoop, v, g VecVirtual) {
		VMULPS(p.at("slope"), v, v)
		VSUBPS(p.at("shift"), g, g)
		VSUBPS(v, g, g)
		VMULPS(p.at("scale"), g, g)
		p.result("dx", g)
	}
	streamed("normGrad", "dx, x, dy", "mean, scale, shift, slope", func(p *pixelLoop) {
		v, g := p.load("x"), p.load("dy")
		VSUBPS(p.at("mean"), v, v)
		normGrad(p, v, g)
	})
	streamed("normReLUGrad", "dx, x, dy", "mean, scale, bias, shift, slope", func(p *pixelLoop) {
		v, g, y := p.load("x"), p.load("dy"), YMM()
		VSUBPS(p.at("mean"), v, v)
		VMULPS(p.at("scale"), v, y)
		VADDPS(p.at("bias"), y, y)
		VCMPPS(Imm(greater), p.zero, y, y)
		VANDPS(y, g, g)
		normGrad(p, v, g)
	})
	channelSums("addSums", "x", false, 4, func(s *sumLoop, row, half int, sum VecVirtual) {
		VADDPD(s.load("x", row, half), sum, sum)
	})
	channelSums("addSquares", "x", true, 4, func(s *sumLoop, row, half int, sum VecVirtual) {
		v := s.deviation("x", row, half)
		VFMADD231PD(v, v, sum)
	})
	channelSums("addProducts", "x, g", true, 4, func(s *sumLoop, row, half int, sum VecVirtual) {
		v, g := s.deviation("x", row, half), s.load("g", row, half)
		VFMADD231PD(g, v, sum)
	})
	sumLoops("addMoments", "to, squares", "x", "", 4, func(s *sumLoop, row int, sums [][2]VecVirtual) {
		for h := range 2 {
			v := s.load("x", row, h)
			VADDPD(v, sums[0][h], sums[0][h])
			VFMADD231PD(v, v, sums[1][h])
		}
	})
	grads := func(s *sumLoop, v, g VecVirtual, sums [][2]VecVirtual) {
		for h := range 2 {
			wide, of := s.double(g, h), s.double(v, h)
			VADDPD(wide, sums[0][h], sums[0][h])
			VFMADD231PD(wide, of, sums[1][h])
		}
	}
	sumLoops("addGrads", "to, products", "x, g", "mean", 3, func(s *sumLoop, row int, sums [][2]VecVirtual) {
		v, g := s.floats("x", row), s.floats("g", row)
		VSUBPS(s.value("mean"), v, v)
		grads(s, v, g, sums)
	})
	sumLoops("addGradsReLU", "to, products", "x, g", "mean, scale, shift", 2, func(s *sumLoop, row int, sums [][2]VecVirtual) {
		v, g, y, zero := s.floats("x", row), s.floats("g", row), YMM(), YMM()
		VSUBPS(s.value("mean"), v, v)
		VMULPS(s.value("scale"), v, y)
		VADDPS(s.value("shift"), y, y)
		VXORPS(zero, zero, zero)
		VCMPPS(Imm(greater), zero, y, y)
		VANDPS(y, g, g)
		grads(s, v, g, sums)
	})
}

// pixelLoop is a loop over pixels and, within, over their channels.
type pixelLoop struct {
	base    map[string]Register // of operands and of values per channel
	scalar  map[string]VecVirtual
	zero    VecVirtual
	index   Register
	results []pixelResult // of one vector
	copies  int           // of the body, for labels
}

type pixelResult struct {
	name string
	v    VecVirtual
}

func names(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ", ")
}

// overPixels writes a loop over pixels in which each operand has a pitch of its own.
func overPixels(name, operands, values string, body func(p *pixelLoop)) {
	pixelLoops(name, operands, values, ownPitches(operands), "", "", body)
}

// streamed writes a loop like overPixels, whose stores may pass the caches by.
func streamed(name, operands, values string, body func(p *pixelLoop)) {
	pixelLoops(name, operands, values, ownPitches(operands), "stream", "", body)
}

func ownPitches(operands string) map[string]string {
	pitches := map[string]string{}
	for _, n := range names(operands) {
		pitches[n] = n + "Pitch"
	}
	return pitches
}

// pixelLoops writes a loop; pitches name the parameter with each operand's step from pixel
// to pixel. Eight channels are done at a time. If some are left over, the last eight are
// computed too, before anything is written, and written after all others: the output may
// be an input.
func pixelLoops(name, operands, values string, pitches map[string]string, ints, scalars string, body func(p *pixelLoop)) {
	full := name + "AVX2"
	slices := operands
	if values != "" {
		slices += ", " + values
	}
	numbers, seen := "rows, width", map[string]bool{}
	for _, n := range names(operands) {
		if p := pitches[n]; !seen[p] {
			numbers += ", " + p
			seen[p] = true
		}
	}
	if ints != "" {
		numbers += ", " + ints
	}
	signature := "func(" + slices + " []float32, " + numbers + " int"
	if scalars != "" {
		signature += ", " + scalars + " float32"
	}
	TEXT(full, NOSPLIT, signature+")")
	doc := full + " is " + name + "Go for one row or more of eight elements or more."
	stream := ints == "stream"
	if stream {
		doc += " Where stream is not zero, the output's rows begin and end with cache lines and are not read back soon."
	}
	Doc(doc)
	Pragma("noescape")
	p := &pixelLoop{base: map[string]Register{}, scalar: map[string]VecVirtual{}, index: GP64()}
	for _, n := range names(slices) {
		p.base[n] = Load(Param(n).Base(), GP64())
	}
	for _, n := range names(scalars) {
		x, y := XMM(), YMM()
		Load(Param(n), x)
		VBROADCASTSS(x, y)
		p.scalar[n] = y
	}
	p.zero = YMM()
	VXORPS(p.zero, p.zero, p.zero)
	left, end, t := Load(Param("rows"), GP64()), Load(Param("width"), GP64()), GP64()
	Label("pixel")
	// Two copies of the rest: with channels left over, and without.
	TESTQ(U32(7), end)
	JZ(LabelRef("even"))
	LEAQ(Mem{Base: end, Disp: -8}, p.index)
	late := p.run(body)
	XORQ(p.index, p.index)
	SUBQ(Imm(8), end)
	Label("odd")
	p.store(p.run(body))
	ADDQ(Imm(8), p.index)
	CMPQ(p.index, end)
	JLT(LabelRef("odd"))
	MOVQ(end, p.index)
	p.store(late)
	ADDQ(Imm(8), end)
	JMP(LabelRef("advance"))
	Label("even")
	XORQ(p.index, p.index)
	if stream {
		CMPQ(inMemory(Param("stream")), Imm(0))
		JNE(LabelRef("stream"))
	}
	SUBQ(Imm(8), end)
	JZ(LabelRef("single"))
	Label("pair")
	p.prefetch(names(operands)) // the output's line too
	for range 2 {
		p.store(p.run(body))
		ADDQ(Imm(8), p.index)
	}
	CMPQ(p.index, end)
	JLT(LabelRef("pair"))
	JG(LabelRef("evened"))
	Label("single")
	p.store(p.run(body))
	Label("evened")
	ADDQ(Imm(8), end)
	if stream {
		JMP(LabelRef("advance"))
		Label("stream")
		p.prefetch(names(operands)[1:])
		for range 2 {
			for _, r := range p.run(body) {
				VMOVNTPS(r.v, p.at(r.name))
			}
			ADDQ(Imm(8), p.index)
		}
		CMPQ(p.index, end)
		JLT(LabelRef("stream"))
	}
	Label("advance")
	for _, n := range names(operands) {
		MOVQ(inMemory(Param(pitches[n])), t)
		LEAQ(Mem{Base: p.base[n], Index: t, Scale: 4}, p.base[n])
	}
	DECQ(left)
	JNZ(LabelRef("pixel"))
	if stream {
		CMPQ(inMemory(Param("stream")), Imm(0))
		JEQ(LabelRef("end"))
		SFENCE() // what follows may be read by other threads
		Label("end")
	}
	VZEROUPPER()
	RET()
}

// prefetch asks for the lines that come a little later.
func (p *pixelLoop) prefetch(operands []string) {
	for _, n := range operands {
		line := p.at(n)
		line.Disp = 512
		PREFETCHT0(line)
	}
}

// run writes the body once and returns its results.
func (p *pixelLoop) run(body func(*pixelLoop)) []pixelResult {
	p.results = nil
	p.copies++
	body(p)
	return p.results
}

func (p *pixelLoop) result(name string, v VecVirtual) {
	p.results = append(p.results, pixelResult{name, v})
}

func (p *pixelLoop) store(results []pixelResult) {
	for _, r := range results {
		VMOVUPS(r.v, p.at(r.name))
	}
}

func (p *pixelLoop) at(name string) Mem { return Mem{Base: p.base[name], Index: p.index, Scale: 4} }

func (p *pixelLoop) load(name string) VecVirtual {
	v := YMM()
	VMOVUPS(p.at(name), v)
	return v
}

// sumLoop adds up over pixels in double precision, each channel for itself.
type sumLoop struct {
	rows   map[string][]Register // of the pixels whose sums stay in registers
	mean   [2]VecVirtual         // of four channels
	masks  [2]VecVirtual         // of the last channels: four floats,
	wide   [2]VecVirtual         // four doubles
	whole  VecVirtual            // the mask of the last channels
	values map[string]Register   // of the channels
	masked bool                  // these are the last channels
	index  Register
}

// floats returns eight channels of a pixel.
func (s *sumLoop) floats(name string, row int) VecVirtual {
	v, at := YMM(), Mem{Base: s.rows[name][row], Index: s.index, Scale: 4}
	if s.masked {
		VMASKMOVPS(at, s.whole, v)
	} else {
		VMOVUPS(at, v)
	}
	return v
}

// value is what eight channels have of a value.
func (s *sumLoop) value(name string) Mem { return Mem{Base: s.values[name], Index: s.index, Scale: 4} }

// double returns half of eight floats in double precision.
func (s *sumLoop) double(v VecVirtual, half int) VecVirtual {
	w := YMM()
	if half == 0 {
		VCVTPS2PD(v.AsX(), w)
		return w
	}
	VEXTRACTF128(Imm(1), v, w.AsX())
	VCVTPS2PD(w.AsX(), w)
	return w
}

// load returns four channels of a pixel in double precision.
func (s *sumLoop) load(name string, row, half int) VecVirtual {
	v, at := YMM(), Mem{Base: s.rows[name][row], Index: s.index, Scale: 4, Disp: 16 * half}
	if s.masked {
		VMASKMOVPS(at, s.masks[half].AsX(), v.AsX())
		VCVTPS2PD(v.AsX(), v)
	} else {
		VCVTPS2PD(at, v)
	}
	return v
}

// deviation returns how far four channels of a pixel are from their mean.
func (s *sumLoop) deviation(name string, row, half int) VecVirtual {
	v := s.load(name, row, half)
	VSUBPD(s.mean[half], v, v)
	if s.masked {
		VANDPD(s.wide[half], v, v)
	}
	return v
}

// channelSums writes a loop that adds one sum of each channel, half of eight at a time.
func channelSums(name, operands string, mean bool, together int, body func(s *sumLoop, row, half int, sum VecVirtual)) {
	values := ""
	if mean {
		values = "mean"
	}
	sumLoops(name, "to", operands, values, together, func(s *sumLoop, row int, sums [][2]VecVirtual) {
		for h, sum := range sums[0] {
			body(s, row, h, sum)
		}
	})
}

// sumLoops writes a loop that adds so many pixels at a time to the totals.
func sumLoops(name, totals, operands, values string, together int, body func(s *sumLoop, row int, sums [][2]VecVirtual)) {
	full := name + "AVX2"
	floats, pitches := operands, ""
	if values != "" {
		floats += ", " + values
	}
	for _, n := range names(operands) {
		pitches += ", " + n + "Pitch"
	}
	TEXT(full, NOSPLIT, "func("+totals+" []float64, "+floats+" []float32, rows, width"+pitches+" int, mask []int32)")
	Doc(full + " is " + name + "Go. The mask lets through what is beyond the last eight elements of a row.")
	Pragma("noescape")
	s := &sumLoop{rows: map[string][]Register{}, values: map[string]Register{}, index: GP64()}
	var to []Register
	for _, n := range names(totals) {
		to = append(to, Load(Param(n).Base(), GP64()))
	}
	for _, n := range names(values) {
		s.values[n] = Load(Param(n).Base(), GP64())
	}
	one := len(to) == 1 // sums of doubles, with the mean in double precision
	for _, n := range names(operands) {
		s.rows[n] = []Register{Load(Param(n).Base(), GP64())}
		for range together - 1 {
			s.rows[n] = append(s.rows[n], GP64())
		}
	}
	t := Load(Param("mask").Base(), GP64())
	s.whole = YMM()
	VMOVUPS(Mem{Base: t}, s.whole)
	for h := range 2 {
		s.masks[h], s.wide[h], s.mean[h] = YMM(), YMM(), YMM()
		VMOVUPS(Mem{Base: t, Disp: 16 * h}, s.masks[h].AsX())
		VPMOVSXDQ(s.masks[h].AsX(), s.wide[h])
	}
	ahead := map[string]Register{}
	for _, n := range names(operands) {
		ahead[n] = GP64()
	}
	vector := func(count int) {
		// The pixels' rows are many short streams, which processors do not foresee. Ask for the
		// next ones, as if nothing lay between them.
		for _, n := range names(operands) {
			for line := 0; count > 1 && line < 32*count; line += 64 {
				PREFETCHT0(Mem{Base: ahead[n], Disp: line})
			}
			if count > 1 {
				ADDQ(U32(32*count), ahead[n])
			}
		}
		sums := make([][2]VecVirtual, len(to))
		for h := range 2 {
			if one && values != "" {
				VCVTPS2PD(Mem{Base: s.values["mean"], Index: s.index, Scale: 4, Disp: 16 * h}, s.mean[h])
			}
			for k := range to {
				sums[k][h] = YMM()
				VMOVUPD(Mem{Base: to[k], Index: s.index, Scale: 8, Disp: 32 * h}, sums[k][h])
			}
		}
		for r := range count {
			body(s, r, sums)
		}
		for k := range to {
			for h, sum := range sums[k] {
				VMOVUPD(sum, Mem{Base: to[k], Index: s.index, Scale: 8, Disp: 32 * h})
			}
		}
	}
	left, width := inMemory(Param("rows")), inMemory(Param("width"))
	pass := func(label string, count int) {
		Label(label)
		CMPQ(left, Imm(uint64(count)))
		JLT(LabelRef(label + "done"))
		for _, n := range names(operands) {
			MOVQ(inMemory(Param(n+"Pitch")), t)
			for r := 1; r < count; r++ {
				LEAQ(Mem{Base: s.rows[n][r-1], Index: t, Scale: 4}, s.rows[n][r])
			}
			LEAQ(Mem{Base: s.rows[n][count-1], Index: t, Scale: 4}, ahead[n])
		}
		XORQ(s.index, s.index)
		SUBQ(Imm(8), width)
		JLT(LabelRef(label + "rest"))
		Label(label + "next")
		s.masked = false
		vector(count)
		ADDQ(Imm(8), s.index)
		CMPQ(s.index, width)
		JLE(LabelRef(label + "next"))
		Label(label + "rest")
		ADDQ(Imm(8), width)
		CMPQ(s.index, width)
		JGE(LabelRef(label + "advance"))
		s.masked = true
		vector(count)
		Label(label + "advance")
		for _, n := range names(operands) {
			MOVQ(inMemory(Param(n+"Pitch")), t)
			LEAQ(Mem{Base: s.rows[n][count-1], Index: t, Scale: 4}, s.rows[n][0])
		}
		SUBQ(Imm(uint64(count)), left)
		JMP(LabelRef(label))
		Label(label + "done")
	}
	pass("many", together)
	pass("one", 1)
	VZEROUPPER()
	RET()
}
