//go:build gpu

package cuda

import (
	"testing"

	"cleave/kernels"
	"cleave/kernels/cpu"
	"cleave/kernels/kerneltest"
)

// Kernels that replicas of a parameter or of a mask depend on, those that move or select, and
// those of one rounding give the CPU backend's bits: jobs mix both kinds of device.
func TestSameAsCPU(t *testing.T) {
	needGPU(t)
	kerneltest.Same(t, func(*testing.T) kernels.Backend { return cpu.New(2) }, open,
		kernels.SGD, kernels.RunningStat, kernels.FillConst, kernels.FillNormal, kernels.Dropout, kernels.Normalize,
		kernels.Bias, kernels.ReLU, kernels.ReLUGrad, kernels.Add, kernels.Sum, kernels.Max, kernels.MaxPool, kernels.MaxPoolGrad, kernels.MaxPoolIndex, kernels.MaxPoolIndexGrad,
		kernels.Flatten, kernels.Unflatten, kernels.Copy, kernels.Shuffle, kernels.RowMax, kernels.CountAbove, kernels.Hits, kernels.Loss)
}
