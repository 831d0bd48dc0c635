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
	copyPanel: func(to, from []float32, rows, cols, n, toRow, toCol, fromRow, fromCol int) {
		_, _ = to[(rows-1)*toRow+(cols-1)*toCol+n-1], from[(rows-1)*fromRow+(cols-1)*fromCol+n-1]
		switch n {
		case 8:
			copyEights1AVX2(to, from, rows, cols, toRow, toCol, fromRow, fromCol)
		case 16:
			copyEights2AVX2(to, from, rows, cols, toRow, toCol, fromRow, fromCol)
		default:
			copyPanelAVX2(to, from, rows, cols, n/8, n%8, toRow, toCol, fromRow, fromCol)
		}
	},
	spread: func(to, from []float32, rows, cols, n, per, width, toRow, fromRow, fromCol int) {
		if width != 8 || n != 8 || per == 1 {
			spreadGo(to, from, rows, cols, n, per, width, toRow, fromRow, fromCol)
			return
		}
		_, _ = to[(rows-1)*toRow+(cols-1)*per*8+per*8-1], from[(rows-1)*fromRow+(cols-1)*fromCol+7]
		if per == 4 {
			spread4AVX2(to, from, rows, cols, toRow, fromRow, fromCol)
		} else {
			spread2AVX2(to, from, rows, cols, toRow, fromRow, fromCol)
		}
	},
	stride: func(to, from []uint32, rows, cols, toPitch, toStep, fromPitch, fromStep int) {
		if toStep == 1 && fromStep == 1 || rows == 0 || cols == 0 {
			strideGo(to, from, rows, cols, toPitch, toStep, fromPitch, fromStep)
			return
		}
		_, _ = to[(rows-1)*toPitch+(cols-1)*toStep], from[(rows-1)*fromPitch+(cols-1)*fromStep]
		strideAMD64(to, from, rows, cols, toPitch, toStep, fromPitch, fromStep)
	},
	transpose: func(to, from []uint32, rows, cols, toPitch, fromPitch int) {
		n, m := rows&^7, cols&^7
		if n == 0 || m == 0 {
			transposeGo(to, from, rows, cols, toPitch, fromPitch)
			return
		}
		_, _ = to[(cols-1)*toPitch+rows-1], from[(rows-1)*fromPitch+cols-1]
		some := max(16, transposed/cols&^15) // rows whose lines stay in the first-level cache until all columns are read
		for i := 0; i < n; i += some {
			transposeAVX2(to[i:], from[i*fromPitch:], min(some, n-i), m, toPitch, fromPitch)
		}
		// The last squares overlap those before them.
		if m < cols {
			transposeAVX2(to[(cols-8)*toPitch:], from[cols-8:], n, 8, toPitch, fromPitch)
		}
		if n < rows {
			transposeAVX2(to[rows-8:], from[(rows-8)*fromPitch:], 8, m, toPitch, fromPitch)
		}
		if m < cols && n < rows {
			transposeAVX2(to[(cols-8)*toPitch+rows-8:], from[(rows-8)*fromPitch+cols-8:], 8, 8, toPitch, fromPitch)
		}
	},
	shuffle: func(to, from []uint32, rows, groups, per, toPitch, fromPitch int) {
		if rows == 0 {
			return
		}
		_, _ = to[(rows-1)*toPitch+groups*per-1], from[(rows-1)*fromPitch+groups*per-1]
		switch {
		case groups == 3 && per >= 8:
			interleaveAVX2(to, from, rows, per, toPitch, fromPitch)
		case per == 3 && groups >= 8:
			separateAVX2(to, from, rows, groups, toPitch, fromPitch)
		default: // a group at a time, of so few rows that they stay in the first-level cache
			for i := 0; i < rows; i += shuffleRows {
				for g := range groups {
					strideAMD64(to[i*toPitch+g:], from[i*fromPitch+g*per:], min(shuffleRows, rows-i), per, toPitch, groups, fromPitch, 1)
				}
			}
		}
	},
	philox: func(bits []uint32, blocks []uint64, key, stream uint64) {
		if n := len(bits) &^ 31; n > 0 {
			philoxAVX2(bits[:n], blocks[:8], key, stream)
		}
	},
	drop: func(y, x []float32, bits []uint32, rows, yStep, xStep int, below uint32, scale float32) {
		if rows > 0 {
			_, _, _ = y[(rows-1)*yStep+7], x[(rows-1)*xStep+7], bits[rows*8-1]
			dropAVX2(y, x, bits, rows, yStep, xStep, below, scale)
		}
	},
	squares: func(x []float32, mean float64) float64 {
		n, s := len(x)&^15, 0.0
		if n > 0 {
			s = squaresAVX2(x[:n], mean)
		}
		return s + squaresGo(x[n:], mean)
	},
	channelOps: avx2Channels(false),
	streamed:   avx2Channels(true),
	windowOps:  avx2Windows,
	lrnOps:     avx2LRN,
}

// transposed is how many words are transposed together.
const transposed = 3 << 10

// shuffleRows is how many rows are shuffled together.
const shuffleRows = 8

// masks are eight lanes that are let through and eight that are not.
var masks = [16]int32{-1, -1, -1, -1, -1, -1, -1, -1}

// lanes returns the mask of the first n of eight lanes.
func lanes(n int) []int32 { return masks[8-n:][:8] }
