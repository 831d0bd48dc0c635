package cpu

// rowOps are the element-wise loops over rows of one length: of the first argument. The
// Go functions below are the generic ones, the ends of the others and their reference.
type rowOps struct {
	relu     func(y, x []float32)
	reluGrad func(dx, y, dy []float32) // dy where y > 0
	add      func(y, a, b []float32)
	addReLU  func(y, a, b []float32)
	maximum  func(y, a, b []float32) // what is no number stays
	sgd      func(to, w, m, g []float32, mu, decay, rate float32)

	// Copies to and from the layouts of tiles; see copies.go.

	copyPanel func(to, from []float32, rows, cols, n, toRow, toCol, fromRow, fromCol int)
	spread    func(to, from []float32, rows, cols, n, per, lanes, toRow, fromRow, fromCol int)

	squares func(x []float32, mean float64) float64 // of x − mean, in double precision

	// Copies of words in another order (grid.go).

	stride    func(to, from []uint32, rows, cols, toPitch, toStep, fromPitch, fromStep int) // to[i·toPitch+j·toStep] = from[i·fromPitch+j·fromStep]
	shuffle   func(to, from []uint32, rows, groups, per, toPitch, fromPitch int)            // to[i·toPitch+j·groups+g] = from[i·fromPitch+g·per+j]
	transpose func(to, from []uint32, rows, cols, toPitch, fromPitch int)                   // to[j·toPitch+i] = from[i·fromPitch+j]

	// Dropout (dropout.go).

	philox func(bits []uint32, blocks []uint64, key, stream uint64)                                 // bits[(4·i+w)·8+l]: word w of the i-th block from blocks[l] on, l < 8
	drop   func(y, x []float32, bits []uint32, rows, yStep, xStep int, below uint32, scale float32) // rows of eight: x·scale where bits are above below, else 0

	channelOps
	streamed channelOps // for outputs that no cache holds until they are read
	windowOps
	lrnOps
}

var genericRows = rowOps{
	relu: reluGo, reluGrad: reluGradGo, add: addGo, addReLU: addReLUGo, maximum: maximumGo, sgd: sgdGo,
	copyPanel: copyPanelGo, spread: spreadGo, stride: strideGo[uint32], transpose: transposeGo, shuffle: shuffleGo, philox: philoxGo, drop: dropGo, squares: squaresGo,
	channelOps: genericChannels, streamed: genericChannels, windowOps: genericWindows, lrnOps: genericLRN,
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

func squaresGo(x []float32, mean float64) float64 {
	var s float64
	for _, v := range x {
		d := float64(v) - mean
		s += d * d
	}
	return s
}
