package program

import (
	"slices"

	"cleave/kernels"
)

// fuseNorms saves passes over memory that batch norm takes in training: mean and variance
// become one call, the gradients of gamma and beta another, and where the ReLU behind it is
// its epilogue, both of these and the data gradient find out again what it let pass, so that
// the ReLU's gradient is never stored. By now what a rank computes is known: statistics and
// gradients that are summands of several ranks keep their calls where one needs the other's
// merged result.
func fuseNorms(p *Program) {
	s := p.Section(Accumulate)
	if s == nil {
		return
	}
	n := &norms{p: p, code: s.Instrs, writers: make([][]int, len(p.Buffers)), readers: make([][]int, len(p.Buffers))}
	n.p.each(func(timeline, i int, in *Instr) {
		if timelines[timeline][0] != Accumulate {
			return
		}
		in.writes(func(v View) { n.writers[v.Buffer] = append(n.writers[v.Buffer], i) })
		in.reads(func(v View) { n.readers[v.Buffer] = append(n.readers[v.Buffer], i) })
	})
	for i := range n.code {
		switch c := n.call(i, kernels.BNMean, kernels.BNGammaGrad); {
		case c == nil:
		case c.Desc.Code == kernels.BNMean:
			n.statistics(i, c)
		default:
			n.gradients(i, c)
		}
	}
	s.Instrs = slices.DeleteFunc(s.Instrs, func(n Instr) bool { return n.Kind == Run && n.Call == nil })
}

// norms is an accumulate section while its batch norms are fused. It comes first in its
// timeline, so its instructions have the timeline's numbers.
type norms struct {
	p                *Program
	code             []Instr
	writers, readers [][]int // of each buffer, in order
}

// call returns an instruction's call if it is of one of the codes, else nil.
func (n *norms) call(i int, codes ...kernels.Code) *Call {
	if i >= len(n.code) || n.code[i].Kind != Run || n.code[i].Call == nil || !slices.Contains(codes, n.code[i].Call.Desc.Code) {
		return nil
	}
	return n.code[i].Call
}

// reader finds a call of that code that reads v as its input k and is liked.
func (n *norms) reader(v View, code kernels.Code, k int, like func(*Call) bool) (int, *Call) {
	for _, i := range n.readers[v.Buffer] {
		if c := n.call(i, code); c != nil && c.In[k] == v && like(c) {
			return i, c
		}
	}
	return -1, nil
}

// settled reports whether nothing writes a view's buffer from instruction i on.
func (n *norms) settled(v View, i int) bool {
	w := n.writers[v.Buffer]
	return len(w) == 0 || w[len(w)-1] < i
}

// statistics joins the variance to the mean at i.
func (n *norms) statistics(i int, mean *Call) {
	x := mean.In[0]
	j, variance := n.reader(mean.Out, kernels.BNVar, 1, func(c *Call) bool { return c.In[0] == x && c.Desc.Count == mean.Desc.Count })
	if variance == nil || !slices.Equal(n.writers[mean.Out.Buffer], []int{i}) || !n.settled(x, i) {
		return
	}
	mean.Desc.Code = kernels.BNStats
	mean.In = []View{x, mean.Out}
	mean.Out = variance.Out
	n.code[j].Call = nil
}

// gradients joins beta's gradient to gamma's at i.
func (n *norms) gradients(i int, gamma *Call) {
	x, mean, variance, dy := gamma.In[0], gamma.In[1], gamma.In[2], gamma.In[3]
	j, beta := n.reader(dy, kernels.BiasGrad, 0, func(*Call) bool { return true })
	k, data := n.reader(dy, kernels.BNGrad, 6, func(c *Call) bool { return slices.Equal(c.In[:3], gamma.In[:3]) })
	if beta == nil || data == nil {
		return
	}
	f, forward := n.reader(x, kernels.BN, 0, func(c *Call) bool { return slices.Equal(c.In[:4], data.In[:4]) })
	first := min(i, j)
	if forward == nil || f > first || !n.settled(dy, first) {
		return
	}
	sums := &Call{Desc: gamma.Desc, Out: gamma.Out, In: []View{x, mean, variance, forward.In[3], forward.In[4], dy, beta.Out}}
	sums.Desc.Code = kernels.BNSums
	if r, relu := n.masked(dy, forward, []int{i, j, k}); relu != nil {
		sums.Desc.Epilogue.ReLU = true
		sums.In[5] = relu.In[1]
		data.Desc.Epilogue.ReLU = true
		data.In[6] = relu.In[1]
		data.In = append(data.In, forward.In[4])
		n.code[r].Call = nil
	}
	n.code[i].Call, n.code[j].Call = nil, nil
	n.code[first].Call = sums
}

// masked finds the gradient of the ReLU that is forward's epilogue, if dy is that and only
// the given instructions read it.
func (n *norms) masked(dy View, forward *Call, readers []int) (int, *Call) {
	if !forward.Desc.Epilogue.ReLU || forward.Out.Box != dy.Box || n.p.Buffers[dy.Buffer].Kept || len(n.writers[dy.Buffer]) != 1 {
		return -1, nil
	}
	slices.Sort(readers)
	r := n.writers[dy.Buffer][0]
	c := n.call(r, kernels.ReLUGrad)
	if c == nil || c.Out != dy || c.In[0] != forward.Out || len(n.writers[forward.Out.Buffer]) != 1 ||
		!slices.Equal(n.readers[dy.Buffer], readers) || !n.settled(c.In[1], r) {
		return -1, nil
	}
	return r, c
}
