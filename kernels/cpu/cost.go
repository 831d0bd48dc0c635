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
	macs, elements := d.Work(out, in)
	threads := float64(max(1, s.Threads))
	return launchSeconds + max(macs/macsPerSecond, 4*elements/bytesPerSecond)/threads
}
