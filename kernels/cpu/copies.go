package cpu

// padSlack is how many floats behind the last row padRows may overwrite.
const padSlack = 7

func padRowsGo(to, from []float32, rows, width, before, n, step, gap int) {
	for i := range rows {
		dst, src := to[i*width:][:width], from[i*step:]
		for j := range before {
			dst[j] = 0
		}
		if gap == 1 {
			copy(dst[before:][:n], src)
		} else {
			for j := range dst[before:][:n] {
				dst[before+j] = src[j*gap]
			}
		}
		for j := before + n; j < width; j++ {
			dst[j] = 0
		}
	}
}

func unpadRowsGo(to, from []float32, rows, n, toStep, fromStep int, add, low float32) {
	for i := range rows {
		src := from[i*fromStep:][:n]
		for j, v := range src {
			to[i*toStep+j] = max(v+add, low)
		}
	}
}

func zipGo(to, even, odd []float32) {
	for i, v := range even {
		to[2*i] = v
	}
	for i, v := range odd {
		to[2*i+1] = v
	}
}
