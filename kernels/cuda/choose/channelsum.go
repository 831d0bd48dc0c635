package choose

import (
	"errors"

	"cleave/kernels"
	"cleave/layout"
)

// Sums over pixels, one for each channel: blocks write sums of their own to the workspace,
// another kernel adds them in order (channelsum.cu).

// sumBlocks returns how many blocks share out the pixels of a box of this shape: each has
// 8192 elements or more, and all together are a thousand or so where a block has up to 512
// channels.
func sumBlocks(n layout.Shape) int {
	pixels := n[0] * n[2] * n[3]
	return max(1, min(n.Volume()/8192, 1024/ceil(n[1], 512), 512, pixels))
}

// channelSum launches a kernel that adds up pixels on a walk over inputs, with values per
// channel, and what adds the blocks' sums, a number of kinds of each channel, and returns
// these.
func (c *call) channelSum(kernel string, kinds int, values []*view, in ...*view) (partials Arg, blocks int) {
	channels := in[0].n[1]
	w, blocks := channelwise(in...), sumBlocks(in[0].n)
	partials = at(c.scratch(8 * int64(kinds*blocks*channels)))
	name := w.run(kernel)
	args := []any{w.pixels(), partials}
	for i := range in {
		args = append(args, w.view(i))
	}
	for _, v := range values {
		args = append(args, v.vec())
	}
	if c.d.Code == kernels.BNSums {
		args = append(args, float(c.d.Eps), yes(c.d.Epilogue.ReLU))
	}
	block, across := w.across()
	c.launch(name, [3]int{across, blocks, 1}, block, 0, args...)
	return partials, blocks
}

// total launches what adds the blocks' sums and divides them: by divisor and, where there is
// a variance, by √(variance + Eps).
func (c *call) total(partials Arg, blocks int, divisor float64, variance *view) {
	channels := c.out.n[0]
	root := []Arg{null(), num(0)}
	if variance != nil {
		root = variance.vec()
	}
	c.launch("channel_total_f32", totalGrid(channels), totalBlock, 0,
		partials, num(blocks), num(channels), c.out.vec(), double(divisor), root, double(c.d.Eps))
}

func totalGrid(channels int) [3]int { return [3]int{ceil(channels, 32), 1, 1} }

var totalBlock = [3]int{32, 8, 1}

func chooseBiasGrad(c *call) error {
	x := &c.in[0]
	if err := c.result(x.n[1]); err != nil {
		return err
	}
	partials, blocks := c.channelSum("channel_sum", 1, nil, x)
	c.total(partials, blocks, 1, nil)
	return nil
}

func chooseBNMean(c *call) error {
	x := &c.in[0]
	if err := errors.Join(c.counted(), c.result(x.n[1])); err != nil {
		return err
	}
	partials, blocks := c.channelSum("channel_sum", 1, nil, x)
	c.total(partials, blocks, c.d.Count, nil)
	return nil
}

func chooseBNVar(c *call) error {
	x := &c.in[0]
	if err := errors.Join(c.counted(), c.result(x.n[1]), c.vectors(x.n[1], 1)); err != nil {
		return err
	}
	partials, blocks := c.channelSum("channel_squares", 1, []*view{&c.in[1]}, x)
	c.total(partials, blocks, c.d.Count, nil)
	return nil
}

func chooseBNStats(c *call) error {
	x := &c.in[0]
	if err := errors.Join(c.counted(), c.result(x.n[1]), c.vectors(x.n[1], 1)); err != nil {
		return err
	}
	partials, blocks := c.channelSum("channel_moments", 2, nil, x)
	c.launch("channel_statistics_f32", totalGrid(x.n[1]), totalBlock, 0,
		partials, num(blocks), num(x.n[1]), x.ptr(), num(x.st[1]), c.out.vec(), c.in[1].vec(), double(float64(x.pixels())), double(c.d.Count))
	return nil
}

func chooseBNGammaGrad(c *call) error {
	x, dy := &c.in[0], &c.in[3]
	if err := errors.Join(c.result(x.n[1]), c.vectors(x.n[1], 1, 2), equal(x, dy, "dy")); err != nil {
		return err
	}
	partials, blocks := c.channelSum("channel_products", 1, []*view{&c.in[1]}, x, dy)
	c.total(partials, blocks, 1, &c.in[2])
	return nil
}

func chooseBNSums(c *call) error {
	x, dy := &c.in[0], &c.in[5]
	if err := errors.Join(c.result(x.n[1]), c.vectors(x.n[1], 1, 2, 3, 4, 6), equal(x, dy, "dy")); err != nil {
		return err
	}
	partials, blocks := c.channelSum("channel_grads", 2, []*view{&c.in[1], &c.in[2], &c.in[3], &c.in[4]}, x, dy)
	c.launch("channel_grads_total_f32", totalGrid(x.n[1]), totalBlock, 0,
		partials, num(blocks), num(x.n[1]), c.out.vec(), c.in[6].vec(), c.in[2].vec(), double(c.d.Eps))
	return nil
}
