package cpu

// tileReference is what every tile computes, for the tests: positions and width are the
// tile's, vector its lanes.
func tileReference(positions, width, vector int, w, x []float32, runs, at []int, y []float32, to []int, start []float32, last int, low float32) {
	reference(positions, width, vector, false, w, x, runs, at, y, to, start, last, low)
}

// lanesReference is what every tile in lanes computes, for the tests.
func lanesReference(positions, width int, w, x []float32, runs, at []int, y []float32, to []int, start []float32, last int, low float32) {
	reference(positions, width, width, true, w, x, runs, at, y, to, start, last, low)
}

func reference(positions, width, vector int, lanes bool, w, x []float32, runs, at []int, y []float32, to []int, start []float32, last int, low float32) {
	n := width - vector + last
	sums := make([]float32, positions*n)
	for tile := 0; tile < len(at); tile += positions {
		for p := range positions {
			for v := range n {
				s := &sums[p*n+v]
				*s = 0
				if len(start) > 0 {
					*s = start[v]
				}
				for r := 0; r < len(runs); r += 3 {
					step := runs[r+2]
					for i := runs[r]; i < runs[r+1]; step++ {
						if lanes {
							*s += w[step*width+v] * x[at[tile+p]+i+v]
							i += width
						} else {
							*s += w[step*width+v] * x[at[tile+p]+i]
							i++
						}
					}
				}
				if len(start) == 0 {
					*s += y[to[tile+p]+v]
				}
			}
		}
		for p := range positions {
			for v := range n {
				y[to[tile+p]+v] = max(sums[p*n+v], low)
			}
		}
	}
}

// directReference is what every function of a direct tile computes, for the tests.
func directReference(d *directTile, w, x []float32, rows, xRow, xCol, xUnit, channels int, y []float32, yCol int, start []float32, units, ends int, low float32) {
	first, end, width := ends&leftEnd, d.columns(), d.width()
	if ends&rightEnd != 0 {
		end--
	}
	if d.per > 0 {
		channels = d.per
	}
	for ch := range units * width {
		unit, lane := ch/width, ch%width
		from := unit * xUnit
		if d.per > 0 {
			from += lane / d.per * d.per
		}
		for i := range d.outputs {
			s := start[ch]
			for r := range rows {
				for c := range channels {
					for tap := range 3 {
						if j := i*d.stride + tap; j >= first && j < end {
							s += w[(((unit*3+r)*channels+c)*3+tap)*width+lane] * x[r*xRow+(j-first)*xCol+from+c]
						}
					}
				}
			}
			y[i*yCol+ch] = max(s, low)
		}
	}
}

// squareReference is what every squareTile computes, for the tests.
func squareReference(q *squareTile, w, x []float32, xRow, xCol int, y []float32, yRow, yCol int, start []float32, units, ends int, low float32) {
	d := directTile{lanes: q.lanes, per: 1, vectors: 1, stride: 1, outputs: q.outputs}
	for row := range q.rows {
		directReference(&d, w, x[row*xRow:], 3, xRow, xCol, q.lanes, 1, y[row*yRow:], yCol, start, units, ends, low)
	}
}

// directGradReference is what every directGradTile computes, for the tests.
func directGradReference(d *directGradTile, w, dy []float32, rows, dyRow, dyCol, dyUnit, channels int, dx []float32, dxRow, dxCol int, units, ends int) {
	if d.per > 0 {
		channels = d.per
	}
	for ch := range units * d.lanes {
		unit, lane := ch/d.lanes, ch%d.lanes
		from := unit * dyUnit
		if d.per > 0 {
			from += lane / d.per * d.per
		}
		for p := range d.positions {
			var sums [2][2]float32
			for i, k := range gradTaps {
				if k.down == rows || ends == rightEnd && p+k.across == d.positions {
					continue
				}
				for c := range channels {
					sums[k.row][k.col] += w[((unit*channels+c)*9+i)*d.lanes+lane] * dy[k.down*dyRow+(p+k.across)*dyCol+from+c]
				}
			}
			for i := range 4 {
				dx[i/2*dxRow+(2*p+i%2)*dxCol+ch] = sums[i/2][i%2]
			}
		}
	}
}

// planarReference is what every planarTile computes, for the tests.
func planarReference(d *planarTile, w, x []float32, taps []int, channels, plane int, at []int, y []float32, to []int, yPlane int, start []float32, low float32) {
	for v := range at {
		for o := range d.outputs {
			for l := range d.lanes {
				s := start[o]
				for t := 0; t < len(taps); t += 2 {
					for c := range channels {
						s += w[taps[t+1]+c*d.outputs+o] * x[at[v]+taps[t]+c*plane+l]
					}
				}
				y[to[v]+o*yPlane+l] = max(s, low)
			}
		}
	}
}

// dealtReference is what every dealtTile computes, for the tests.
func dealtReference(d *dealtTile, w, x []float32, rows, xRow int, y []float32, yRow, yCol int, order []int32, start []float32, low float32) {
	groups := d.lanes / d.per
	for h := range rows {
		for i := range d.outputs {
			for l := range d.lanes {
				from := int(order[l])
				s := start[from]
				for r := range 3 {
					for c := range d.per {
						for tap := range 3 {
							s += w[((r*d.per+c)*3+tap)*d.lanes+from] * x[(h*d.stride+r)*xRow+(i*d.stride+tap)*d.lanes+c*groups+from%groups]
						}
					}
				}
				y[h*yRow+i*yCol+l] = max(s, low)
			}
		}
	}
}

// outerReference is what every outer tile computes, for the tests.
func outerReference(rows, width int, dy, x []float32, strips, images, mapRows, cols, dyImage, dyRow, dyCol, xImage, xRow, xCol int, sums []float32) {
	for n := range images {
		for h := range mapRows {
			for c := range cols {
				g, v := dy[n*dyImage+h*dyRow+c*dyCol:], x[n*xImage+h*xRow+c*xCol:]
				for i := range strips * rows {
					for j := range width {
						sums[i*width+j] += g[i] * v[j]
					}
				}
			}
		}
	}
}

// narrowReference is what every narrowTile computes, for the tests.
func narrowReference(k *narrowTile, dy, x []float32, strips, rows, cols, dyRow, dyCol, xRow, xCol, xTap int, sums []float32) {
	group, channel := k.per, 1 // lanes from group to group, from channel to channel
	if k.dealt {
		group, channel = 1, k.lanes/k.per
	}
	for h := range rows {
		for c := range cols {
			g, v := dy[h*dyRow+c*dyCol:], x[h*xRow+c*xCol:]
			for i := range strips * k.taps * k.block * k.rows * k.lanes {
				l, col := i%k.lanes, i/k.lanes%k.rows
				p, tap := i/k.lanes/k.rows%k.block, i/k.lanes/k.rows/k.block%k.taps
				p += i / k.lanes / k.rows / k.block / k.taps * k.block
				from := p * channel
				if k.dealt {
					from += l % channel
				} else {
					from += l / group * group
				}
				sums[i] += g[from] * v[tap*xTap+col*k.lanes+l]
			}
		}
	}
}

// tile2x4 is tileReference with sums in registers.
func tile2x4(w, x []float32, runs, at []int, y []float32, to []int, start []float32, last int, _ []float32, _ int, low float32) {
	for ; len(at) > 1; at, to = at[2:], to[2:] {
		var s [2][4]float32
		if len(start) > 0 {
			s = [2][4]float32{[4]float32(start), [4]float32(start)}
		}
		a, b, c, d := s[0][0], s[0][1], s[0][2], s[0][3]
		e, f, g, h := s[1][0], s[1][1], s[1][2], s[1][3]
		for r := 0; r < len(runs); r += 3 {
			rest := w[4*runs[r+2]:]
			x0, x1 := x[at[0]+runs[r]:at[0]+runs[r+1]], x[at[1]+runs[r]:at[1]+runs[r+1]]
			x1 = x1[:len(x0)]
			for i, u := range x0 {
				v, q := x1[i], rest[:4]
				rest = rest[4:]
				a += u * q[0]
				b += u * q[1]
				c += u * q[2]
				d += u * q[3]
				e += v * q[0]
				f += v * q[1]
				g += v * q[2]
				h += v * q[3]
			}
		}
		s = [2][4]float32{{a, b, c, d}, {e, f, g, h}}
		if len(start) == 0 { // all is read before any is written
			for p := range s {
				for i, v := range y[to[p]:][:last] {
					s[p][i] += v
				}
			}
		}
		for p := range s {
			out := y[to[p]:][:last]
			for i := range out {
				out[i] = max(s[p][i], low)
			}
		}
	}
}

// lanes2x4 is lanesReference with sums in registers.
func lanes2x4(w, x []float32, runs, at []int, y []float32, to []int, start []float32, last int, _ []float32, _ int, low float32) {
	if len(start) == 0 { // no kernel of this package adds to y in lanes
		lanesReference(2, 4, w, x, runs, at, y, to, start, last, low)
		return
	}
	for i, from := range at {
		s := [4]float32(start)
		a, b, c, d := s[0], s[1], s[2], s[3]
		for r := 0; r < len(runs); r += 3 {
			rest := w[4*runs[r+2]:]
			for j := runs[r]; j < runs[r+1]; j += 4 {
				v, q := x[from+j:][:4], rest[:4]
				rest = rest[4:]
				a += v[0] * q[0]
				b += v[1] * q[1]
				c += v[2] * q[2]
				d += v[3] * q[3]
			}
		}
		s = [4]float32{a, b, c, d}
		out := y[to[i]:][:last]
		for j := range out {
			out[j] = max(s[j], low)
		}
	}
}

// outer2x4 is outerReference with sums in registers.
func outer2x4(dy, x []float32, strips, images, rows, cols, dyImage, dyRow, dyCol, xImage, xRow, xCol int, sums, _ []float32, _ int, _, _ []float32, _ []int) {
	for range strips {
		var a, b, c, d, e, f, g, h float32
		for n := range images {
			for r := range rows {
				i, j := n*dyImage+r*dyRow, n*xImage+r*xRow
				for range cols {
					u, v, q := dy[i], dy[i+1], x[j:][:4]
					a += u * q[0]
					b += u * q[1]
					c += u * q[2]
					d += u * q[3]
					e += v * q[0]
					f += v * q[1]
					g += v * q[2]
					h += v * q[3]
					i += dyCol
					j += xCol
				}
			}
		}
		for i, v := range [8]float32{a, b, c, d, e, f, g, h} {
			sums[i] += v
		}
		dy, sums = dy[2:], sums[8:]
	}
}

// narrow1x4 is narrowReference for one vector of four lanes.
func narrow1x4(dy, x []float32, _, rows, cols, dyRow, dyCol, xRow, xCol, _ int, sums, _, _ []float32, _ []int32, _ []int) {
	var a, b, c, d float32
	for r := range rows {
		i, j := r*dyRow, r*xRow
		for range cols {
			g, v := dy[i:][:4], x[j:][:4]
			a += g[0] * v[0]
			b += g[1] * v[1]
			c += g[2] * v[2]
			d += g[3] * v[3]
			i += dyCol
			j += xCol
		}
	}
	for i, v := range [4]float32{a, b, c, d} {
		sums[i] += v
	}
}

// narrowPairs1x4 is narrowReference for one vector of four lanes in groups of two.
func narrowPairs1x4(dy, x []float32, strips, rows, cols, dyRow, dyCol, xRow, xCol, xTap int, sums, _, _ []float32, _ []int32, _ []int) {
	narrowReference(&narrowTile{per: 2, block: 2, taps: 1, rows: 1, lanes: 4}, dy, x, strips, rows, cols, dyRow, dyCol, xRow, xCol, xTap, sums)
}

// narrowFours1x4 is narrowReference for one vector of four lanes in a group of four.
func narrowFours1x4(dy, x []float32, strips, rows, cols, dyRow, dyCol, xRow, xCol, xTap int, sums, _, _ []float32, _ []int32, _ []int) {
	narrowReference(&narrowTile{per: 4, block: 4, taps: 1, rows: 1, lanes: 4}, dy, x, strips, rows, cols, dyRow, dyCol, xRow, xCol, xTap, sums)
}

// dotReference is what every dotTile computes, for the tests: mr and nr are the tile's.
func dotReference(mr, nr int, a []float32, offA []int, b []float32, offB []int, n, segments, stepA, stepB int, sums []float32) {
	for i := range mr {
		for j := range nr {
			var sum float32
			for s := range segments {
				for t := range n {
					sum += a[offA[i]+s*stepA+t] * b[offB[j]+s*stepB+t]
				}
			}
			sums[i*nr+j] = sum
		}
	}
}

// dot2x2 is dotReference with sums in registers, two chains each.
func dot2x2(a []float32, offA []int, b []float32, offB []int, n, segments, stepA, stepB int, sums []float32) {
	var c00, c01, c10, c11, d00, d01, d10, d11 float32
	for s := range segments {
		a0, a1 := a[offA[0]+s*stepA:][:n], a[offA[1]+s*stepA:][:n]
		b0, b1 := b[offB[0]+s*stepB:][:n], b[offB[1]+s*stepB:][:n]
		for t := 0; t+2 <= n; t += 2 {
			p0, p1, q0, q1 := a0[t:][:2], a1[t:][:2], b0[t:][:2], b1[t:][:2]
			c00 += p0[0] * q0[0]
			c01 += p0[0] * q1[0]
			c10 += p1[0] * q0[0]
			c11 += p1[0] * q1[0]
			d00 += p0[1] * q0[1]
			d01 += p0[1] * q1[1]
			d10 += p1[1] * q0[1]
			d11 += p1[1] * q1[1]
		}
	}
	sums[0], sums[1], sums[2], sums[3] = c00+d00, c01+d01, c10+d10, c11+d11
}
