package choose

import "cleave/kernels"

// phase is a convolution, or a part of one, of which each output gathers: output i of an axis
// takes input i·stride − pad + a·dilation for each of its taps a, which is row or column first
// + a·step of the filter; it is position from + i·every of the result.
type phase struct {
	samples                     int
	size                        [2]int // outputs
	taps, stride, dilation, pad [2]int
	first, step                 [2]int
	from, every                 [2]int
}

// phases are those of a forward pass, which is one, or of a data gradient: the positions of x
// with equal remainders by the stride, each of which gathers with its share of the taps.
func (g *conv) phases() []phase {
	win := g.d.Window
	if g.d.Code != kernels.ConvDataGrad {
		return []phase{{
			samples: g.y.n[0], size: [2]int{g.y.n[2], g.y.n[3]}, taps: win.Kernel, stride: win.Stride, dilation: win.Dilation, pad: [2]int{win.Pad[0], win.Pad[2]},
			step: [2]int{1, 1}, every: [2]int{1, 1},
		}}
	}
	var all []phase
	for h := range win.Stride[0] {
		for w := range win.Stride[1] {
			f := phase{samples: g.x.n[0], stride: [2]int{1, 1}, from: [2]int{h, w}, every: win.Stride}
			for a := range 2 {
				f.turn(a, g.x.n[2+a], win)
			}
			if f.taps[0]*f.taps[1] == 0 {
				f.taps = [2]int{}
			}
			if f.size[0] > 0 && f.size[1] > 0 {
				all = append(all, f)
			}
		}
	}
	return all
}

// turn finds an axis of a data gradient's phase: x's position i takes dy's (i + pad −
// a·dilation)/stride where that is whole, the last tap first.
func (f *phase) turn(a, inputs int, win kernels.Window) {
	kernel, stride, dilation, shift := win.Kernel[a], win.Stride[a], win.Dilation[a], f.from[a]+win.Pad[2*a]
	f.size[a] = max(0, ceil(inputs-f.from[a], stride))
	every, first := 1, 0
	for every*dilation%stride != 0 {
		every++
	}
	for first < kernel && (shift-first*dilation)%stride != 0 {
		first++
	}
	f.taps[a] = ceil(kernel-first, every)
	last := first + (f.taps[a]-1)*every
	f.first[a], f.step[a] = last, -every
	f.dilation[a] = every * dilation / stride
	f.pad[a] = -(shift - last*dilation) / stride
}

// flattens reports whether pixels are independent: a convolution of single pixels may take
// all samples as one row of them.
func (g *conv) flattens() bool {
	win := g.d.Window
	return win.Kernel == [2]int{1, 1} && win.Stride == [2]int{1, 1} && win.Pad == [4]int{} && g.y.n[2] == g.x.n[2] && g.y.n[3] == g.x.n[3]
}

// flatPhase is the phase of such a convolution.
func (g *conv) flatPhase() phase {
	one := [2]int{1, 1}
	return phase{samples: 1, size: [2]int{1, g.y.pixels()}, taps: one, stride: one, dilation: one, step: one, every: one}
}

// flat is a dense view's pixels as one row.
func (v view) flat() view {
	v.n, v.st = [4]int{1, v.n[1], 1, v.pixels()}, [4]int{0, v.st[1], 0, v.n[1]}
	return v
}

// row is how many taps lie side by side, for which conv_pack has a kernel; or 0.
func (f *phase) row() int {
	switch s := f.taps[1]; {
	case s <= 1:
		return 1
	case f.stride[1] == 1 && f.dilation[1] == 1 && (s == 3 || s == 5):
		return s
	}
	return 0
}

// window is what kernels take of it: taps, strides, dilations and padding.
func (f *phase) window() []Arg {
	return nums(f.taps[0], f.taps[1], f.stride[0], f.stride[1], f.dilation[0], f.dilation[1], f.pad[0], f.pad[1])
}

// tapPhases is how many phases the taps of a row fall into: of those with equal remainders by
// the stride, which are side by side where the dilation is 1 (conv_pack.h).
func (f *phase) tapPhases() int {
	if f.row() == 0 && f.dilation[1] == 1 {
		return f.stride[1]
	}
	return 1
}

// pitch is the floats from row to row of so many columns.
func (f *phase) pitch(columns int) int {
	phases := 1
	if f.row() == 0 {
		phases = f.stride[1]
	}
	return oddQuads(phases * 4 * ceil(columns, 4*phases))
}

// reads is how often a lane reads a row of pixels for the taps of a row of one channel: four
// at a time where taps are side by side.
func (f *phase) reads() int {
	s := f.taps[1]
	if f.row() > 0 {
		return ceil(packPixels+s-1, 4)
	}
	if f.dilation[1] > 1 {
		return s * packPixels
	}
	n := 0
	for i := range min(s, f.stride[1]) {
		taps := ceil(s-i, f.stride[1])
		n += taps / 4 * 3
		if taps%4 > 0 {
			n += ceil(packPixels+taps%4-1, 4)
		}
	}
	return n
}
