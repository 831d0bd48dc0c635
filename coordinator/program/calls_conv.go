package program

import (
	"cleave/kernels"
	"cleave/layout"
	"cleave/model/op"
)

// segment is a run of groups of a convolution that one kernel call can take: all of each
// group, or a part of one.
type segment struct {
	groups int
	out    layout.Span // channels on the side of the output
	red    layout.Span // channels on the side that is summed over
	first  int         // the first group
}

// segments cuts out × red into runs of whole groups and parts of single groups. A group
// has perOut channels on one side and perRed on the other.
func segments(out, red layout.Span, perOut, perRed int) []segment {
	var segs []segment
	open := false // the last segment is of whole groups and goes on
	for g := out.Lo / perOut; g*perOut < out.Hi; g++ {
		o := out.And(layout.Span{Lo: g * perOut, Hi: (g + 1) * perOut})
		r := red.And(layout.Span{Lo: g * perRed, Hi: (g + 1) * perRed})
		if o.Len() == 0 || r.Len() == 0 {
			open = false
			continue
		}
		whole := o.Len() == perOut && r.Len() == perRed
		if whole && open {
			s := &segs[len(segs)-1]
			s.groups++
			s.out.Hi, s.red.Hi = o.Hi, r.Hi
			continue
		}
		segs = append(segs, segment{groups: 1, out: o, red: r, first: g})
		open = whole
	}
	return segs
}

func convolution(c kernels.Code, g op.Geometry, w layout.Shape, groups int) kernels.Desc {
	return kernels.Desc{
		Code:   c,
		Groups: groups,
		Window: kernels.Window{Kernel: [2]int{w[2], w[3]}, Stride: g.Stride, Dilation: g.Dilation, Pad: g.Pad},
	}
}

// conv: x (input 0), w (input 1).
func (l *lowering) conv(g op.Geometry) []call {
	w := l.in[1]
	perC, perK := w[1], w[0]/g.Groups
	var out []call
	for _, s := range segments(l.w.Out[1], l.w.Red, perK, perC) {
		columns := layout.Span{Lo: 0, Hi: perC}
		if s.groups == 1 {
			columns = s.red.Add(-s.first * perC)
		}
		out = append(out, call{
			desc: convolution(kernels.ConvForward, g, w, s.groups),
			out:  l.w.Out.With(1, s.out),
			args: []arg{
				{0, l.in[0].Box().With(0, l.w.Out[0]).With(1, s.red)},
				{1, w.Box().With(0, s.out).With(1, columns)},
			},
		})
	}
	return out
}

// convDataGrad: x (input 0, not read), w (input 1), dy (input 2).
func (l *lowering) convDataGrad(g op.Geometry) []call {
	w := l.in[1]
	perC, perK := w[1], w[0]/g.Groups
	var out []call
	for _, s := range segments(l.w.Out[1], l.w.Red, perC, perK) {
		columns := layout.Span{Lo: 0, Hi: perC}
		if s.groups == 1 {
			columns = s.out.Add(-s.first * perC)
		}
		out = append(out, call{
			desc: convolution(kernels.ConvDataGrad, g, w, s.groups),
			out:  l.w.Out.With(1, s.out),
			args: []arg{
				{2, l.in[2].Box().With(0, l.w.Out[0]).With(1, s.red)},
				{1, w.Box().With(0, s.red).With(1, columns)},
			},
		})
	}
	return out
}

// convFilterGrad: x (input 0), w (input 1, not read), dy (input 2).
func (l *lowering) convFilterGrad(g op.Geometry) []call {
	w := l.in[1]
	perC, perK := w[1], w[0]/g.Groups
	columns := l.w.Out[1]
	all := layout.Span{Lo: 0, Hi: perC * g.Groups}
	if columns.Len() < perC { // each group's own part of its channels
		all = layout.Span{}
	}
	var out []call
	add := func(s segment, channels layout.Span) {
		out = append(out, call{
			desc: convolution(kernels.ConvFilterGrad, g, w, s.groups),
			out:  l.w.Out.With(0, s.out),
			args: []arg{
				{0, l.in[0].Box().With(0, l.w.Red).With(1, channels)},
				{2, l.in[2].Box().With(0, l.w.Red).With(1, s.out)},
			},
		})
	}
	if all.Len() > 0 {
		for _, s := range segments(l.w.Out[0], all, perK, perC) {
			add(s, s.red)
		}
		return out
	}
	for k := l.w.Out[0].Lo / perK; k*perK < l.w.Out[0].Hi; k++ {
		s := segment{groups: 1, first: k, out: l.w.Out[0].And(layout.Span{Lo: k * perK, Hi: (k + 1) * perK})}
		add(s, columns.Add(k*perC))
	}
	return out
}
