package op

import (
	"fmt"

	"cleave/layout"
)

// Geometry is how a convolution's filters move over rows and columns, and into how many
// groups its channels fall. The filters' own size is that of the weights.
type Geometry struct {
	Groups   int
	Stride   [2]int // rows, columns
	Dilation [2]int // rows, columns
	Pad      [4]int // top, bottom, left, right
}

// check returns the output's shape of a convolution of x (N×C×H×W) with w (K×(C/G)×R×S).
func (g Geometry) check(o Op, x, w layout.Shape) (layout.Shape, error) {
	if g.Groups < 1 || min(g.Stride[0], g.Stride[1], g.Dilation[0], g.Dilation[1]) < 1 {
		return layout.Shape{}, fmt.Errorf("%s: groups %d, stride %v and dilation %v must be at least 1", o.Kind(), g.Groups, g.Stride, g.Dilation)
	}
	if min(g.Pad[0], g.Pad[1], g.Pad[2], g.Pad[3]) < 0 {
		return layout.Shape{}, fmt.Errorf("%s: padding %v is negative", o.Kind(), g.Pad)
	}
	if w[1]*g.Groups != x[1] {
		return layout.Shape{}, fmt.Errorf("%s: input has %d channels, but the weights %v in %d groups read %d", o.Kind(), x[1], w, g.Groups, w[1]*g.Groups)
	}
	if w[0]%g.Groups != 0 {
		return layout.Shape{}, fmt.Errorf("%s: %d filters cannot be divided into %d groups", o.Kind(), w[0], g.Groups)
	}
	y := layout.Shape{x[0], w[0]}
	for i := range 2 {
		room := x[2+i] + g.Pad[2*i] + g.Pad[2*i+1] - g.Dilation[i]*(w[2+i]-1) - 1
		if room < 0 {
			return layout.Shape{}, fmt.Errorf("%s: input %v with padding %v is smaller than filters %v with dilation %v", o.Kind(), x, g.Pad, w, g.Dilation)
		}
		y[2+i] = room/g.Stride[i] + 1
	}
	return y, nil
}

// across returns the channels of the other side that belong to the same groups as the
// channels s, where a group has from channels on this side and to on the other.
func across(s layout.Span, from, to int) layout.Span {
	if s.Len() == 0 {
		return layout.Span{}
	}
	return layout.Span{Lo: s.Lo / from * to, Hi: ceilDiv(s.Hi, from) * to}
}

// within returns the group that holds all channels of s, where a group has per channels;
// false if s crosses a border of groups.
func within(s layout.Span, per int) (int, bool) {
	if s.Len() == 0 {
		return 0, false
	}
	return s.Lo / per, s.Lo/per == (s.Hi-1)/per
}

// pairs counts the pairs of an output channel of outs and a channel of sum that are in
// one group.
func pairs(outs, sum layout.Span, perOut, perSum int) int64 {
	total := 0
	for g := outs.Lo / perOut; g*perOut < outs.Hi; g++ {
		total += outs.And(layout.Span{Lo: g * perOut, Hi: (g + 1) * perOut}).Len() *
			sum.And(layout.Span{Lo: g * perSum, Hi: (g + 1) * perSum}).Len()
	}
	return int64(total)
}

// taps returns the indices q of out for which q*stride+off falls into in.
func taps(out layout.Span, stride, off int, in layout.Span) layout.Span {
	return out.And(layout.Span{Lo: ceilDiv(in.Lo-off, stride), Hi: ceilDiv(in.Hi-off, stride)})
}
