package choose

import (
	"fmt"

	"cleave/layout"
)

// logits checks input 0, logits of N samples, and the inputs that are a value per sample. It
// returns the arguments LOGITS_PARAMS of softmax.cu.
func (c *call) logits(perSample ...int) ([]Arg, error) {
	x := &c.in[0]
	if x.n[2] != 1 || x.n[3] != 1 {
		return nil, fmt.Errorf("logits %v have positions", x.n)
	}
	return concat(x.ptr(), num(x.n[1]), num(x.st[1]), num(x.st[0])), c.vectors(x.n[0], perSample...)
}

func concat(args ...Arg) []Arg { return args }

// pairs reports an error unless v is two values for each of n samples.
func pairs(v *view, n int) error {
	if v.n != (layout.Shape{n, 2, 1, 1}) {
		return fmt.Errorf("%v is not two values for each of %d samples", v.n, n)
	}
	return nil
}

// perSample launches a block for each sample.
func (c *call) perSample(kernel string, args ...any) {
	c.launch(kernel, [3]int{c.in[0].n[0], 1, 1}, [3]int{threads, 1, 1}, 0, args...)
}

// pair returns the arguments of two values per sample: where they are, and the steps from
// value to value and from sample to sample.
func (v *view) pair() []Arg { return concat(v.ptr(), num(v.st[1]), num(v.st[0])) }

func chooseRowMax(c *call) error {
	logits, err := c.logits()
	if err != nil {
		return err
	}
	if err := c.result(c.in[0].n[0]); err != nil {
		return err
	}
	c.perSample("row_max_f32", c.out.vec(), logits)
	return nil
}

func chooseExpSum(c *call) error {
	logits, err := c.logits(1, 2)
	if err != nil {
		return err
	}
	if err := pairs(&c.out, c.in[0].n[0]); err != nil {
		return err
	}
	c.perSample("exp_sum_f32", c.out.pair(), logits, c.in[1].vec(), c.in[2].vec(), num(c.d.Offset))
	return nil
}

func chooseCountAbove(c *call) error {
	logits, err := c.logits(1, 2)
	if err != nil {
		return err
	}
	if err := pairs(&c.in[3], c.in[0].n[0]); err != nil {
		return err
	}
	if err := c.result(c.in[0].n[0]); err != nil {
		return err
	}
	c.perSample("count_above_f32", c.out.vec(), logits, c.in[1].vec(), c.in[2].vec(), c.in[3].pair(), num(c.d.Offset))
	return nil
}

func chooseLossGrad(c *call) error {
	logits, err := c.logits(1, 2)
	if err != nil {
		return err
	}
	if err := c.same(0); err != nil {
		return err
	}
	if err := pairs(&c.in[3], c.in[0].n[0]); err != nil {
		return err
	}
	if err := c.vectors(1, 4); err != nil {
		return err
	}
	if err := c.counted(); err != nil {
		return err
	}
	es := &c.in[3]
	c.perSample("loss_grad_f32", c.out.pair(), logits, c.in[1].vec(), c.in[2].vec(), es.ptr(), num(es.st[0]), c.in[4].ptr(), num(c.d.Offset), double(c.d.Count))
	return nil
}

func chooseLoss(c *call) error {
	n := c.in[0].n[0]
	if err := c.vectors(n, 0); err != nil {
		return err
	}
	if err := pairs(&c.in[1], n); err != nil {
		return err
	}
	if err := c.result(1); err != nil {
		return err
	}
	if err := c.counted(); err != nil {
		return err
	}
	c.launch("loss_f32", [3]int{1, 1, 1}, [3]int{threads, 1, 1}, 0, c.out.ptr(), num(n), c.in[0].vec(), c.in[1].pair(), double(c.d.Count))
	return nil
}

func chooseHits(c *call) error {
	n := c.in[0].n[0]
	if err := c.vectors(n, 0, 1); err != nil {
		return err
	}
	if err := c.result(2); err != nil {
		return err
	}
	c.launch("hits_f32", [3]int{1, 1, 1}, [3]int{threads, 1, 1}, 0, c.out.vec(), num(n), c.in[0].vec(), c.in[1].vec())
	return nil
}
