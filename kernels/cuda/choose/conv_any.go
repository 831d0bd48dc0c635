package choose

import "cleave/kernels"

// anyWays is one thread an output element.
func anyWays(g *conv) []way {
	w := way{name: "any", lies: true, adds: true}
	switch g.d.Code {
	case kernels.ConvForward:
		w.launch = func(c *call, _ int64) {
			count := g.y.n.Volume()
			c.launch("conv_forward_any_f32", perElement(count), block, 0, g.x.operand(), g.w.operand(), g.y.operand(), g.geometry(), g.epilogue(), g.added(), long(uint64(count)))
		}
	case kernels.ConvDataGrad:
		w.launch = func(c *call, _ int64) {
			count := g.x.n.Volume()
			c.launch("conv_data_grad_any_f32", perElement(count), block, 0, g.x.operand(), g.w.operand(), g.y.operand(), g.geometry(), long(uint64(count)))
		}
	default:
		count := g.w.n.Volume()
		splits := max(1, min(256*256/count, 64, g.y.n[0]*g.y.n[2]))
		w.bytes = int64(splits) * int64(count) * 4
		w.launch = func(c *call, scratch int64) {
			grid := perElement(count)
			grid[1] = splits
			c.launch("conv_filter_grad_any_f32", grid, block, 0, g.x.operand(), g.y.operand(), g.geometry(), at(scratch), num(splits), long(uint64(count)))
			g.sum(c, scratch, splits)
		}
	}
	return []way{w}
}

// block is the usual number of threads.
var block = [3]int{256, 1, 1}

// perElement is a grid with a thread for each of count elements.
func perElement(count int) [3]int { return [3]int{ceil(count, 256), 1, 1} }

// summing is how many instructions a large GPU could run while conv_sum_f32 waits for its
// parts, eight at a time: 600 cycles, of 2¹⁴ instructions of threads each.
func summing(parts int) float64 { return float64(ceil(parts, 8) * (600 << 14)) }

// sum adds the parts of a call's output up, in order.
func (g *conv) sum(c *call, scratch int64, parts int) {
	o := &c.out
	count := o.n.Volume()
	c.launch("conv_sum_f32", perElement(count), block, 0, at(scratch), num(parts), o.operand(),
		nums(o.n[1], o.n[2], o.n[3]), g.epilogue(), g.added(), long(uint64(count)))
}
