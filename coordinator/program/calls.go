package program

import (
	"fmt"

	"cleave/coordinator/plan"
	"cleave/kernels"
	"cleave/layout"
	"cleave/model/op"
)

// call is one kernel call of an op's work: boxes in global coordinates, not yet buffers.
type call struct {
	desc kernels.Desc
	out  layout.Box
	args []arg
}

// arg is a region of input in of an op.
type arg struct {
	in  int
	box layout.Box
}

// calls returns the kernel calls that compute the work w of n. Kernels know no global
// positions: whatever depends on them (offsets, counts, groups that are cut) is put into
// local form here.
func calls(n *plan.Inst, in []layout.Shape, w layout.Work) ([]call, error) {
	if err := wholePlanes(n, w); err != nil {
		return nil, err
	}
	l := lowering{n: n, in: in, w: w}
	switch o := n.Op.(type) {
	case op.Conv:
		return l.conv(o.Geometry), nil
	case op.ConvDataGrad:
		return l.convDataGrad(o.Geometry), nil
	case op.ConvFilterGrad:
		return l.convFilterGrad(o.Geometry), nil
	case op.LRN:
		return l.lrn(o), nil
	case op.LRNGrad:
		return l.lrn(op.LRN(o)), nil
	case op.Shuffle:
		if whole := n.Out.Shape.Box(); w.Out[1] == whole[1] {
			return []call{{desc: kernels.Desc{Code: kernels.Shuffle, Groups: o.Groups}, out: w.Out, args: []arg{{0, w.Out}}}}, nil
		}
		return l.moves(o), nil
	case op.Mover:
		return l.moves(o), nil
	}
	d, reads, err := l.desc()
	if err != nil {
		return nil, err
	}
	c := call{desc: d, out: w.Out}
	for _, i := range reads {
		bs := n.Op.Need(in, w, i)
		if len(bs) != 1 {
			return nil, fmt.Errorf("input %d is needed in %d boxes, the kernel %v reads one", i, len(bs), d.Code)
		}
		c.args = append(c.args, arg{i, bs[0]})
	}
	return []call{c}, nil
}

// wholePlanes refuses works that cut rows or columns: kernels pad at the borders of what
// they are given.
func wholePlanes(n *plan.Inst, w layout.Work) error {
	whole := n.Out.Shape.Box()
	if w.Out[2] != whole[2] || w.Out[3] != whole[3] {
		return fmt.Errorf("work %v cuts the rows or columns of %v", w.Out, n.Out.Shape)
	}
	return nil
}

// lowering is one op's work on one rank.
type lowering struct {
	n  *plan.Inst
	in []layout.Shape
	w  layout.Work
}

// desc returns the descriptor of an op that is one kernel call, and the op's inputs that
// the kernel reads, in the kernel's order.
func (l *lowering) desc() (d kernels.Desc, reads []int, err error) {
	red := l.n.Op.Reduction(l.in)
	switch o := l.n.Op.(type) {
	case op.Normalize:
		d.Code = kernels.Normalize
		for i := range d.Mean { // the kernel counts channels from its own first
			c := min(l.w.Out[1].Lo+i, len(o.Mean)-1)
			d.Mean[i], d.Dev[i] = o.Mean[c], o.Dev[c]
		}
		return d, []int{0}, nil
	case op.Bias:
		return kernels.Desc{Code: kernels.Bias}, []int{0, 1}, nil
	case op.BiasGrad:
		return kernels.Desc{Code: kernels.BiasGrad}, []int{0}, nil
	case op.ReLU:
		return kernels.Desc{Code: kernels.ReLU}, []int{0}, nil
	case op.ReLUGrad:
		return kernels.Desc{Code: kernels.ReLUGrad}, []int{0, 1}, nil
	case op.Add:
		return kernels.Desc{Code: kernels.Add}, []int{0, 1}, nil
	case op.MaxPool:
		return kernels.Desc{Code: kernels.MaxPool, Window: pool(o.Pool)}, []int{0}, nil
	case op.MaxPoolGrad:
		return kernels.Desc{Code: kernels.MaxPoolGrad, Window: pool(o.Pool)}, []int{0, 1, 2}, nil
	case op.AvgPool:
		return kernels.Desc{Code: kernels.AvgPool, Window: pool(o.Pool)}, []int{0}, nil
	case op.AvgPoolGrad:
		return kernels.Desc{Code: kernels.AvgPoolGrad, Window: pool(o.Pool)}, []int{1}, nil
	case op.BNMean:
		return kernels.Desc{Code: kernels.BNMean, Count: positions(l.in[0])}, []int{0}, nil
	case op.BNVar:
		return kernels.Desc{Code: kernels.BNVar, Count: positions(l.in[0])}, []int{0, 1}, nil
	case op.BN:
		return kernels.Desc{Code: kernels.BN, Eps: o.Eps}, []int{0, 1, 2, 3, 4}, nil
	case op.BNGammaGrad:
		return kernels.Desc{Code: kernels.BNGammaGrad, Eps: o.Eps}, []int{0, 1, 2, 3}, nil
	case op.BNGrad:
		return kernels.Desc{Code: kernels.BNGrad, Eps: o.Eps, Count: positions(l.in[0])}, []int{0, 1, 2, 3, 4, 5, 6}, nil
	case op.RunningStat:
		return kernels.Desc{Code: kernels.RunningStat, Rate: o.Rate, Unbias: o.Unbias}, []int{0, 1}, nil
	case op.Dropout:
		return kernels.Desc{Code: kernels.Dropout, P: o.P, Random: key(o.Key, l.w.Out, l.n.Out.Shape)}, []int{0, 1}, nil
	case op.Flatten:
		return kernels.Desc{Code: kernels.Flatten, Offset: l.w.Out[1].Lo % (l.in[0][2] * l.in[0][3])}, []int{0}, nil
	case op.Unflatten:
		return kernels.Desc{Code: kernels.Unflatten}, []int{1}, nil
	case op.RowMax:
		return kernels.Desc{Code: kernels.RowMax}, []int{0}, nil
	case op.ExpSum:
		return kernels.Desc{Code: kernels.ExpSum, Offset: l.w.Red.Lo}, []int{0, 1, 2}, nil
	case op.CountAbove:
		return kernels.Desc{Code: kernels.CountAbove, Offset: l.w.Red.Lo}, []int{0, 1, 2, 3}, nil
	case op.Loss:
		return kernels.Desc{Code: kernels.Loss, Count: float64(l.in[red.In][red.Axis])}, []int{1, 3}, nil
	case op.Hits:
		return kernels.Desc{Code: kernels.Hits}, []int{0, 1}, nil
	case op.LossGrad:
		return kernels.Desc{Code: kernels.LossGrad, Offset: l.w.Out[1].Lo, Count: float64(l.in[0][0])}, []int{0, 1, 2, 3, 4}, nil
	case op.SGD:
		return kernels.Desc{Code: kernels.SGD, Mu: o.Mu, Decay: o.Decay}, []int{0, 1, 2, 3}, nil
	}
	return d, nil, fmt.Errorf("there is no kernel for %T", l.n.Op)
}

// positions is the number of values of one channel, over the whole batch.
func positions(s layout.Shape) float64 { return float64(s[0]) * float64(s[2]) * float64(s[3]) }

func pool(p op.Pool) kernels.Window {
	return kernels.Window{Kernel: p.Kernel, Stride: p.Stride, Dilation: [2]int{1, 1}, Pad: p.Pad, CountPad: p.CountPad}
}

// key places a region of a tensor in the tensor's stream of random numbers.
func key(k uint64, b layout.Box, whole layout.Shape) kernels.Random {
	r := kernels.Random{Key: k, Global: whole}
	for i := range b {
		r.Origin[i] = b[i].Lo
	}
	return r
}

// lrn makes a call for each tower that the output reaches into: windows end at the borders
// of the region that a kernel is given.
func (l *lowering) lrn(o op.LRN) []call {
	per := l.in[0][1] / o.Towers
	d := kernels.Desc{Code: kernels.LRN, LRN: kernels.LRNDesc{N: o.N, K: o.K, Alpha: o.Alpha, Beta: o.Beta}}
	halos := []int{o.N / 2} // of each input
	if _, ok := l.n.Op.(op.LRNGrad); ok {
		d.Code, halos = kernels.LRNGrad, []int{2 * (o.N / 2), o.N / 2}
	}
	var out []call
	for t := l.w.Out[1].Lo / per; t*per < l.w.Out[1].Hi; t++ {
		tower := layout.Span{Lo: t * per, Hi: (t + 1) * per}
		s := l.w.Out[1].And(tower)
		c := call{desc: d, out: l.w.Out.With(1, s)}
		for i, h := range halos {
			c.args = append(c.args, arg{i, c.out.With(1, layout.Span{Lo: s.Lo - h, Hi: s.Hi + h}.And(tower))})
		}
		c.desc.LRN.Offset = s.Lo - c.args[0].box[1].Lo
		if len(halos) > 1 {
			c.desc.LRN.GradOffset = c.args[1].box[1].Lo - c.args[0].box[1].Lo
		}
		out = append(out, c)
	}
	return out
}

// moves copies the parts of an op that only moves data.
func (l *lowering) moves(o op.Mover) []call {
	var out []call
	for _, m := range o.Moves(l.in, l.w) {
		d := kernels.Desc{Code: kernels.Copy}
		if m.SrcStep > 1 || m.DstStep > 1 {
			d.Step = [2]int{m.SrcStep, m.DstStep}
		}
		out = append(out, call{desc: d, out: m.Dst, args: []arg{{m.In, m.Src}}})
	}
	return out
}
