package program

import "cleave/kernels"

// foldNorms makes batch norm the epilogue of the convolution before it, in evaluation: there it
// goes by running statistics, so nothing needs the convolution's own result, and a block's last
// convolution adds the residual too.
func foldNorms(p *Program) {
	p.follow(p.Section(Eval), follower{
		code:   kernels.BN,
		inputs: []int{0},
		after:  kernels.ConvForward,
		fits:   func(conv, _ kernels.Epilogue) bool { return !conv.Norm && !conv.Add && !conv.ReLU },
		join: func(conv, norm *Call, _ int) {
			d, e := &conv.Desc, norm.Desc.Epilogue
			d.Eps, d.Epilogue.Norm, d.Epilogue.Add, d.Epilogue.ReLU = norm.Desc.Eps, true, e.Add, e.ReLU
			for _, v := range norm.In[1:5] {
				conv.In = append(conv.In, View{v.Buffer, v.Box.With(0, conv.Out.Box[1])})
			}
			if e.Add {
				conv.put(norm.In[5])
			}
		},
	})
}
