package kernels

import "cleave/layout"

// Work returns a call's multiply-adds, if it is a convolution or gradient, and the elements
// that it reads and writes, weighted where each takes much arithmetic. Sizers price calls by
// them; in and out are the extents of the operands' boxes.
func (d Desc) Work(out layout.Shape, in []layout.Shape) (macs, elements float64) {
	n := out.Volume()
	for _, i := range in {
		n += i.Volume()
	}
	each := float64(d.Window.Kernel[0] * d.Window.Kernel[1]) // products per element of y and channel
	switch d.Code {
	case ConvForward:
		macs = float64(out.Volume()) * float64(in[1][1]) * each
	case ConvDataGrad:
		macs = float64(in[0].Volume()) * float64(in[1][1]) * each
	case ConvFilterGrad:
		macs = float64(in[1].Volume()) * float64(out[1]) * each
	case LRN, LRNGrad: // arithmetic on each of the window's channels
		n *= 1 + d.LRN.N/2
	case MaxPoolIndex, MaxPoolIndexGrad: // the index is in bytes
		n -= in[1].Volume() * 3 / 4
	case FillNormal, Dropout, ExpSum, LossGrad: // a long formula
		n *= 4
	}
	return macs, float64(n)
}
