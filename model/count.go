package model

// Parameters returns the number of trained numbers.
func (n *Net) Parameters() int {
	total := 0
	for _, p := range n.Params {
		total += p.Node.Shape().TotalSize()
	}
	return total
}

// MACs returns the multiply-adds of the convolutions and linear layers for one image,
// forward, with the products of padding counted as is usual.
func (n *Net) MACs() int64 { return n.macs }
