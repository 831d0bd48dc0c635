package cpu

import "math"

// tapSteps are the elements between the pixels under windows: from window to window, and
// within a window from row to row and from column to column.
type tapSteps struct{ window, row, col int }

// windowOps are the loops over windows that follow each other in a row and hold as many
// rows and columns, all channels of each. The steps of an operand with one pixel for each
// window are from window to window. The Go functions below are the generic ones and the
// reference of the others.
type windowOps struct {
	windowMax       func(y, x []float32, windows, channels, rows, cols, yStep int, xs tapSteps)                                            // what is no number stays
	windowMaxIndex  func(y, x []float32, at []uint8, windows, channels, rows, cols, yStep, atStep int, xs tapSteps, first, skip int32)     // and which pixel that is: they count from first on, and skip some after each row
	windowMean      func(y, x []float32, windows, channels, rows, cols, yStep int, xs tapSteps, divisor float32)                           // the sum over divisor
	windowPick      func(dx, x, y, dy []float32, windows, channels, rows, cols, yStep, dyStep int, dxs, xs tapSteps)                       // adds dy to dx where x first equals y
	windowPickIndex func(dx, dy []float32, at []uint8, windows, channels, rows, cols, dyStep, atStep int, dxs tapSteps, first, skip int32) // adds dy to dx at the pixel of that index
	windowSpread    func(dx, dy []float32, windows, channels, rows, cols, dyStep int, dxs tapSteps, divisor float32)                       // adds dy over divisor
	scale           func(y, x []float32, pixels, channels, yPitch, xPitch int, factor float32)                                             // for windows that do not overlap; a pitch of 0 is the same pixel again
}

var genericWindows = windowOps{windowMax: windowMaxGo, windowMaxIndex: windowMaxIndexGo, windowPickIndex: windowPickIndexGo, windowMean: windowMeanGo, windowPick: windowPickGo, windowSpread: windowSpreadGo, scale: scaleGo}

func windowMaxGo(y, x []float32, windows, channels, rows, cols, yStep int, xs tapSteps) {
	for w := range windows {
		y := y[w*yStep:][:channels]
		for i := range y {
			y[i] = float32(math.Inf(-1))
		}
		for r := range rows {
			for c := range cols {
				for i, v := range x[w*xs.window+r*xs.row+c*xs.col:][:channels] {
					y[i] = max(y[i], v)
				}
			}
		}
	}
}

func windowMaxIndexGo(y, x []float32, at []uint8, windows, channels, rows, cols, yStep, atStep int, xs tapSteps, first, skip int32) {
	for w := range windows {
		y, at := y[w*yStep:][:channels], at[w*atStep:][:channels]
		for i := range y {
			y[i], at[i] = float32(math.Inf(-1)), uint8(first)
		}
		for r := range rows {
			for c := range cols {
				pixel := uint8(int(first) + r*(cols+int(skip)) + c)
				for i, v := range x[w*xs.window+r*xs.row+c*xs.col:][:channels] {
					if v > y[i] {
						at[i] = pixel
					}
					if v > y[i] || v != v {
						y[i] = v
					}
				}
			}
		}
	}
}

func windowMeanGo(y, x []float32, windows, channels, rows, cols, yStep int, xs tapSteps, divisor float32) {
	for w := range windows {
		y := y[w*yStep:][:channels]
		clear(y)
		for r := range rows {
			for c := range cols {
				for i, v := range x[w*xs.window+r*xs.row+c*xs.col:][:channels] {
					y[i] += v
				}
			}
		}
		for i := range y {
			y[i] /= divisor
		}
	}
}

func windowPickGo(dx, x, y, dy []float32, windows, channels, rows, cols, yStep, dyStep int, dxs, xs tapSteps) {
	for w := range windows {
		for i, best := range y[w*yStep:][:channels] {
		taps:
			for r := range rows {
				for c := range cols {
					if x[w*xs.window+r*xs.row+c*xs.col+i] == best {
						dx[w*dxs.window+r*dxs.row+c*dxs.col+i] += dy[w*dyStep+i]
						break taps
					}
				}
			}
		}
	}
}

func windowPickIndexGo(dx, dy []float32, at []uint8, windows, channels, rows, cols, dyStep, atStep int, dxs tapSteps, first, skip int32) {
	for w := range windows {
		dy, at := dy[w*dyStep:][:channels], at[w*atStep:][:channels]
		for r := range rows {
			for c := range cols {
				pixel := uint8(int(first) + r*(cols+int(skip)) + c)
				dx := dx[w*dxs.window+r*dxs.row+c*dxs.col:][:channels]
				for i, v := range dy {
					if at[i] == pixel {
						dx[i] += v
					}
				}
			}
		}
	}
}

func windowSpreadGo(dx, dy []float32, windows, channels, rows, cols, dyStep int, dxs tapSteps, divisor float32) {
	for w := range windows {
		dy := dy[w*dyStep:][:channels]
		for r := range rows {
			for c := range cols {
				dx := dx[w*dxs.window+r*dxs.row+c*dxs.col:][:channels]
				for i, v := range dy {
					dx[i] += v / divisor
				}
			}
		}
	}
}

func scaleGo(y, x []float32, pixels, channels, yPitch, xPitch int, factor float32) {
	for p := range pixels {
		y := y[p*yPitch:][:channels]
		for i, v := range x[p*xPitch:][:channels] {
			y[i] = v * factor
		}
	}
}
