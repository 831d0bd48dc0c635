package cpu

import (
	"fmt"
	"strings"

	"cleave/kernels"
	"cleave/layout"
)

// call is a kernel call on its way to a Launch.
type call struct {
	b   *Backend
	d   kernels.Desc
	out view
	in  []view
	ws  []byte // at least Sizer.Workspace bytes, aligned
}

// signature says what a kernel's operands must be.
type signature struct {
	in   string // an input's element types: f(loat32), i(nt32), u(int8); '+' repeats the last, at least once in all
	bind func(*call) (kernels.Launch, error)
}

var signatures = map[kernels.Code]signature{
	kernels.ConvForward:      {"ff", bindConvForward},  // and the epilogue's
	kernels.ConvDataGrad:     {"ff", bindConvDataGrad}, // likewise
	kernels.ConvFilterGrad:   {"ff", bindConvFilterGrad},
	kernels.Bias:             {"ff", bindBias},
	kernels.BiasGrad:         {"f", bindBiasGrad},
	kernels.ReLU:             {"f", bindReLU},
	kernels.ReLUGrad:         {"ff", bindReLUGrad},
	kernels.Add:              {"ff", bindAdd},
	kernels.MaxPool:          {"f", bindMaxPool},
	kernels.MaxPoolIndex:     {"fu", bindMaxPoolIndex},
	kernels.MaxPoolIndexGrad: {"fu", bindMaxPoolIndexGrad},
	kernels.MaxPoolGrad:      {"fff", bindMaxPoolGrad},
	kernels.AvgPool:          {"f", bindAvgPool},
	kernels.AvgPoolGrad:      {"f", bindAvgPoolGrad},
	kernels.LRN:              {"f", bindLRN},
	kernels.LRNGrad:          {"ff", bindLRNGrad},
	kernels.BNMean:           {"f", bindBNMean},
	kernels.BNVar:            {"ff", bindBNVar},
	kernels.BNStats:          {"ff", bindBNStats},
	kernels.BN:               {"fffff", bindBN}, // and z
	kernels.BNGammaGrad:      {"ffff", bindBNGammaGrad},
	kernels.BNSums:           {"fffffff", bindBNSums},
	kernels.BNGrad:           {"fffffff", bindBNGrad}, // and beta
	kernels.RunningStat:      {"ff", bindRunningStat},
	kernels.Dropout:          {"fi", bindDropout},
	kernels.Flatten:          {"f", bindFlatten},
	kernels.Unflatten:        {"f", bindUnflatten},
	kernels.Copy:             {"?", bindCopy},
	kernels.Shuffle:          {"f", bindShuffle},
	kernels.Sum:              {"f+", bindSum},
	kernels.Max:              {"f+", bindMax},
	kernels.RowMax:           {"f", bindRowMax},
	kernels.ExpSum:           {"fif", bindExpSum},
	kernels.CountAbove:       {"fiff", bindCountAbove},
	kernels.Loss:             {"if", bindLoss},
	kernels.Hits:             {"if", bindHits},
	kernels.LossGrad:         {"fifff", bindLossGrad},
	kernels.SGD:              {"ffff", bindSGD},
	kernels.SumOfSquares:     {"f", bindSumOfSquares},
	kernels.FillConst:        {"", bindFillConst},
	kernels.FillNormal:       {"", bindFillNormal},
	kernels.Normalize:        {"u", bindNormalize},
}

// Bind implements kernels.Backend.
func (b *Backend) Bind(d kernels.Desc, out kernels.Operand, in []kernels.Operand, workspace kernels.Region) (kernels.Launch, error) {
	l, err := b.bind(d, out, in, workspace)
	if err != nil {
		return nil, fmt.Errorf("cpu: bind %v: %w", d.Code, err)
	}
	return l, nil
}

func (b *Backend) bind(d kernels.Desc, out kernels.Operand, in []kernels.Operand, workspace kernels.Region) (kernels.Launch, error) {
	if b.tierErr != nil {
		return nil, b.tierErr
	}
	s, ok := signatures[d.Code]
	if !ok {
		return nil, fmt.Errorf("there is no such kernel")
	}
	s.in += strings.Repeat("f", d.EpilogueInputs())
	if err := s.check(d.Code, out, in); err != nil {
		return nil, err
	}
	c := &call{b: b, d: d, in: make([]view, len(in))}
	var err error
	if c.out, err = b.view(out); err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	shapes := make([]layout.Shape, len(in))
	for i, o := range in {
		if c.in[i], err = b.view(o); err != nil {
			return nil, fmt.Errorf("input %d: %w", i, err)
		}
		shapes[i] = c.in[i].n
		if err := separate(d.Code, out, o, i); err != nil {
			return nil, err
		}
	}
	if need := b.Workspace(d, c.out.n, shapes); need > 0 {
		if workspace.Bytes < need || workspace.Offset%align != 0 {
			return nil, fmt.Errorf("workspace of %d bytes at %d: %d bytes are needed, aligned to %d", workspace.Bytes, workspace.Offset, need, align)
		}
		if c.ws, err = b.bytes(workspace); err != nil {
			return nil, fmt.Errorf("workspace: %w", err)
		}
	}
	return s.bind(c)
}

// check compares operands with the signature.
func (s signature) check(code kernels.Code, out kernels.Operand, in []kernels.Operand) error {
	want := s.in
	if n := len(want); n > 0 && want[n-1] == '+' {
		want = want[:n-1]
		for len(want) < len(in) {
			want += want[len(want)-1:]
		}
	}
	if len(in) != len(want) {
		return fmt.Errorf("%d inputs, not %d", len(want), len(in))
	}
	if code == kernels.Copy {
		if in[0].DType != out.DType {
			return fmt.Errorf("source and destination differ in element type")
		}
		return nil
	}
	if out.DType != kernels.F32 {
		return fmt.Errorf("the output must be float32")
	}
	if !native(out) {
		return fmt.Errorf("the output must be in the native format")
	}
	for i, o := range in {
		if t := map[kernels.DType]byte{kernels.F32: 'f', kernels.I32: 'i', kernels.U8: 'u'}[o.DType]; t != want[i] {
			return fmt.Errorf("input %d has the wrong element type", i)
		}
		if !native(o) && o.DType != kernels.U8 { // images are read in either order
			return fmt.Errorf("input %d must be in the native format", i)
		}
	}
	return nil
}

// native reports whether a buffer's elements lie as the sizer's format has them. What the
// host fills or reads is planar by name: with one channel or one position that is the same.
func native(o kernels.Operand) bool {
	return o.Format == kernels.NHWC || o.Format == kernels.NCHW && oneOrder(o.Shape)
}

// oneOrder reports whether a buffer has the same order in all formats.
func oneOrder(s layout.Shape) bool { return s[1] == 1 || s[2]*s[3] == 1 }

// separate checks that an input's memory is not the output's, unless the kernel may work
// in place or both are disjoint boxes of one buffer.
func separate(code kernels.Code, out, in kernels.Operand, i int) error {
	if out.Region.Offset+out.Region.Bytes <= in.Region.Offset || in.Region.Offset+in.Region.Bytes <= out.Region.Offset {
		return nil
	}
	if out.Region == in.Region && out.Shape == in.Shape && out.DType == in.DType && out.Format == in.Format {
		if out.Box.And(in.Box).Empty() {
			return nil
		}
		for _, k := range code.InPlace() {
			if k == i && out.Box == in.Box {
				return nil
			}
		}
	}
	return fmt.Errorf("input %d lies where the output is written", i)
}

// same checks that operands have one shape.
func same(want layout.Shape, what string, vs ...view) error {
	for _, v := range vs {
		if v.n != want {
			return fmt.Errorf("%s: %v does not match %v", what, v.n, want)
		}
	}
	return nil
}

// vector checks that operands are n values along the first axis.
func vector(n int, what string, vs ...view) error {
	return same(layout.Shape{n, 1, 1, 1}, what, vs...)
}
