package kerneltest

import (
	"fmt"
	"math"

	"cleave/kernels"
	"cleave/layout"
)

// lrnCases try windows that are clipped by the box and boxes that lie within x's.
func lrnCases(code kernels.Code) []kase {
	var all []kase
	for i, s := range []struct {
		channels      int
		size          [2]int
		window        int
		out, grad     layout.Span // channels of x
		k, alpha, bet float64
	}{
		{13, [2]int{5, 7}, 5, layout.Span{Lo: 0, Hi: 13}, layout.Span{Lo: 0, Hi: 13}, 2, 1e-4, 0.75},
		{13, [2]int{5, 7}, 5, layout.Span{Lo: 4, Hi: 9}, layout.Span{Lo: 2, Hi: 11}, 2, 0.3, 0.75},
		{9, [2]int{3, 1}, 5, layout.Span{Lo: 4, Hi: 9}, layout.Span{Lo: 2, Hi: 9}, 1, 0.5, 0.75},
		{9, [2]int{1, 1}, 3, layout.Span{Lo: 0, Hi: 5}, layout.Span{Lo: 0, Hi: 6}, 1, 0.5, 0.6},
		{7, [2]int{13, 13}, 1, layout.Span{Lo: 1, Hi: 6}, layout.Span{Lo: 1, Hi: 6}, 1, 1, 0.5},
		{3, [2]int{27, 13}, 7, layout.Span{Lo: 0, Hi: 3}, layout.Span{Lo: 0, Hi: 3}, 2, 0.2, 0.75},
		{1, [2]int{2, 3}, 5, layout.Span{Lo: 0, Hi: 1}, layout.Span{Lo: 0, Hi: 1}, 2, 0.2, 1},
		{96, [2]int{5, 3}, 5, layout.Span{Lo: 0, Hi: 96}, layout.Span{Lo: 0, Hi: 96}, 2, 1e-4, 0.75}, // whole vectors
		{20, [2]int{3, 4}, 5, layout.Span{Lo: 4, Hi: 12}, layout.Span{Lo: 0, Hi: 16}, 2, 0.3, 0.75},
		{1300, [2]int{1, 3}, 9, layout.Span{Lo: 4, Hi: 1296}, layout.Span{Lo: 0, Hi: 1300}, 1, 0.3, 0.75}, // many channels
		{12, [2]int{2, 1}, 31, layout.Span{Lo: 0, Hi: 12}, layout.Span{Lo: 0, Hi: 12}, 1, 0.3, 0.6},       // the window holds all
	} {
		n := 1 + i%3
		shape := func(channels int) layout.Shape { return layout.Shape{n, channels, s.size[0], s.size[1]} }
		c := kase{name: fmt.Sprintf("%d:%v", i, shape(s.channels)), terms: 2 * s.window, roundings: 12,
			desc: kernels.Desc{LRN: kernels.LRNDesc{N: s.window, K: s.k, Alpha: s.alpha, Beta: s.bet, Offset: s.out.Lo, GradOffset: s.grad.Lo}},
			out:  result(shape(s.out.Len())), in: []operand{of(shape(s.channels), signed)}}
		if code == kernels.LRNGrad {
			c.in = append(c.in, of(shape(s.grad.Len()), signed))
		}
		all = append(all, c)
	}
	return all
}

func bnCases(code kernels.Code) []kase {
	var all []kase
	for i := range 4 {
		relu, add := i%2 == 1, i >= 2
		if add && code != kernels.BN || relu && code != kernels.BN && code != kernels.BNSums && code != kernels.BNGrad {
			continue
		}
		shapes := perShape
		if code == kernels.BNVar || code == kernels.BNGammaGrad {
			shapes = perShapeAndLong
		}
		all = append(all, shapes(func(n layout.Shape) kase {
			each := n[0] * n[2] * n[3]
			x, dy := of(n, signed), of(n, signed)
			mean, variance, gamma, beta := vec(n[1], constant(0.1)), vec(n[1], positive), vec(n[1], signed), vec(n[1], signed)
			c := kase{name: fmt.Sprintf("relu=%v/", relu), roundings: 8,
				desc: kernels.Desc{Count: float64(each + 2), Eps: 1e-5, Epilogue: kernels.Epilogue{Add: add, ReLU: relu}}}
			switch code {
			case kernels.BNVar:
				c.out, c.in, c.terms = vec(n[1], nil), []operand{x, mean}, each
			case kernels.BNStats:
				c.out, c.in, c.terms, c.mutates = vec(n[1], nil), []operand{x, mean}, each, []int{1}
			case kernels.BNSums:
				c.out, c.in, c.terms, c.mutates = vec(n[1], nil), []operand{x, mean, variance, gamma, beta, dy, vec(n[1], signed)}, each, []int{6}
			case kernels.BN:
				c.out, c.in = result(n), []operand{x, mean, variance, gamma, beta}
				if add {
					c.name, c.in = "add/"+c.name, append(c.in, of(n, signed))
				}
			case kernels.BNGammaGrad:
				c.out, c.in, c.terms = vec(n[1], nil), []operand{x, mean, variance, dy}, each
			default:
				c.out, c.in = result(n), []operand{x, mean, variance, gamma, vec(n[1], signed), vec(n[1], signed), dy}
				if relu {
					c.in = append(c.in, beta)
				}
			}
			return c
		})...)
	}
	return all
}

// maxima returns a filling of max pool's output, from the x that the same generator just
// filled: the first input of a rig.
func maxima(d kernels.Desc, x, y layout.Shape) func(*generator, int) float64 {
	var top *tensor
	return func(g *generator, i int) float64 {
		if i == 0 {
			top = newTensor(y)
			refMaxPool(d, top, []*tensor{{x, g.last}})
		}
		return top.v[i]
	}
}

// inWindow returns a filling with a pixel of x under each window, as MaxPoolIndex counts them.
func inWindow(d kernels.Desc, x, y layout.Shape) func(*generator, int) float64 {
	return func(g *generator, i int) float64 {
		var at []int
		p, q := i/y[3]%y[2], i%y[3]
		for r := range d.Window.Kernel[0] {
			for s := range d.Window.Kernel[1] {
				h, w := p*d.Window.Stride[0]-d.Window.Pad[0]+r, q*d.Window.Stride[1]-d.Window.Pad[2]+s
				if h >= 0 && h < x[2] && w >= 0 && w < x[3] {
					at = append(at, r*d.Window.Kernel[1]+s)
				}
			}
		}
		return float64(at[g.intn(len(at))])
	}
}

// labels returns a filling with labels of so many classes from offset−1 on; every fourth
// sample has none.
func labels(classes, offset int) func(*generator, int) float64 {
	return func(g *generator, i int) float64 {
		if i%4 == 3 {
			return -1
		}
		return math.Max(0, float64(offset-1+g.intn(classes+2)))
	}
}

// sums returns a filling with pairs of a sum of exponentials and a label's logit less the
// maximum, a multiple of 1/8 as all coarse logits are.
func sums(g *generator, i int) float64 {
	if i%2 == 0 {
		return 1 + 7*g.uniform()
	}
	return -math.Floor(g.uniform()*64) / 8
}

func lossCases(code kernels.Code) []kase {
	var all []kase
	for _, s := range []struct{ samples, classes, offset int }{{1, 1, 0}, {5, 10, 0}, {13, 7, 0}, {7, 5, 3}, {4, 1000, 0}, {33, 13, 100}, {300, 3, 0}} {
		n := s.samples
		logits := of(layout.Shape{n, s.classes, 1, 1}, coarse)
		label := ints(n, labels(s.classes, s.offset))
		top, es := vec(n, constant(4)), of(layout.Shape{n, 2, 1, 1}, sums)
		c := kase{name: fmt.Sprintf("%dx%d+%d", n, s.classes, s.offset), desc: kernels.Desc{Offset: s.offset, Count: float64(n + 1)}}
		switch code {
		case kernels.RowMax:
			c.out, c.in = vec(n, nil), []operand{logits}
		case kernels.ExpSum: // the argument of the exponential is at most 8
			c.out, c.in, c.terms, c.roundings = es, []operand{logits, label, top}, s.classes, 16
		case kernels.CountAbove:
			c.out, c.in = vec(n, nil), []operand{logits, label, top, es}
		case kernels.Loss:
			c.out, c.in, c.terms, c.roundings = vec(1, nil), []operand{label, es}, n, 8
		case kernels.Hits:
			c.out, c.in = vec(2, nil), []operand{label, vec(n, func(g *generator, _ int) float64 { return float64(g.intn(8)) })}
		default:
			c.out, c.in, c.roundings = logits, []operand{logits, label, top, es, vec(1, constant(3))}, 16
		}
		all = append(all, c)
	}
	return all
}
