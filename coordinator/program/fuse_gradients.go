package program

import "cleave/kernels"

// fuseGradients makes what follows a convolution's data gradient its epilogue: the sum with the
// gradient that comes by a residual block's other branch, and the gradient of the ReLU before it.
func fuseGradients(p *Program) {
	s := p.Section(Accumulate)
	p.follow(s, follower{
		code:   kernels.Add,
		inputs: []int{0, 1},
		after:  kernels.ConvDataGrad,
		fits:   func(conv, sum kernels.Epilogue) bool { return conv == kernels.Epilogue{} && sum == kernels.Epilogue{} },
		join: func(conv, sum *Call, i int) {
			conv.Desc.Epilogue.Add = true
			conv.put(sum.In[1-i])
		},
	})
	p.follow(s, follower{
		code:   kernels.ReLUGrad,
		inputs: []int{1},
		after:  kernels.ConvDataGrad,
		fits:   func(conv, _ kernels.Epilogue) bool { return !conv.ReLU },
		join: func(conv, relu *Call, _ int) {
			conv.Desc.Epilogue.ReLU = true
			conv.put(relu.In[0])
		},
	})
}
