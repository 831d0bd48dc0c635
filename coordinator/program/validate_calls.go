package program

import (
	"fmt"

	"cleave/kernels"
	"cleave/layout"
)

// calls checks every instruction by itself: operands that are there, inside their buffers,
// and fit together.
func (p *Program) calls(r int) error {
	for i := range p.Sections {
		s := &p.Sections[i]
		for k := range s.Instrs {
			if err := p.check(&s.Instrs[k]); err != nil {
				return &Fault{r, s.Name, k, err.Error()}
			}
		}
	}
	return nil
}

func (p *Program) check(n *Instr) error {
	var err error
	inside := func(v View) {
		switch {
		case err != nil:
		case !p.has(v.Buffer):
			err = fmt.Errorf("there is no buffer %d", v.Buffer)
		case v.Box.Empty() || !p.Buffers[v.Buffer].Box.Holds(v.Box):
			err = fmt.Errorf("%v is outside %s, of which buffer %d holds %v", v.Box, p.Buffers[v.Buffer].Name, v.Buffer, p.Buffers[v.Buffer].Box)
		}
	}
	if n.Kind != Run {
		m := &n.Message
		if inside(m.View); err != nil {
			return err
		}
		if g, ok := contiguous(p.sizer, &p.Buffers[m.View.Buffer], m.View.Box); !ok || g.Offset != m.Offset || g.Bytes != m.Bytes {
			return fmt.Errorf("%s of message %d is not the bytes of %v", n.Kind, m.Tag, m.View.Box)
		}
		return nil
	}
	c := n.Call
	if inside(c.Out); err != nil {
		return err
	}
	for _, v := range c.In {
		if inside(v); err != nil {
			return err
		}
	}
	if c.Workspace > p.Workspace.Bytes {
		return fmt.Errorf("%s needs a workspace of %d bytes", c.Desc.Code, c.Workspace)
	}
	if want := arity(&c.Desc); want >= 0 && len(c.In) != want || want < 0 && len(c.In) == 0 {
		return fmt.Errorf("%s has %d inputs", c.Desc.Code, len(c.In))
	}
	if what := p.misfit(c); what != "" {
		return fmt.Errorf("%s: %s", c.Desc.Code, what)
	}
	return nil
}

// arity is the number of inputs of a kernel, -1: any.
func arity(d *kernels.Desc) int {
	switch d.Code {
	case kernels.Sum, kernels.Max:
		return -1
	case kernels.FillConst, kernels.FillNormal:
		return 0
	case kernels.ConvForward, kernels.ConvDataGrad:
		return 2 + d.EpilogueInputs()
	case kernels.ConvFilterGrad, kernels.Bias, kernels.ReLUGrad, kernels.Add, kernels.LRNGrad,
		kernels.BNVar, kernels.BNStats, kernels.RunningStat, kernels.Dropout, kernels.Loss, kernels.Hits,
		kernels.MaxPoolIndex, kernels.MaxPoolIndexGrad:
		return 2
	case kernels.MaxPoolGrad, kernels.ExpSum:
		return 3
	case kernels.BNGammaGrad, kernels.CountAbove, kernels.SGD:
		return 4
	case kernels.BN, kernels.LossGrad:
		return 5 + d.EpilogueInputs()
	case kernels.BNSums, kernels.BNGrad:
		return 7 + d.EpilogueInputs()
	}
	return 1
}

// operands are the boxes of a call in global coordinates, with the tests that most kernels
// share.
type operands struct {
	out layout.Box
	in  []layout.Box
}

// same: inputs that cover what the output covers.
func (o operands) same(is ...int) bool {
	for _, i := range is {
		if o.in[i] != o.out {
			return false
		}
	}
	return true
}

// vectors: inputs that have one element for each index of s.
func (o operands) vectors(s layout.Span, is ...int) bool {
	for _, i := range is {
		if o.in[i] != (layout.Box{s, {Hi: 1}, {Hi: 1}, {Hi: 1}}) {
			return false
		}
	}
	return true
}

// planes: inputs with the samples n and the channels c.
func (o operands) planes(n, c layout.Span, is ...int) bool {
	for _, i := range is {
		if o.in[i][0] != n || o.in[i][1] != c {
			return false
		}
	}
	return true
}

// samples: inputs with the samples n.
func (o operands) samples(n layout.Span, is ...int) bool {
	for _, i := range is {
		if o.in[i][0] != n {
			return false
		}
	}
	return true
}

func (o operands) single(i int) bool { return o.in[i].Volume() == 1 }

// misfit says what of a call's operands does not fit together, "" if all does.
func (p *Program) misfit(c *Call) string {
	if s := p.types(c); s != "" {
		return s
	}
	o := operands{out: c.Out.Box}
	for _, v := range c.In {
		o.in = append(o.in, v.Box)
	}
	if !o.fits(&c.Desc, p.Buffers[c.Out.Buffer].Name, func(i int) string { return p.Buffers[c.In[i].Buffer].Name }) {
		return fmt.Sprintf("operands %v and %v do not fit", o.out, o.in)
	}
	return ""
}

// types checks the operands' element types.
func (p *Program) types(c *Call) string {
	for i, v := range c.In {
		want := kernels.F32
		switch c.Desc.Code {
		case kernels.Normalize:
			want = kernels.U8
		case kernels.ExpSum, kernels.CountAbove, kernels.LossGrad, kernels.Dropout:
			if i == 1 {
				want = kernels.I32
			}
		case kernels.Loss, kernels.Hits:
			if i == 0 {
				want = kernels.I32
			}
		case kernels.MaxPoolIndex, kernels.MaxPoolIndexGrad:
			if i == 1 {
				want = kernels.U8
			}
		case kernels.Copy:
			want = p.Buffers[c.Out.Buffer].DType
		}
		if p.Buffers[v.Buffer].DType != want {
			return fmt.Sprintf("input %d has the wrong element type", i)
		}
	}
	if c.Desc.Code != kernels.Copy && p.Buffers[c.Out.Buffer].DType != kernels.F32 {
		return "the output has the wrong element type"
	}
	return ""
}

func (o operands) fits(d *kernels.Desc, out string, in func(int) string) bool {
	y := o.out
	switch d.Code {
	case kernels.ConvForward:
		bias, mean, z := d.Epilogue.ConvInputs()
		return o.convolution(d, y, o.in[0], o.in[1]) && (bias == 0 || o.vectors(y[1], bias)) &&
			(mean == 0 || o.vectors(y[1], mean, mean+1, mean+2, mean+3)) && (z == 0 || o.same(z))
	case kernels.ConvDataGrad:
		z, passed := d.Epilogue.GradInputs()
		return o.convolution(d, o.in[0], y, o.in[1]) && (z == 0 || o.same(z)) && (passed == 0 || o.same(passed))
	case kernels.ConvFilterGrad:
		return o.convolution(d, o.in[1], o.in[0], y)
	case kernels.Bias:
		return o.same(0) && o.vectors(y[1], 1)
	case kernels.BiasGrad, kernels.BNMean:
		return o.in[0][1] == y[0]
	case kernels.ReLU, kernels.Normalize:
		return o.same(0)
	case kernels.ReLUGrad, kernels.Add, kernels.RunningStat:
		return o.same(0, 1)
	case kernels.MaxPool, kernels.AvgPool, kernels.AvgPoolGrad:
		return o.planes(y[0], y[1], 0)
	case kernels.MaxPoolIndex:
		return o.planes(y[0], y[1], 0) && o.same(1)
	case kernels.MaxPoolIndexGrad:
		return o.planes(y[0], y[1], 0, 1) && o.in[0] == o.in[1]
	case kernels.MaxPoolGrad:
		return o.same(0) && o.planes(y[0], y[1], 1, 2) && o.in[1] == o.in[2]
	case kernels.LRN:
		return o.window(d, 0, y) && d.LRN.Offset == y[1].Lo-o.in[0][1].Lo
	case kernels.LRNGrad:
		return o.window(d, 0, o.in[1]) && o.window(d, 1, y) &&
			d.LRN.Offset == y[1].Lo-o.in[0][1].Lo && d.LRN.GradOffset == o.in[1][1].Lo-o.in[0][1].Lo
	case kernels.BNVar, kernels.BNStats:
		return o.in[0][1] == y[0] && o.vectors(y[0], 1)
	case kernels.BN:
		return o.same(0) && o.vectors(y[1], 1, 2, 3, 4) && (!d.Epilogue.Add || o.same(5))
	case kernels.BNGammaGrad:
		return o.in[0] == o.in[3] && o.in[0][1] == y[0] && o.vectors(y[0], 1, 2)
	case kernels.BNSums:
		return o.in[0] == o.in[5] && o.in[0][1] == y[0] && o.vectors(y[0], 1, 2, 3, 4, 6)
	case kernels.BNGrad:
		return o.same(0, 6) && o.vectors(y[1], 1, 2, 3, 4, 5) && (!d.Epilogue.ReLU || o.vectors(y[1], 7))
	case kernels.Dropout:
		return o.same(0) && o.single(1) && corner(d, y)
	case kernels.Flatten:
		return o.flatten(d, y, o.in[0])
	case kernels.Unflatten:
		return o.flatten(d, o.in[0], y)
	case kernels.Copy:
		return o.copies(d, out == in(0))
	case kernels.Shuffle:
		return o.same(0) && d.Groups > 0 && y[1].Len()%d.Groups == 0
	case kernels.Sum, kernels.Max:
		for i := range o.in {
			if !o.same(i) {
				return false
			}
		}
		return true
	case kernels.RowMax:
		return o.samples(y[0], 0)
	case kernels.ExpSum:
		return o.samples(y[0], 0, 1, 2) && d.Offset == o.in[0][1].Lo
	case kernels.CountAbove:
		return o.samples(y[0], 0, 1, 2, 3) && d.Offset == o.in[0][1].Lo
	case kernels.Loss, kernels.Hits:
		return o.in[0][0] == o.in[1][0]
	case kernels.LossGrad:
		return o.same(0) && o.samples(y[0], 1, 2, 3) && o.single(4) && d.Offset == y[1].Lo
	case kernels.SGD:
		return o.same(0, 1, 2) && o.single(3)
	case kernels.SumOfSquares:
		return y.Volume() == 1
	case kernels.FillConst:
		return true
	case kernels.FillNormal:
		return corner(d, y)
	}
	return false
}

// convolution: y of the forward pass, x, and the filters w.
func (o operands) convolution(d *kernels.Desc, y, x, w layout.Box) bool {
	g := d.Groups
	return g > 0 && y[0] == x[0] && y[1] == w[0] && y[1].Len()%g == 0 && w[1].Len()*g == x[1].Len() &&
		d.Window.Kernel == [2]int{w[2].Len(), w[3].Len()}
}

// window: input i covers b and the channels around it that a window reaches, as far as
// there are any in its tower (which the call does not know: fewer is no fault).
func (o operands) window(d *kernels.Desc, i int, b layout.Box) bool {
	x := o.in[i]
	h := d.LRN.N / 2
	return x.With(1, b[1]) == b && x[1].Holds(b[1]) && x[1].Lo >= b[1].Lo-h && x[1].Hi <= b[1].Hi+h
}

func (o operands) flatten(d *kernels.Desc, y, x layout.Box) bool {
	per := x[2].Len() * x[3].Len()
	return y[0] == x[0] && d.Offset == y[1].Lo-x[1].Lo*per && d.Offset >= 0 && y[1].Hi <= x[1].Hi*per
}

// copies: of one tensor the same box; between tensors other channels, as many.
func (o operands) copies(d *kernels.Desc, same bool) bool {
	a, b := o.in[0], o.out
	if same {
		return a == b && d.Step == [2]int{}
	}
	from, to := max(1, d.Step[0]), max(1, d.Step[1])
	return a[0] == b[0] && a[2] == b[2] && a[3] == b[3] && (a[1].Len()+from-1)/from == (b[1].Len()+to-1)/to
}

// corner: random numbers are counted from the region's place in the whole tensor.
func corner(d *kernels.Desc, y layout.Box) bool {
	for i := range y {
		if d.Random.Origin[i] != y[i].Lo || y[i].Hi > d.Random.Global[i] {
			return false
		}
	}
	return true
}
