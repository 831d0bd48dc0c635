package cpu

import "math"

// rowOps are the element-wise loops over rows of one length: of the first argument. The
// Go functions below are the generic ones, the ends of the others and their reference.
type rowOps struct {
	relu      func(y, x []float32)
	reluGrad  func(dx, y, dy []float32) // dy where y > 0
	add       func(y, a, b []float32)
	addReLU   func(y, a, b []float32)
	shift     func(y, x []float32, v float32) // x + v
	shiftReLU func(y, x []float32, v float32)
	maximum   func(y, a, b []float32) // what is no number stays
	sgd       func(to, w, m, g []float32, mu, decay, rate float32)
	norm      func(y, x []float32, mean, scale, shift float32) // (x − mean)·scale + shift
	normReLU  func(y, x []float32, mean, scale, shift float32)
	normGrad  func(dx, x, dy []float32, mean, scale, shift, slope float32) // scale·(dy − shift − (x − mean)·slope)

	// pick adds g to where x equals best and done is 0, and marks this in done; lengths are
	// multiples of eight.
	pick func(to, x, best, g, done []float32)

	// Copies of rows; steps are from row to row.

	padRows   func(to, from []float32, rows, width, before, n, step, gap int)           // rows of width: zeros, every gap-th of from n times, zeros; up to padSlack floats behind the last may change
	unpadRows func(to, from []float32, rows, n, toStep, fromStep int, add, low float32) // max(from + add, low)
	zip       func(to, even, odd []float32)                                             // even and odd in turn; odd may be one shorter

	// Sums in double precision.

	sum      func(x []float32) float64
	squares  func(x []float32, mean float64) float64    // of x − mean
	products func(x, g []float32, mean float64) float64 // of x − mean and g

	// Local response normalisation with Beta 3/4. Sums run over count rows of x or ratio
	// that begin stride elements apart; d = k + alpha·Σx².

	lrnForward func(y, own, x []float32, stride, count int, k, alpha float32)           // own·d^(−3/4)
	lrnRatio   func(p, ratio, own, g, x []float32, stride, count int, k, alpha float32) // p = d^(−3/4), ratio = g·own·p/d
	lrnGrad    func(dx, own, g, p, ratio []float32, stride, count int, slope float32)   // g·p − slope·own·Σratio
}

var genericRows = rowOps{
	relu: reluGo, reluGrad: reluGradGo, add: addGo, addReLU: addReLUGo, shift: shiftGo, shiftReLU: shiftReLUGo, maximum: maximumGo, sgd: sgdGo,
	norm: normGo, normReLU: normReLUGo, normGrad: normGradGo, pick: pickGo, padRows: padRowsGo, unpadRows: unpadRowsGo, zip: zipGo, sum: sumGo, squares: squaresGo, products: productsGo,
	lrnForward: lrnForwardGo, lrnRatio: lrnRatioGo, lrnGrad: lrnGradGo,
}

func reluGo(y, x []float32) {
	x = x[:len(y)]
	for i, v := range x {
		y[i] = max(v, 0)
	}
}

func reluGradGo(dx, y, dy []float32) {
	y, dy = y[:len(dx)], dy[:len(dx)]
	for i, v := range y {
		g := dy[i]
		if !(v > 0) {
			g = 0
		}
		dx[i] = g
	}
}

func addGo(y, a, b []float32) {
	a, b = a[:len(y)], b[:len(y)]
	for i, v := range a {
		y[i] = v + b[i]
	}
}

func addReLUGo(y, a, b []float32) {
	a, b = a[:len(y)], b[:len(y)]
	for i, v := range a {
		y[i] = max(v+b[i], 0)
	}
}

func shiftGo(y, x []float32, v float32) {
	x = x[:len(y)]
	for i, e := range x {
		y[i] = e + v
	}
}

func shiftReLUGo(y, x []float32, v float32) {
	x = x[:len(y)]
	for i, e := range x {
		y[i] = max(e+v, 0)
	}
}

func maximumGo(y, a, b []float32) {
	a, b = a[:len(y)], b[:len(y)]
	for i, v := range a {
		y[i] = max(v, b[i])
	}
}

func sgdGo(to, w, m, g []float32, mu, decay, rate float32) {
	w, m, g = w[:len(to)], m[:len(to)], g[:len(to)]
	for i, v := range w {
		s := mu*m[i] + g[i] + decay*v
		m[i] = s
		to[i] = v - rate*s
	}
}

func normGo(y, x []float32, mean, scale, shift float32) {
	x = x[:len(y)]
	for i, v := range x {
		y[i] = (v-mean)*scale + shift
	}
}

func normReLUGo(y, x []float32, mean, scale, shift float32) {
	x = x[:len(y)]
	for i, v := range x {
		y[i] = max((v-mean)*scale+shift, 0)
	}
}

func normGradGo(dx, x, dy []float32, mean, scale, shift, slope float32) {
	x, dy = x[:len(dx)], dy[:len(dx)]
	for i, v := range x {
		dx[i] = scale * (dy[i] - shift - (v-mean)*slope)
	}
}

func pickGo(to, x, best, g, done []float32) {
	x, best, g, done = x[:len(to)], best[:len(to)], g[:len(to)], done[:len(to)]
	for i, v := range x {
		if v == best[i] && done[i] == 0 {
			to[i] += g[i]
			done[i] = 1
		}
	}
}

func sumGo(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v)
	}
	return s
}

func squaresGo(x []float32, mean float64) float64 {
	var s float64
	for _, v := range x {
		d := float64(v) - mean
		s += d * d
	}
	return s
}

func productsGo(x, g []float32, mean float64) float64 {
	g = g[:len(x)]
	var s float64
	for i, v := range x {
		s += (float64(v) - mean) * float64(g[i])
	}
	return s
}

// lrnScale returns k + alpha·Σx² of one element.
func lrnScale(x []float32, stride, count int, k, alpha float32) float32 {
	var s float32
	for j := range count {
		v := x[j*stride]
		s += v * v
	}
	return k + alpha*s
}

// inversePower returns d to the power of −3/4.
func inversePower(d float32) float32 {
	r := sqrt(d)
	return 1 / (r * sqrt(r))
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func lrnForwardGo(y, own, x []float32, stride, count int, k, alpha float32) {
	own = own[:len(y)]
	for i, v := range own {
		y[i] = v * inversePower(lrnScale(x[i:], stride, count, k, alpha))
	}
}

func lrnRatioGo(p, ratio, own, g, x []float32, stride, count int, k, alpha float32) {
	ratio, own, g = ratio[:len(p)], own[:len(p)], g[:len(p)]
	for i, v := range own {
		d := lrnScale(x[i:], stride, count, k, alpha)
		p[i] = inversePower(d)
		ratio[i] = g[i] * v * p[i] / d
	}
}

func lrnGradGo(dx, own, g, p, ratio []float32, stride, count int, slope float32) {
	own, g, p = own[:len(dx)], g[:len(dx)], p[:len(dx)]
	for i, v := range own {
		var s float32
		for j := range count {
			s += ratio[i+j*stride]
		}
		dx[i] = g[i]*p[i] - slope*v*s
	}
}
