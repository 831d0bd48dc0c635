//go:build amd64 && !purego

package cpu

// avx2Windows run eight channels at a time; fewer are left to Go.
var avx2Windows = windowOps{
	windowMax: func(y, x []float32, windows, channels, rows, cols, yStep int, xs tapSteps) {
		if channels < 8 {
			windowMaxGo(y, x, windows, channels, rows, cols, yStep, xs)
			return
		}
		_, _ = y[(windows-1)*yStep+channels-1], x[xs.last(windows, rows, cols)+channels-1]
		windowMaxAVX2(y, x, windows, channels, rows, cols, yStep, xs.window, xs.row, xs.col)
	},
	windowMaxIndex: func(y, x []float32, at []uint8, windows, channels, rows, cols, yStep, atStep int, xs tapSteps, first, skip int32) {
		if channels < 8 {
			windowMaxIndexGo(y, x, at, windows, channels, rows, cols, yStep, atStep, xs, first, skip)
			return
		}
		_, _, _ = y[(windows-1)*yStep+channels-1], x[xs.last(windows, rows, cols)+channels-1], at[(windows-1)*atStep+channels-1]
		windowMaxIndexAVX2(y, x, at, windows, channels, rows, cols, yStep, atStep, xs.window, xs.row, xs.col, first, skip)
	},
	windowPickIndex: func(dx, dy []float32, at []uint8, windows, channels, rows, cols, dyStep, atStep int, dxs tapSteps, first, skip int32) {
		if channels < 8 {
			windowPickIndexGo(dx, dy, at, windows, channels, rows, cols, dyStep, atStep, dxs, first, skip)
			return
		}
		_, _, _ = dy[(windows-1)*dyStep+channels-1], at[(windows-1)*atStep+channels-1], dx[dxs.last(windows, rows, cols)+channels-1]
		windowPickIndexAVX2(dx, dy, at, windows, channels, rows, cols, dyStep, atStep, dxs.window, dxs.row, dxs.col, first, skip, lanes(-channels&7))
	},
	windowMean: func(y, x []float32, windows, channels, rows, cols, yStep int, xs tapSteps, divisor float32) {
		if channels < 8 {
			windowMeanGo(y, x, windows, channels, rows, cols, yStep, xs, divisor)
			return
		}
		_, _ = y[(windows-1)*yStep+channels-1], x[xs.last(windows, rows, cols)+channels-1]
		windowMeanAVX2(y, x, windows, channels, rows, cols, yStep, xs.window, xs.row, xs.col, divisor)
	},
	windowPick: func(dx, x, y, dy []float32, windows, channels, rows, cols, yStep, dyStep int, dxs, xs tapSteps) {
		if channels < 8 {
			windowPickGo(dx, x, y, dy, windows, channels, rows, cols, yStep, dyStep, dxs, xs)
			return
		}
		_, _ = y[(windows-1)*yStep+channels-1], x[xs.last(windows, rows, cols)+channels-1]
		_, _ = dy[(windows-1)*dyStep+channels-1], dx[dxs.last(windows, rows, cols)+channels-1]
		windowPickAVX2(dx, x, y, dy, windows, channels, rows, cols, yStep, dyStep, dxs.window, dxs.row, dxs.col, xs.window, xs.row, xs.col, lanes(-channels&7))
	},
	windowSpread: func(dx, dy []float32, windows, channels, rows, cols, dyStep int, dxs tapSteps, divisor float32) {
		if channels < 8 {
			windowSpreadGo(dx, dy, windows, channels, rows, cols, dyStep, dxs, divisor)
			return
		}
		_, _ = dy[(windows-1)*dyStep+channels-1], dx[dxs.last(windows, rows, cols)+channels-1]
		windowSpreadAVX2(dx, dy, windows, channels, rows, cols, dyStep, dxs.window, dxs.row, dxs.col, divisor, lanes(-channels&7))
	},
	scale: func(y, x []float32, pixels, channels, yPitch, xPitch int, factor float32) {
		if channels < 8 {
			scaleGo(y, x, pixels, channels, yPitch, xPitch, factor)
			return
		}
		_, _ = y[(pixels-1)*yPitch+channels-1], x[(pixels-1)*xPitch+channels-1]
		scaleAVX2(y, x, pixels, channels, yPitch, xPitch, factor)
	},
}

// last returns where the last pixel of the last window begins.
func (s tapSteps) last(windows, rows, cols int) int {
	return (windows-1)*s.window + (rows-1)*s.row + (cols-1)*s.col
}
