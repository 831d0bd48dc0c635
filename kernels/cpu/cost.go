package cpu

import (
	"cleave/kernels"
	"cleave/layout"
)

// What a thread reaches, for predictions: a roofline of the better of the two tiers that
// most machines have. They order plans; nothing else depends on them.
const (
	macsPerSecond  = 40e9 // multiply-adds of a convolution
	bytesPerSecond = 8e9  // read and written by all other kernels
	launchSeconds  = 3e-6 // to hand work to the threads and wait for them
)

// Seconds implements kernels.Sizer: multiply-adds or bytes, whichever takes longer.
func (s Sizer) Seconds(d kernels.Desc, out layout.Shape, in []layout.Shape) float64 {
	elements := out.Volume()
	for _, i := range in {
		elements += i.Volume()
	}
	var macs float64
	each := float64(d.Window.Kernel[0] * d.Window.Kernel[1]) // products per element of y and channel
	switch d.Code {
	case kernels.ConvForward:
		macs = float64(out.Volume()) * float64(in[1][1]) * each
	case kernels.ConvDataGrad:
		macs = float64(in[0].Volume()) * float64(in[1][1]) * each
	case kernels.ConvFilterGrad:
		macs = float64(in[1].Volume()) * float64(out[1]) * each
	case kernels.LRN, kernels.LRNGrad: // arithmetic on each of the window's channels
		elements *= 1 + d.LRN.N/2
	case kernels.FillNormal, kernels.Dropout, kernels.ExpSum, kernels.LossGrad: // a long formula
		elements *= 4
	}
	threads := float64(max(1, s.Threads))
	return launchSeconds + max(macs/macsPerSecond, 4*float64(elements)/bytesPerSecond)/threads
}
