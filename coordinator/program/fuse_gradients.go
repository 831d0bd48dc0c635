package program

import "cleave/kernels"

// fuseGradients makes what follows a convolution's data gradient its epilogue: the sum with the
// gradient that comes by a residual block's other branch, and the gradient of the ReLU before it.
func fuseGradients(p *Program) {
	s := p.Section(Accumulate)
	if s == nil {
		return
	}
	p.intoConvs(s, follower{
		code:   kernels.Add,
		inputs: []int{0, 1},
		conv:   kernels.ConvDataGrad,
		fits:   func(e kernels.Epilogue) bool { return !e.Add && !e.ReLU },
		join: func(conv, sum *Call, i int) {
			conv.Desc.Epilogue.Add = true
			conv.In = append(conv.In, View{sum.In[1-i].Buffer, conv.Out.Box})
		},
	})
	p.intoConvs(s, follower{
		code:   kernels.ReLUGrad,
		inputs: []int{1},
		conv:   kernels.ConvDataGrad,
		fits:   func(e kernels.Epilogue) bool { return !e.ReLU },
		join: func(conv, relu *Call, _ int) {
			conv.Desc.Epilogue.ReLU = true
			conv.In = append(conv.In, View{relu.In[0].Buffer, conv.Out.Box})
		},
	})
}
