package cpu

// channelOps are the loops over rows of elements that each have values of their own: a
// row is the channels of a pixel, or of several (see pixels). Rows begin a pitch apart. The
// Go functions below are the generic ones and the reference of the others.
type channelOps struct {
	shift     func(y, x, v []float32, rows, width, yPitch, xPitch int) // x + v
	shiftReLU func(y, x, v []float32, rows, width, yPitch, xPitch int)
	norm      func(y, x, mean, scale, shift []float32, rows, width, yPitch, xPitch int) // (x − mean)·scale + shift
	normReLU  func(y, x, mean, scale, shift []float32, rows, width, yPitch, xPitch int)

	normAdd     func(y, x, z, mean, scale, shift []float32, rows, width, yPitch, xPitch, zPitch int) // norm + z
	normAddReLU func(y, x, z, mean, scale, shift []float32, rows, width, yPitch, xPitch, zPitch int)

	normGrad func(dx, x, dy, mean, scale, shift, slope []float32, rows, width, dxPitch, xPitch, dyPitch int) // scale·(dy − shift − (x − mean)·slope)
	// normReLUGrad is normGrad with dy only where normReLU with the shift bias lets x pass.
	normReLUGrad func(dx, x, dy, mean, scale, bias, shift, slope []float32, rows, width, dxPitch, xPitch, dyPitch int)

	// Sums over rows, added to the totals of the elements; the lengths of to and mean are
	// whole vectors.

	addSums     func(to []float64, x []float32, rows, width, xPitch int)
	addSquares  func(to []float64, x, mean []float32, rows, width, xPitch int)            // of x − mean
	addProducts func(to []float64, x, g, mean []float32, rows, width, xPitch, gPitch int) // of x − mean and g

	// Two sums in one pass.

	addMoments   func(to, squares []float64, x []float32, rows, width, xPitch int)                                 // of x and of its squares
	addGrads     func(to, products []float64, x, g, mean []float32, rows, width, xPitch, gPitch int)               // of g and of x − mean and g
	addGradsReLU func(to, products []float64, x, g, mean, scale, shift []float32, rows, width, xPitch, gPitch int) // the same, with g only where normReLU lets x pass
}

var genericChannels = channelOps{
	shift: shiftGo, shiftReLU: shiftReLUGo, norm: normGo, normReLU: normReLUGo, normAdd: normAddGo, normAddReLU: normAddReLUGo, normGrad: normGradGo, normReLUGrad: normReLUGradGo,
	addSums: addSumsGo, addSquares: addSquaresGo, addProducts: addProductsGo,
	addMoments: addMomentsGo, addGrads: addGradsGo, addGradsReLU: addGradsReLUGo,
}

func shiftGo(y, x, v []float32, rows, width, yPitch, xPitch int) {
	for r := range rows {
		y, x := y[r*yPitch:][:width], x[r*xPitch:][:width]
		for i, e := range x {
			y[i] = e + v[i]
		}
	}
}

func shiftReLUGo(y, x, v []float32, rows, width, yPitch, xPitch int) {
	for r := range rows {
		y, x := y[r*yPitch:][:width], x[r*xPitch:][:width]
		for i, e := range x {
			y[i] = max(e+v[i], 0)
		}
	}
}

func normGo(y, x, mean, scale, shift []float32, rows, width, yPitch, xPitch int) {
	for r := range rows {
		y, x := y[r*yPitch:][:width], x[r*xPitch:][:width]
		for i, v := range x {
			y[i] = (v-mean[i])*scale[i] + shift[i]
		}
	}
}

func normReLUGo(y, x, mean, scale, shift []float32, rows, width, yPitch, xPitch int) {
	for r := range rows {
		y, x := y[r*yPitch:][:width], x[r*xPitch:][:width]
		for i, v := range x {
			y[i] = max((v-mean[i])*scale[i]+shift[i], 0)
		}
	}
}

func normAddGo(y, x, z, mean, scale, shift []float32, rows, width, yPitch, xPitch, zPitch int) {
	for r := range rows {
		y, x, z := y[r*yPitch:][:width], x[r*xPitch:][:width], z[r*zPitch:][:width]
		for i, v := range x {
			y[i] = (v-mean[i])*scale[i] + shift[i] + z[i]
		}
	}
}

func normAddReLUGo(y, x, z, mean, scale, shift []float32, rows, width, yPitch, xPitch, zPitch int) {
	for r := range rows {
		y, x, z := y[r*yPitch:][:width], x[r*xPitch:][:width], z[r*zPitch:][:width]
		for i, v := range x {
			y[i] = max((v-mean[i])*scale[i]+shift[i]+z[i], 0)
		}
	}
}

func normGradGo(dx, x, dy, mean, scale, shift, slope []float32, rows, width, dxPitch, xPitch, dyPitch int) {
	for r := range rows {
		dx, x, dy := dx[r*dxPitch:][:width], x[r*xPitch:][:width], dy[r*dyPitch:][:width]
		for i, v := range x {
			dx[i] = scale[i] * (dy[i] - shift[i] - (v-mean[i])*slope[i])
		}
	}
}

func normReLUGradGo(dx, x, dy, mean, scale, bias, shift, slope []float32, rows, width, dxPitch, xPitch, dyPitch int) {
	for r := range rows {
		dx, x, dy := dx[r*dxPitch:][:width], x[r*xPitch:][:width], dy[r*dyPitch:][:width]
		for i, v := range x {
			g := dy[i]
			if !((v-mean[i])*scale[i]+bias[i] > 0) {
				g = 0
			}
			dx[i] = scale[i] * (g - shift[i] - (v-mean[i])*slope[i])
		}
	}
}

func addSumsGo(to []float64, x []float32, rows, width, xPitch int) {
	for r := range rows {
		for i, v := range x[r*xPitch:][:width] {
			to[i] += float64(v)
		}
	}
}

func addSquaresGo(to []float64, x, mean []float32, rows, width, xPitch int) {
	for r := range rows {
		for i, v := range x[r*xPitch:][:width] {
			d := float64(v) - float64(mean[i])
			to[i] += d * d
		}
	}
}

func addProductsGo(to []float64, x, g, mean []float32, rows, width, xPitch, gPitch int) {
	for r := range rows {
		g := g[r*gPitch:][:width]
		for i, v := range x[r*xPitch:][:width] {
			to[i] += (float64(v) - float64(mean[i])) * float64(g[i])
		}
	}
}

func addMomentsGo(to, squares []float64, x []float32, rows, width, xPitch int) {
	for r := range rows {
		for i, v := range x[r*xPitch:][:width] {
			to[i] += float64(v)
			squares[i] += float64(v) * float64(v)
		}
	}
}

func addGradsGo(to, products []float64, x, g, mean []float32, rows, width, xPitch, gPitch int) {
	for r := range rows {
		g := g[r*gPitch:][:width]
		for i, v := range x[r*xPitch:][:width] {
			to[i] += float64(g[i])
			products[i] += float64(v-mean[i]) * float64(g[i])
		}
	}
}

func addGradsReLUGo(to, products []float64, x, g, mean, scale, shift []float32, rows, width, xPitch, gPitch int) {
	for r := range rows {
		g := g[r*gPitch:][:width]
		for i, v := range x[r*xPitch:][:width] {
			if d := v - mean[i]; d*scale[i]+shift[i] > 0 {
				to[i] += float64(g[i])
				products[i] += float64(d) * float64(g[i])
			}
		}
	}
}
