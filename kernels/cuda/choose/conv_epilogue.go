package choose

import "cleave/kernels"

// epilogue is the bias, its stride, and whether ReLU follows.
func (g *conv) epilogue() []Arg {
	if g.bias == nil {
		return []Arg{null(), num(0), yes(g.relu)}
	}
	return []Arg{g.bias.ptr(), num(g.bias.st[0]), yes(g.relu)}
}

// added is z, which kernels that add it take behind the epilogue.
func (g *conv) added() Arg {
	if g.z == nil {
		return null()
	}
	return g.z.ptr()
}

// fold puts the batch norm that follows a convolution, if one does, into its filters and its
// bias: into copies of them, with which the way that runs then computes.
func (g *conv) fold(c *call) {
	if g.d.Code != kernels.ConvForward || !g.d.Epilogue.Norm {
		return
	}
	_, mean, _ := g.d.Epilogue.ConvInputs()
	w, stats, bias := g.w, c.in[mean:][:4], []Arg{null(), num(0)}
	if g.bias != nil {
		bias = g.bias.vec()
	}
	n, count := w.n, w.n.Volume()
	g.w = &view{n: n, st: [4]int{n[1] * n[2] * n[3], 1, n[3] * n[1], n[1]}, at: c.scratch(4 * int64(count))}
	g.bias = &view{n: [4]int{n[0], 1, 1, 1}, st: [4]int{1, 1, 1, 1}, at: c.scratch(4 * int64(n[0]))}
	c.launch("bn_fold_f32", perElement(count), block, 0, g.w.ptr(), g.bias.ptr(), w.operand(), nums(n[1], n[2], n[3]), bias,
		stats[0].vec(), stats[1].vec(), stats[2].vec(), stats[3].vec(), float(g.d.Eps), num(count))
}

// run launches a way. What it does not do itself follows in launches of their own: it adds, and
// then applies ReLU, where its kernels do not add, or z does not lie as y does.
func (g *conv) run(c *call, w *way, scratch int64) {
	z, relu := g.z, g.relu
	if z != nil && !(g.d.Code == kernels.ConvForward && w.adds && z.st == g.y.st) {
		g.z, g.relu = nil, false
		w.launch(c, scratch)
		g.z, g.relu = z, relu
		c.each("add_fwd", c.elements(&c.out, z), yes(relu))
	} else {
		w.launch(c, scratch)
	}
	if g.passed != nil {
		c.each("relu_bwd", c.elements(g.passed, &c.out))
	}
}
