package kerneltest

import (
	"fmt"
	"slices"

	"cleave/kernels"
	"cleave/layout"
)

// conv is the geometry of a convolution: k and c are those of one group.
type conv struct {
	n, groups, c, k  int
	size, kernel     [2]int
	stride, dilation [2]int
	pad              [4]int
}

// square returns a convolution with equal rows and columns.
func square(n, groups, c, k, size, kernel, stride, pad int) conv {
	return conv{n, groups, c, k, [2]int{size, size}, [2]int{kernel, kernel}, [2]int{stride, stride}, [2]int{1, 1}, [4]int{pad, pad, pad, pad}}
}

// convs are those that every backend is tried on: each a small relative of a layer that
// nets have, or of one that they could have.
func convs() []conv {
	all := []conv{
		square(2, 1, 3, 5, 23, 11, 4, 2),  // AlexNet's first
		square(2, 2, 7, 9, 13, 5, 1, 2),   // and its second, two groups
		square(2, 1, 70, 13, 7, 3, 1, 1),  // more products than one block sums
		square(1, 1, 5, 200, 6, 3, 1, 1),  // more filters than one block
		square(3, 2, 9, 11, 13, 3, 1, 1),  //
		square(2, 32, 4, 4, 9, 3, 1, 1),   // ResNeXt, 32×4
		square(2, 8, 4, 4, 10, 3, 2, 1),   // with stride
		square(2, 5, 3, 3, 7, 3, 1, 1),    // no multiple of 4
		square(1, 3, 16, 16, 14, 3, 1, 1), //
		square(3, 13, 1, 1, 7, 3, 1, 1),   // depthwise
		square(2, 16, 1, 1, 9, 3, 1, 1),   // depthwise, whole vectors
		square(2, 32, 1, 1, 4, 3, 1, 1),   // rows of four
		square(2, 13, 1, 1, 5, 1, 1, 0),   // without padding, parts of a vector
		square(2, 6, 2, 2, 5, 2, 1, 0),
		square(1, 16, 1, 1, 7, 3, 1, 0),  // without padding
		square(2, 4, 4, 4, 11, 3, 1, 1),  // groups of four, whole vectors
		square(1, 8, 4, 4, 8, 3, 1, 1),   // rows of eight
		square(2, 8, 2, 2, 10, 3, 1, 1),  // groups of two, whole vectors
		square(2, 3, 8, 8, 9, 3, 1, 1),   // groups of eight
		square(2, 16, 1, 1, 10, 3, 2, 1), // and with stride 2, even and odd
		square(1, 16, 1, 1, 9, 3, 2, 1),
		square(2, 8, 2, 2, 14, 3, 2, 1),
		square(2, 4, 4, 4, 15, 3, 2, 1),
		square(2, 2, 8, 8, 14, 3, 2, 1),
		square(1, 2, 8, 8, 15, 3, 2, 0),
		square(2, 7, 1, 1, 9, 5, 2, 2),    //
		square(5, 9, 4, 4, 7, 3, 1, 1),    // groups that fill no block of 32 channels, several samples in a row
		square(3, 40, 1, 1, 17, 5, 1, 2),  // depthwise with large filters
		square(3, 36, 1, 1, 9, 3, 2, 0),   // and stride without padding
		square(2, 10, 4, 4, 16, 3, 2, 0),  //
		square(3, 3, 16, 16, 15, 3, 2, 1), // wide for narrow groups
		square(2, 2, 32, 32, 7, 3, 1, 1),  //
		square(2, 2, 32, 32, 8, 3, 2, 1),  //
		square(1, 1, 32, 32, 9, 3, 2, 0),  //
		square(1, 3, 8, 8, 70, 3, 1, 1),   // rows of several tiles
		{3, 5, 8, 8, [2]int{33, 5}, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, [4]int{2, 2, 0, 1}},
		{1, 9, 4, 4, [2]int{5, 66}, [2]int{3, 3}, [2]int{2, 2}, [2]int{1, 1}, [4]int{3, 0, 1, 2}},
		square(2, 5, 1, 3, 6, 3, 1, 1),     // depthwise with a multiplier
		square(2, 1, 33, 17, 9, 1, 1, 0),   // 1×1
		square(1, 3, 10, 7, 33, 1, 1, 0),   //
		square(2, 1, 13, 7, 9, 1, 2, 0),    // shortcut
		square(1, 1, 2, 3, 61, 3, 1, 1),    // long rows
		square(1, 1, 1, 1, 1, 1, 1, 0),     //
		square(4, 1, 5, 3, 4, 4, 1, 0),     // the kernel covers the image
		square(2, 1, 3, 2, 5, 3, 3, 0),     // gaps and unread columns
		square(2, 1, 3, 4, 4, 3, 5, 1),     // stride beyond the kernel
		square(5, 1, 1100, 13, 1, 1, 1, 0), // linear
		square(67, 1, 37, 50, 1, 1, 1, 0),  //
		square(1, 1, 16, 1, 1, 1, 1, 0),    //
		square(7, 3, 21, 5, 1, 1, 1, 0),    // linear in groups
		square(2, 1, 3, 4, 1, 3, 1, 1),     // one position, padded
		square(70, 1, 3, 4, 5, 3, 1, 1),    // many samples
		{2, 1, 3, 4, [2]int{7, 13}, [2]int{3, 2}, [2]int{2, 1}, [2]int{1, 1}, [4]int{0, 1, 2, 3}},
		{2, 2, 3, 4, [2]int{13, 5}, [2]int{1, 5}, [2]int{1, 2}, [2]int{1, 1}, [4]int{0, 0, 3, 1}},
		{1, 2, 2, 3, [2]int{13, 11}, [2]int{3, 3}, [2]int{1, 2}, [2]int{2, 3}, [4]int{3, 0, 1, 4}},
		{1, 1, 2, 3, [2]int{3, 200}, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 1, 1, 1}},
		square(2, 5, 6, 12, 9, 5, 1, 2), // NIN's second in 16 groups
		square(1, 3, 12, 24, 9, 5, 1, 2),
		square(3, 3, 24, 24, 5, 3, 1, 1),  // and its third
		square(2, 3, 20, 9, 11, 1, 1, 0),  // ShuffleNet's 1×1 in three groups
		square(1, 3, 9, 20, 11, 1, 2, 0),  // with stride
		square(2, 11, 3, 6, 9, 3, 2, 1),   //
		square(3, 7, 2, 5, 10, 2, 1, 1),   // two taps in a row, odd channels
		square(1, 1, 4, 150, 5, 3, 1, 1),  // more filters than a block's threads have
		square(1, 2, 70, 10, 10, 3, 1, 1), // more channels than a block has at once
		{2, 4, 6, 10, [2]int{10, 21}, [2]int{3, 5}, [2]int{1, 2}, [2]int{2, 1}, [4]int{2, 1, 0, 3}},
		{1, 5, 10, 6, [2]int{12, 19}, [2]int{4, 3}, [2]int{2, 1}, [2]int{1, 3}, [4]int{1, 2, 4, 2}},
		{5, 3, 6, 7, [2]int{3, 13}, [2]int{3, 3}, [2]int{3, 3}, [2]int{2, 2}, [4]int{2, 2, 3, 2}}, // phases without taps
	}
	g := &generator{state: 3}
	for len(all) < 87 {
		c := conv{n: 1 + g.intn(4), groups: 1 + g.intn(4), c: 1 + g.intn(9), k: 1 + g.intn(9)}
		for a := range 2 {
			c.size[a], c.kernel[a], c.stride[a], c.dilation[a] = 1+g.intn(13), 1+g.intn(4), 1+g.intn(3), 1+g.intn(2)
			c.pad[2*a], c.pad[2*a+1] = g.intn(c.kernel[a]+1), g.intn(c.kernel[a]+1)
		}
		if o := c.out(); o[0] > 0 && o[1] > 0 {
			all = append(all, c)
		}
	}
	return all
}

func (c conv) out() [2]int {
	var o [2]int
	for a := range o {
		if room := c.size[a] + c.pad[2*a] + c.pad[2*a+1] - c.dilation[a]*(c.kernel[a]-1) - 1; room >= 0 {
			o[a] = room/c.stride[a] + 1
		}
	}
	return o
}

func convCases(code kernels.Code) []kase {
	var all []kase
	for i, v := range convs() {
		o := v.out()
		x := of(layout.Shape{v.n, v.groups * v.c, v.size[0], v.size[1]}, signed)
		w := of(layout.Shape{v.groups * v.k, v.c, v.kernel[0], v.kernel[1]}, signed)
		y := of(layout.Shape{v.n, v.groups * v.k, o[0], o[1]}, signed)
		w.use = kernels.Weights
		d := kernels.Desc{Groups: v.groups, Window: kernels.Window{Kernel: v.kernel, Stride: v.stride, Dilation: v.dilation, Pad: v.pad}}
		c := kase{name: fmt.Sprintf("%d:%v*%v/%d", i, x.shape, w.shape, v.groups), desc: d, roundings: 2}
		taps := v.kernel[0] * v.kernel[1]
		switch code {
		case kernels.ConvForward:
			c.out, c.in, c.terms = y, []operand{x, w}, v.c*taps
			if i%3 == 1 {
				c.desc.Epilogue.Bias = true
				c.in = append(c.in, vec(y.shape[1], signed))
			}
			c.desc.Epilogue.ReLU = i%4 == 1
			all = append(all, followed(c, y, i))
		case kernels.ConvDataGrad:
			c.out, c.in, c.terms = x, []operand{y, w}, v.k*taps
			all = append(all, preceded(c, x, i))
		default:
			w.use = kernels.Gradient
			c.out, c.in, c.terms = w, []operand{x, y}, v.n*o[0]*o[1]
		}
		all = append(all, c)
	}
	return all
}

// followed returns a convolution that batch norm follows, or what a residual block adds, or both.
// What is added is positive: what is left where summands cancel is their rounding.
func followed(c kase, y operand, i int) kase {
	e := kernels.Epilogue{Bias: c.desc.Epilogue.Bias, Norm: i%5 != 1, Add: i%2 == 1 || i%5 == 1, ReLU: i%3 != 0}
	c.name = fmt.Sprintf("norm=%v,add=%v,relu=%v/%s", e.Norm, e.Add, e.ReLU, c.name)
	c.desc.Epilogue, c.desc.Eps, c.roundings, c.only = e, 1e-5, c.roundings+6, 1+i%2
	c.in = slices.Clone(c.in)
	if e.Norm {
		k := y.shape[1]
		c.in = append(c.in, vec(k, constant(0.1)), vec(k, positive), vec(k, signed), vec(k, positive))
	}
	if e.Add {
		c.in = append(c.in, of(y.shape, positive))
	}
	return c
}

// preceded returns a data gradient to which a residual block's other branch adds, or before which
// lies a ReLU, or both.
func preceded(c kase, x operand, i int) kase {
	e := kernels.Epilogue{Add: i%3 != 0, ReLU: i%3 != 1}
	c.name = fmt.Sprintf("add=%v,relu=%v/%s", e.Add, e.ReLU, c.name)
	c.desc.Epilogue, c.roundings, c.only = e, c.roundings+1, 1+i%2
	c.in = slices.Clone(c.in)
	if e.Add {
		c.in = append(c.in, of(x.shape, positive))
	}
	if e.ReLU {
		c.in = append(c.in, of(x.shape, signed))
	}
	return c
}

// pools are windows with the rows and columns that they move over.
type pool struct {
	size   [2]int
	window kernels.Window
	ceil   bool
}

func pools() []pool {
	window := func(kernel, stride, pad int) kernels.Window {
		return kernels.Window{Kernel: [2]int{kernel, kernel}, Stride: [2]int{stride, stride}, Pad: [4]int{pad, pad, pad, pad}}
	}
	all := []pool{
		{[2]int{13, 13}, window(3, 2, 0), false}, // AlexNet: overlapping
		{[2]int{8, 8}, window(3, 2, 1), false},
		{[2]int{8, 7}, window(3, 2, 0), true}, // the last window ends beyond x
		{[2]int{7, 8}, window(2, 2, 0), true},
		{[2]int{6, 5}, window(3, 2, 1), true},
		{[2]int{5, 9}, window(3, 3, 1), true}, // and beyond its padding
		{[2]int{7, 7}, window(7, 7, 0), false},
		{[2]int{5, 4}, window(1, 2, 0), false},
		{[2]int{1, 1}, window(1, 1, 0), false},
		{[2]int{40, 33}, window(2, 2, 0), false},
		{[2]int{7, 5}, kernels.Window{Kernel: [2]int{3, 2}, Stride: [2]int{1, 2}, Pad: [4]int{1, 0, 0, 1}}, false},
		{[2]int{9, 11}, kernels.Window{Kernel: [2]int{4, 5}, Stride: [2]int{3, 2}, Pad: [4]int{0, 2, 2, 1}}, true},
	}
	return all
}

// out follows PyTorch: in ceil mode the last window must begin inside x or its padding
// before.
func (p pool) out() [2]int {
	var o [2]int
	for a := range o {
		room := p.size[a] + p.window.Pad[2*a] + p.window.Pad[2*a+1] - p.window.Kernel[a]
		o[a] = room/p.window.Stride[a] + 1
		if p.ceil && room%p.window.Stride[a] != 0 && o[a]*p.window.Stride[a] < p.size[a]+p.window.Pad[2*a] {
			o[a]++
		}
	}
	return o
}

func poolCases(code kernels.Code) []kase {
	var all []kase
	for i, p := range pools() {
		for j := range 4 {
			countPad, ch := j%2 == 1, []int{1, 3, 5, 13}[i%4]
			if j >= 2 {
				ch = 8 // whole vectors
			}
			if countPad && code != kernels.AvgPool && code != kernels.AvgPoolGrad {
				continue
			}
			n, o := 1+i%3, p.out()
			// A coarse x has ties, so the first maximum matters.
			x := of(layout.Shape{n, ch, p.size[0], p.size[1]}, coarse)
			y := of(layout.Shape{n, ch, o[0], o[1]}, signed)
			taps := p.window.Kernel[0] * p.window.Kernel[1]
			c := kase{name: fmt.Sprintf("%d:%v-%v/count=%v", i, x.shape, y.shape, countPad), desc: kernels.Desc{Window: p.window}, terms: taps, roundings: 2}
			c.desc.Window.CountPad = countPad
			switch code {
			case kernels.MaxPool:
				c.out, c.in, c.terms, c.roundings = y, []operand{x}, 1, 0
			case kernels.MaxPoolGrad:
				top := y
				top.fill = maxima(c.desc, x.shape, y.shape)
				c.out, c.in = x, []operand{x, top, y}
			case kernels.MaxPoolIndex:
				c.out, c.in, c.terms, c.roundings, c.mutates = y, []operand{x, indices(y.shape, constant(7))}, 1, 0, []int{1}
			case kernels.MaxPoolIndexGrad:
				c.out, c.in = x, []operand{y, indices(y.shape, inWindow(c.desc, x.shape, y.shape))}
			case kernels.AvgPool:
				c.out, c.in = y, []operand{x}
			default:
				c.out, c.in = x, []operand{y}
			}
			all = append(all, c)
		}
	}
	return all
}
