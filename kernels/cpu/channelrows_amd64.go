//go:build amd64 && !purego

package cpu

import "unsafe"

// avx2Channels returns loops that run eight elements at a time; stores of a stream pass the
// caches by where they can. Rows of fewer elements are left to Go, except in sums, whose
// loads are masked.
func avx2Channels(stream bool) channelOps {
	o := avx2Sums
	o.shift, o.shiftReLU = shiftBy(shiftAVX2, shiftGo, stream), shiftBy(shiftReLUAVX2, shiftReLUGo, stream)
	o.norm, o.normReLU = normBy(normAVX2, normGo, stream), normBy(normReLUAVX2, normReLUGo, stream)
	o.normAdd, o.normAddReLU = normAddBy(normAddAVX2, normAddGo, stream), normAddBy(normAddReLUAVX2, normAddReLUGo, stream)
	o.normGrad = func(dx, x, dy, mean, scale, shift, slope []float32, rows, width, dxPitch, xPitch, dyPitch int) {
		if width < 8 {
			normGradGo(dx, x, dy, mean, scale, shift, slope, rows, width, dxPitch, xPitch, dyPitch)
			return
		}
		_, _, _ = dx[(rows-1)*dxPitch+width-1], x[(rows-1)*xPitch+width-1], dy[(rows-1)*dyPitch+width-1]
		_, _, _, _ = mean[width-1], scale[width-1], shift[width-1], slope[width-1]
		normGradAVX2(dx, x, dy, mean, scale, shift, slope, rows, width, dxPitch, xPitch, dyPitch, wholeLines(stream, dx, width, dxPitch))
	}
	o.normReLUGrad = func(dx, x, dy, mean, scale, bias, shift, slope []float32, rows, width, dxPitch, xPitch, dyPitch int) {
		if width < 8 {
			normReLUGradGo(dx, x, dy, mean, scale, bias, shift, slope, rows, width, dxPitch, xPitch, dyPitch)
			return
		}
		_, _, _ = dx[(rows-1)*dxPitch+width-1], x[(rows-1)*xPitch+width-1], dy[(rows-1)*dyPitch+width-1]
		_, _, _, _, _ = mean[width-1], scale[width-1], bias[width-1], shift[width-1], slope[width-1]
		normReLUGradAVX2(dx, x, dy, mean, scale, bias, shift, slope, rows, width, dxPitch, xPitch, dyPitch, wholeLines(stream, dx, width, dxPitch))
	}
	return o
}

// wholeLines returns 1 if rows should be streamed and begin and end with cache lines, else 0.
func wholeLines(stream bool, y []float32, width, pitch int) int {
	if stream && (width|pitch)%(align/4) == 0 && uintptr(unsafe.Pointer(unsafe.SliceData(y)))%align == 0 {
		return 1
	}
	return 0
}

var avx2Sums = channelOps{
	addSums: func(to []float64, x []float32, rows, width, xPitch int) {
		_, _ = to[roundUp(width, 8)-1], x[(rows-1)*xPitch+width-1]
		addSumsAVX2(to, x, rows, width, xPitch, lanes(width%8))
	},
	addSquares: func(to []float64, x, mean []float32, rows, width, xPitch int) {
		_, _, _ = to[roundUp(width, 8)-1], x[(rows-1)*xPitch+width-1], mean[roundUp(width, 8)-1]
		addSquaresAVX2(to, x, mean, rows, width, xPitch, lanes(width%8))
	},
	addProducts: func(to []float64, x, g, mean []float32, rows, width, xPitch, gPitch int) {
		_, _, _, _ = to[roundUp(width, 8)-1], x[(rows-1)*xPitch+width-1], g[(rows-1)*gPitch+width-1], mean[roundUp(width, 8)-1]
		addProductsAVX2(to, x, g, mean, rows, width, xPitch, gPitch, lanes(width%8))
	},
	addMoments: func(to, squares []float64, x []float32, rows, width, xPitch int) {
		last := roundUp(width, 8) - 1
		_, _, _ = to[last], squares[last], x[(rows-1)*xPitch+width-1]
		addMomentsAVX2(to, squares, x, rows, width, xPitch, lanes(width%8))
	},
	addGrads: func(to, products []float64, x, g, mean []float32, rows, width, xPitch, gPitch int) {
		last := roundUp(width, 8) - 1
		_, _, _, _, _ = to[last], products[last], mean[last], x[(rows-1)*xPitch+width-1], g[(rows-1)*gPitch+width-1]
		addGradsAVX2(to, products, x, g, mean, rows, width, xPitch, gPitch, lanes(width%8))
	},
	addGradsReLU: func(to, products []float64, x, g, mean, scale, shift []float32, rows, width, xPitch, gPitch int) {
		last := roundUp(width, 8) - 1
		_, _, _, _, _ = to[last], products[last], mean[last], scale[last], shift[last]
		_, _ = x[(rows-1)*xPitch+width-1], g[(rows-1)*gPitch+width-1]
		addGradsReLUAVX2(to, products, x, g, mean, scale, shift, rows, width, xPitch, gPitch, lanes(width%8))
	},
}

type (
	shiftFunc = func(y, x, v []float32, rows, width, yPitch, xPitch int)
	normFunc  = func(y, x, mean, scale, shift []float32, rows, width, yPitch, xPitch int)
	addFunc   = func(y, x, z, mean, scale, shift []float32, rows, width, yPitch, xPitch, zPitch int)
)

func shiftBy(vectors func(y, x, v []float32, rows, width, yPitch, xPitch, stream int), narrow shiftFunc, stream bool) shiftFunc {
	return func(y, x, v []float32, rows, width, yPitch, xPitch int) {
		if width < 8 {
			narrow(y, x, v, rows, width, yPitch, xPitch)
			return
		}
		_, _, _ = y[(rows-1)*yPitch+width-1], x[(rows-1)*xPitch+width-1], v[width-1]
		vectors(y, x, v, rows, width, yPitch, xPitch, wholeLines(stream, y, width, yPitch))
	}
}

func normBy(vectors func(y, x, mean, scale, shift []float32, rows, width, yPitch, xPitch, stream int), narrow normFunc, stream bool) normFunc {
	return func(y, x, mean, scale, shift []float32, rows, width, yPitch, xPitch int) {
		if width < 8 {
			narrow(y, x, mean, scale, shift, rows, width, yPitch, xPitch)
			return
		}
		_, _, _, _, _ = y[(rows-1)*yPitch+width-1], x[(rows-1)*xPitch+width-1], mean[width-1], scale[width-1], shift[width-1]
		vectors(y, x, mean, scale, shift, rows, width, yPitch, xPitch, wholeLines(stream, y, width, yPitch))
	}
}

func normAddBy(vectors func(y, x, z, mean, scale, shift []float32, rows, width, yPitch, xPitch, zPitch, stream int), narrow addFunc, stream bool) addFunc {
	return func(y, x, z, mean, scale, shift []float32, rows, width, yPitch, xPitch, zPitch int) {
		if width < 8 {
			narrow(y, x, z, mean, scale, shift, rows, width, yPitch, xPitch, zPitch)
			return
		}
		_, _, _ = y[(rows-1)*yPitch+width-1], x[(rows-1)*xPitch+width-1], z[(rows-1)*zPitch+width-1]
		_, _, _ = mean[width-1], scale[width-1], shift[width-1]
		vectors(y, x, z, mean, scale, shift, rows, width, yPitch, xPitch, zPitch, wholeLines(stream, y, width, yPitch))
	}
}
