package choose

import (
	"fmt"
	"strings"

	"cleave/kernels"
)

// inputs are the element types of a kernel's inputs: f(loat32), i(nt32), u(int8), ? as the
// output; '+' repeats the last, at least once in all. Outputs are float32, but for Copy's.
var inputs = map[kernels.Code]string{
	kernels.ConvForward:      "ff", // and the epilogue's
	kernels.ConvDataGrad:     "ff", // likewise
	kernels.ConvFilterGrad:   "ff",
	kernels.Bias:             "ff",
	kernels.BiasGrad:         "f",
	kernels.ReLU:             "f",
	kernels.ReLUGrad:         "ff",
	kernels.Add:              "ff",
	kernels.MaxPool:          "f",
	kernels.MaxPoolGrad:      "fff",
	kernels.MaxPoolIndex:     "fu",
	kernels.MaxPoolIndexGrad: "fu",
	kernels.AvgPool:          "f",
	kernels.AvgPoolGrad:      "f",
	kernels.LRN:              "f",
	kernels.LRNGrad:          "ff",
	kernels.BNMean:           "f",
	kernels.BNVar:            "ff",
	kernels.BNStats:          "ff",
	kernels.BN:               "fffff", // and z
	kernels.BNGammaGrad:      "ffff",
	kernels.BNSums:           "fffffff",
	kernels.BNGrad:           "fffffff", // and beta
	kernels.RunningStat:      "ff",
	kernels.Dropout:          "fi",
	kernels.Flatten:          "f",
	kernels.Unflatten:        "f",
	kernels.Copy:             "?",
	kernels.Shuffle:          "f",
	kernels.Sum:              "f+",
	kernels.Max:              "f+",
	kernels.RowMax:           "f",
	kernels.ExpSum:           "fif",
	kernels.CountAbove:       "fiff",
	kernels.Loss:             "if",
	kernels.Hits:             "if",
	kernels.LossGrad:         "fifff",
	kernels.SGD:              "ffff",
	kernels.SumOfSquares:     "f",
	kernels.FillConst:        "",
	kernels.FillNormal:       "",
	kernels.Normalize:        "u",
}

// types returns a letter for each input that the call takes, or an error if it has another
// number of them.
func (c *call) types() (string, error) {
	want := inputs[c.d.Code]
	if more, ok := strings.CutSuffix(want, "+"); ok {
		want = more + strings.Repeat(more[len(more)-1:], max(0, len(c.in)-len(more)))
	}
	want += strings.Repeat("f", c.d.EpilogueInputs())
	return want, c.inputs(len(want))
}

// typed checks the operands' element types.
func (c *call) typed() error {
	want, err := c.types()
	if err != nil {
		return err
	}
	if c.out.dtype != kernels.F32 && c.d.Code != kernels.Copy {
		return fmt.Errorf("the output must be float32")
	}
	for i, v := range c.in {
		t := map[byte]kernels.DType{'f': kernels.F32, 'i': kernels.I32, 'u': kernels.U8, '?': c.out.dtype}[want[i]]
		if v.dtype != t {
			return fmt.Errorf("input %d has the wrong element type", i)
		}
	}
	return nil
}

// separate checks that an input's memory is not the output's, unless the kernel may work in
// place or both are disjoint boxes of one buffer.
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

// vectors reports an error unless inputs are n values along the first axis.
func (c *call) vectors(n int, in ...int) error {
	for _, i := range in {
		if err := vector(&c.in[i], n); err != nil {
			return fmt.Errorf("input %d %w", i, err)
		}
	}
	return nil
}

// vector reports an error unless v is n values along the first axis.
func vector(v *view, n int) error {
	if v.n != [4]int{n, 1, 1, 1} {
		return fmt.Errorf("is %v, not %d values", v.n, n)
	}
	return nil
}

// result reports an error unless the output is n values along the first axis.
func (c *call) result(n int) error {
	if err := vector(&c.out, n); err != nil {
		return fmt.Errorf("the output %w", err)
	}
	return nil
}

// counted reports an error unless the descriptor's divisor is above zero.
func (c *call) counted() error {
	if !(c.d.Count > 0) {
		return fmt.Errorf("count is %v, must be above 0", c.d.Count)
	}
	return nil
}

// yes is an int that says yes or no.
func yes(on bool) Arg {
	if on {
		return num(1)
	}
	return num(0)
}

// equal reports an error unless v, of this name, has x's extents.
func equal(x, v *view, name string) error {
	if v.n != x.n {
		return fmt.Errorf("%s is %v, x %v", name, v.n, x.n)
	}
	return nil
}
