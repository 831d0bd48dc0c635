package cpu

// tileReference is what every tile computes, for the tests: mr and nr are the tile's.
func tileReference(mr, nr int, a, b []float32, off []int, c []float32, ldc int, add bool) {
	for i := range mr {
		for j := range nr {
			var s float32
			for t, o := range off {
				s += a[t*mr+i] * b[o+j]
			}
			if add {
				s += c[i*ldc+j]
			}
			c[i*ldc+j] = s
		}
	}
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

// tile2x4 is tileReference with sums in registers.
func tile2x4(a, b []float32, off []int, c []float32, ldc int, add bool) {
	var c00, c01, c02, c03, c10, c11, c12, c13 float32
	for _, o := range off {
		p, q := a[:2], b[o:][:4]
		a = a[2:]
		a0, a1 := p[0], p[1]
		b0, b1, b2, b3 := q[0], q[1], q[2], q[3]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
	}
	r0, r1 := c[:4], c[ldc:][:4]
	if add {
		c00 += r0[0]
		c01 += r0[1]
		c02 += r0[2]
		c03 += r0[3]
		c10 += r1[0]
		c11 += r1[1]
		c12 += r1[2]
		c13 += r1[3]
	}
	r0[0], r0[1], r0[2], r0[3] = c00, c01, c02, c03
	r1[0], r1[1], r1[2], r1[3] = c10, c11, c12, c13
}

// tile1x8 is tileReference with sums in registers.
func tile1x8(a, b []float32, off []int, c []float32, _ int, add bool) {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for t, o := range off {
		v, q := a[t], b[o:][:8]
		s0 += v * q[0]
		s1 += v * q[1]
		s2 += v * q[2]
		s3 += v * q[3]
		s4 += v * q[4]
		s5 += v * q[5]
		s6 += v * q[6]
		s7 += v * q[7]
	}
	r := c[:8]
	if add {
		s0 += r[0]
		s1 += r[1]
		s2 += r[2]
		s3 += r[3]
		s4 += r[4]
		s5 += r[5]
		s6 += r[6]
		s7 += r[7]
	}
	r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7] = s0, s1, s2, s3, s4, s5, s6, s7
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
