package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// lrn writes the loops of local response normalisation.
func lrn() {
	overPixels("square", "y, x", "", func(p *pixelLoop) {
		v := p.load("x")
		VMULPS(v, v, v)
		p.result("y", v)
	})
	pixelLoops("lrnForward", "y, x, near", "", map[string]string{"y": "yPitch", "x": "xPitch", "near": "localPitch"}, "count", "k, alpha", func(p *pixelLoop) {
		d := p.scale()
		root := fourthRoot(d)
		VMULPS(p.at("x"), root, root)
		VDIVPS(d, root, root)
		p.result("y", root)
	})
	pitches := map[string]string{"power": "localPitch", "ratio": "localPitch", "x": "xPitch", "dy": "dyPitch", "near": "localPitch"}
	pixelLoops("lrnRatio", "power, ratio, x, dy, near", "", pitches, "count", "k, alpha", func(p *pixelLoop) {
		d := p.scale()
		root, one := fourthRoot(d), YMM()
		// One, from bits: all ones, shifted.
		VPCMPEQD(one, one, one)
		VPSLLD(Imm(25), one, one)
		VPSRLD(Imm(2), one, one)
		VDIVPS(d, one, d)
		VMULPS(d, root, root)
		p.result("power", root)
		VMULPS(root, d, d)
		VMULPS(p.at("dy"), d, d)
		VMULPS(p.at("x"), d, d)
		p.result("ratio", d)
	})
	pitches = map[string]string{"dx": "dxPitch", "x": "xPitch", "dy": "dyPitch", "power": "localPitch", "ratio": "localPitch"}
	pixelLoops("lrnGrad", "dx, x, dy, power, ratio", "", pitches, "count", "slope", func(p *pixelLoop) {
		s := p.window("ratio")
		VMULPS(p.at("x"), s, s)
		VMULPS(p.scalar["slope"], s, s)
		v := p.load("dy")
		VMULPS(p.at("power"), v, v)
		VSUBPS(s, v, v)
		p.result("dx", v)
	})
}

// window adds up count neighbours of each of eight channels.
func (p *pixelLoop) window(name string) VecVirtual {
	s, at, left := YMM(), GP64(), GP64()
	label := fmt.Sprintf("neighbour%d", p.copies)
	VMOVUPS(p.at(name), s)
	LEAQ(p.at(name), at)
	MOVQ(inMemory(Param("count")), left)
	JMP(LabelRef(label + "test"))
	Label(label)
	ADDQ(Imm(4), at)
	VADDPS(Mem{Base: at}, s, s)
	Label(label + "test")
	DECQ(left)
	JNZ(LabelRef(label))
	return s
}

// scale returns K + Alpha·Σx².
func (p *pixelLoop) scale() VecVirtual {
	d := p.window("near")
	VMULPS(p.scalar["alpha"], d, d)
	VADDPS(p.scalar["k"], d, d)
	return d
}

func fourthRoot(d VecVirtual) VecVirtual {
	root := YMM()
	VSQRTPS(d, root)
	VSQRTPS(root, root)
	return root
}
