package cpu

import "math"

// lrnOps are the loops of local response normalisation with Beta 3/4 over pixels, which
// begin a pitch apart. A channel's window is count elements from its own index on in near
// and ratio, which begin with the first channel's window; d is k + alpha·Σnear. The Go
// functions below are the generic ones and the reference of the others.
type lrnOps struct {
	square     func(y, x []float32, pixels, channels, yPitch, xPitch int)
	lrnForward func(y, x, near []float32, pixels, channels, yPitch, xPitch, localPitch, count int, k, alpha float32)                     // x·d^(−3/4)
	lrnRatio   func(power, ratio, x, dy, near []float32, pixels, channels, localPitch, xPitch, dyPitch, count int, k, alpha float32)     // power = d^(−3/4), ratio = dy·x·power/d
	lrnGrad    func(dx, x, dy, power, ratio []float32, pixels, channels, dxPitch, xPitch, dyPitch, localPitch, count int, slope float32) // dy·power − slope·x·Σratio
}

var genericLRN = lrnOps{square: squareGo, lrnForward: lrnForwardGo, lrnRatio: lrnRatioGo, lrnGrad: lrnGradGo}

func squareGo(y, x []float32, pixels, channels, yPitch, xPitch int) {
	for p := range pixels {
		y := y[p*yPitch:][:channels]
		for i, v := range x[p*xPitch:][:channels] {
			y[i] = v * v
		}
	}
}

// sumOf returns the sum of count elements.
func sumOf(x []float32, count int) float32 {
	s := x[0]
	for _, v := range x[1:count] {
		s += v
	}
	return s
}

func fourthRoot(d float32) float32 { return sqrt(sqrt(d)) }

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func lrnForwardGo(y, x, near []float32, pixels, channels, yPitch, xPitch, localPitch, count int, k, alpha float32) {
	for p := range pixels {
		y, near := y[p*yPitch:][:channels], near[p*localPitch:]
		for i, v := range x[p*xPitch:][:channels] {
			d := k + alpha*sumOf(near[i:], count)
			y[i] = v * fourthRoot(d) / d
		}
	}
}

func lrnRatioGo(power, ratio, x, dy, near []float32, pixels, channels, localPitch, xPitch, dyPitch, count int, k, alpha float32) {
	for p := range pixels {
		power, ratio, near, dy := power[p*localPitch:][:channels], ratio[p*localPitch:][:channels], near[p*localPitch:], dy[p*dyPitch:][:channels]
		for i, v := range x[p*xPitch:][:channels] {
			d := k + alpha*sumOf(near[i:], count)
			inverse := 1 / d
			power[i] = inverse * fourthRoot(d)
			ratio[i] = power[i] * inverse * dy[i] * v
		}
	}
}

func lrnGradGo(dx, x, dy, power, ratio []float32, pixels, channels, dxPitch, xPitch, dyPitch, localPitch, count int, slope float32) {
	for p := range pixels {
		dx, power, ratio, dy := dx[p*dxPitch:][:channels], power[p*localPitch:][:channels], ratio[p*localPitch:], dy[p*dyPitch:][:channels]
		for i, v := range x[p*xPitch:][:channels] {
			dx[i] = dy[i]*power[i] - slope*v*sumOf(ratio[i:], count)
		}
	}
}
