//go:build amd64 && !purego

package cpu

// avx2Rows run eight elements at a time in assembly and the rest in Go.
var avx2Rows = rowOps{
	relu: func(y, x []float32) {
		n := len(y) &^ 7
		if n > 0 {
			reluAVX2(y[:n], x[:n])
		}
		reluGo(y[n:], x[n:])
	},
	reluGrad: func(dx, y, dy []float32) {
		n := len(dx) &^ 7
		if n > 0 {
			reluGradAVX2(dx[:n], y[:n], dy[:n])
		}
		reluGradGo(dx[n:], y[n:], dy[n:])
	},
	add: func(y, a, b []float32) {
		n := len(y) &^ 7
		if n > 0 {
			addAVX2(y[:n], a[:n], b[:n])
		}
		addGo(y[n:], a[n:], b[n:])
	},
	addReLU: func(y, a, b []float32) {
		n := len(y) &^ 7
		if n > 0 {
			addReLUAVX2(y[:n], a[:n], b[:n])
		}
		addReLUGo(y[n:], a[n:], b[n:])
	},
	shift: func(y, x []float32, v float32) {
		n := len(y) &^ 7
		if n > 0 {
			shiftAVX2(y[:n], x[:n], v)
		}
		shiftGo(y[n:], x[n:], v)
	},
	shiftReLU: func(y, x []float32, v float32) {
		n := len(y) &^ 7
		if n > 0 {
			shiftReLUAVX2(y[:n], x[:n], v)
		}
		shiftReLUGo(y[n:], x[n:], v)
	},
	maximum: func(y, a, b []float32) {
		n := len(y) &^ 7
		if n > 0 {
			maximumAVX2(y[:n], a[:n], b[:n])
		}
		maximumGo(y[n:], a[n:], b[n:])
	},
	sgd: func(to, w, m, g []float32, mu, decay, rate float32) {
		n := len(to) &^ 7
		if n > 0 {
			sgdAVX2(to[:n], w[:n], m[:n], g[:n], mu, decay, rate)
		}
		sgdGo(to[n:], w[n:], m[n:], g[n:], mu, decay, rate)
	},
	norm: func(y, x []float32, mean, scale, shift float32) {
		n := len(y) &^ 7
		if n > 0 {
			normAVX2(y[:n], x[:n], mean, scale, shift)
		}
		normGo(y[n:], x[n:], mean, scale, shift)
	},
	normReLU: func(y, x []float32, mean, scale, shift float32) {
		n := len(y) &^ 7
		if n > 0 {
			normReLUAVX2(y[:n], x[:n], mean, scale, shift)
		}
		normReLUGo(y[n:], x[n:], mean, scale, shift)
	},
	normGrad: func(dx, x, dy []float32, mean, scale, shift, slope float32) {
		n := len(dx) &^ 7
		if n > 0 {
			normGradAVX2(dx[:n], x[:n], dy[:n], mean, scale, shift, slope)
		}
		normGradGo(dx[n:], x[n:], dy[n:], mean, scale, shift, slope)
	},
	pick: func(to, x, best, g, done []float32) {
		pickAVX2(to, x[:len(to)], best[:len(to)], g[:len(to)], done[:len(to)])
	},
	padRows: func(to, from []float32, rows, width, before, n, step, gap int) {
		if gap > 2 {
			padRowsGo(to, from, rows, width, before, n, step, gap)
			return
		}
		_, _ = to[:rows*width+padSlack], from[(rows-1)*step+(n-1)*gap]
		full := (n - 1) / 8
		rest := n - 8*full // one to eight
		if gap == 1 {
			padRowsAVX2(to, from, rows, width, before, full, step, lanes(rest))
		} else {
			padEvenRowsAVX2(to, from, rows, width, before, full, step, lanes(min(8, 2*rest-1)), lanes(max(0, 2*rest-9)))
		}
	},
	unpadRows: func(to, from []float32, rows, n, toStep, fromStep int, add, low float32) {
		_, _ = to[(rows-1)*toStep+n-1], from[(rows-1)*fromStep+n-1]
		unpadRowsAVX2(to, from, rows, n, toStep, fromStep, add, low)
	},
	zip: func(to, even, odd []float32) {
		n := len(odd) &^ 7
		if n > 0 {
			zipAVX2(to[:2*n], even[:n], odd[:n])
		}
		zipGo(to[2*n:], even[n:], odd[n:])
	},
	sum: func(x []float32) float64 {
		n, s := len(x)&^15, 0.0
		if n > 0 {
			s = sumAVX2(x[:n])
		}
		return s + sumGo(x[n:])
	},
	squares: func(x []float32, mean float64) float64 {
		n, s := len(x)&^15, 0.0
		if n > 0 {
			s = squaresAVX2(x[:n], mean)
		}
		return s + squaresGo(x[n:], mean)
	},
	products: func(x, g []float32, mean float64) float64 {
		n, s := len(x)&^15, 0.0
		if n > 0 {
			s = productsAVX2(x[:n], g[:n], mean)
		}
		return s + productsGo(x[n:], g[n:], mean)
	},
	lrnForward: func(y, own, x []float32, stride, count int, k, alpha float32) {
		n := len(y) &^ 7
		if n > 0 {
			_ = x[(count-1)*stride+n-1]
			lrnForwardAVX2(y[:n], own[:n], x, stride, count, k, alpha)
		}
		if n < len(y) {
			lrnForwardGo(y[n:], own[n:], x[n:], stride, count, k, alpha)
		}
	},
	lrnRatio: func(p, ratio, own, g, x []float32, stride, count int, k, alpha float32) {
		n := len(p) &^ 7
		if n > 0 {
			_ = x[(count-1)*stride+n-1]
			lrnRatioAVX2(p[:n], ratio[:n], own[:n], g[:n], x, stride, count, k, alpha)
		}
		if n < len(p) {
			lrnRatioGo(p[n:], ratio[n:], own[n:], g[n:], x[n:], stride, count, k, alpha)
		}
	},
	lrnGrad: func(dx, own, g, p, ratio []float32, stride, count int, slope float32) {
		n := len(dx) &^ 7
		if n > 0 {
			_ = ratio[(count-1)*stride+n-1]
			lrnGradAVX2(dx[:n], own[:n], g[:n], p[:n], ratio, stride, count, slope)
		}
		if n < len(dx) {
			lrnGradGo(dx[n:], own[n:], g[n:], p[n:], ratio[n:], stride, count, slope)
		}
	},
}

// masks are eight lanes that are let through and eight that are not.
var masks = [16]int32{-1, -1, -1, -1, -1, -1, -1, -1}

// lanes returns the mask of the first n of eight lanes.
func lanes(n int) []int32 { return masks[8-n:][:8] }
