package program

import "cleave/kernels"

// fuseResiduals lets a batch norm add what a residual block adds to its result, and takes the
// sum's ReLU with it.
func fuseResiduals(p *Program) {
	for i := range p.Sections {
		p.follow(&p.Sections[i], follower{
			code:   kernels.Add,
			inputs: []int{0, 1},
			after:  kernels.BN,
			fits:   func(norm, _ kernels.Epilogue) bool { return norm == kernels.Epilogue{} },
			join: func(norm, sum *Call, i int) {
				norm.Desc.Epilogue = kernels.Epilogue{Add: true, ReLU: sum.Desc.Epilogue.ReLU}
				norm.put(sum.In[1-i])
			},
		})
	}
}
