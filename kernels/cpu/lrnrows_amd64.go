//go:build amd64 && !purego

package cpu

// avx2LRN run eight channels at a time; fewer are left to Go.
var avx2LRN = lrnOps{
	square: func(y, x []float32, pixels, channels, yPitch, xPitch int) {
		if channels < 8 {
			squareGo(y, x, pixels, channels, yPitch, xPitch)
			return
		}
		_, _ = y[(pixels-1)*yPitch+channels-1], x[(pixels-1)*xPitch+channels-1]
		squareAVX2(y, x, pixels, channels, yPitch, xPitch)
	},
	lrnForward: func(y, x, near []float32, pixels, channels, yPitch, xPitch, localPitch, count int, k, alpha float32) {
		if channels < 8 {
			lrnForwardGo(y, x, near, pixels, channels, yPitch, xPitch, localPitch, count, k, alpha)
			return
		}
		_, _, _ = y[(pixels-1)*yPitch+channels-1], x[(pixels-1)*xPitch+channels-1], near[(pixels-1)*localPitch+channels+count-2]
		lrnForwardAVX2(y, x, near, pixels, channels, yPitch, xPitch, localPitch, count, k, alpha)
	},
	lrnRatio: func(power, ratio, x, dy, near []float32, pixels, channels, localPitch, xPitch, dyPitch, count int, k, alpha float32) {
		if channels < 8 {
			lrnRatioGo(power, ratio, x, dy, near, pixels, channels, localPitch, xPitch, dyPitch, count, k, alpha)
			return
		}
		last := (pixels-1)*localPitch + channels - 1
		_, _, _ = power[last], ratio[last], near[last+count-1]
		_, _ = x[(pixels-1)*xPitch+channels-1], dy[(pixels-1)*dyPitch+channels-1]
		lrnRatioAVX2(power, ratio, x, dy, near, pixels, channels, localPitch, xPitch, dyPitch, count, k, alpha)
	},
	lrnGrad: func(dx, x, dy, power, ratio []float32, pixels, channels, dxPitch, xPitch, dyPitch, localPitch, count int, slope float32) {
		if channels < 8 {
			lrnGradGo(dx, x, dy, power, ratio, pixels, channels, dxPitch, xPitch, dyPitch, localPitch, count, slope)
			return
		}
		last := (pixels-1)*localPitch + channels - 1
		_, _ = power[last], ratio[last+count-1]
		_, _, _ = dx[(pixels-1)*dxPitch+channels-1], x[(pixels-1)*xPitch+channels-1], dy[(pixels-1)*dyPitch+channels-1]
		lrnGradAVX2(dx, x, dy, power, ratio, pixels, channels, dxPitch, xPitch, dyPitch, localPitch, count, slope)
	},
}
