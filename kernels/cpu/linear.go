package cpu

import "cleave/kernels"

// linear is the geometry of a linear layer: y (N×K) = x (N×C) · wᵀ (w is K×C), dot products
// of rows that are read where they are.
type linear struct {
	*geometry
	dot    dotTile
	nb, kb int // samples and outputs of a job
}

const (
	// linearDepth is how many products are summed before they are added to a result, and
	// linearPanel how many of w's rows, in tiles, are used with one tile of x's: both parts
	// together stay in the first-level cache.
	linearDepth = 384
	linearPanel = 4

	linearOutputs = 48 // of a job at most
)

func newLinear(g *geometry, t *tier, threads int) *linear {
	l := &linear{geometry: g, dot: t.dotFor(g.samples, g.k)}
	l.nb = min(g.samples, 64)
	l.kb = min(g.k, linearOutputs)
	for l.jobs() < 4*threads && l.kb > 6 {
		l.kb = ceil(l.kb, 2)
	}
	return l
}

func (l *linear) jobs() int { return l.groups * ceil(l.samples, l.nb) * ceil(l.k, l.kb) }

func (l *linear) floats() int { return roundUp(l.nb*l.kb, 16) }

// workspace is the scratch memory in bytes.
func (l *linear) workspace(threads int) int64 { return 4 * int64(threads) * int64(l.floats()) }

type boundLinear struct {
	*linear
	x, w, y *view
	epilogue
}

func (c *call) linear(l *linear, x, w, y *view, e epilogue) kernels.Launch {
	b := &boundLinear{linear: l, x: x, w: w, y: y, epilogue: e}
	ws, pool, jobs, size := of[float32](c.ws), c.b.pool, l.jobs(), l.floats()
	per := batch(jobs, pool.threads, l.samples*l.groups*l.k*l.c/jobs)
	tables := make([]dotTable, pool.threads)
	body := func(thread, job int) {
		for j := job * per; j < min((job+1)*per, jobs); j++ {
			b.job(&tables[thread], ws[thread*size:][:size], j)
		}
	}
	return func() error {
		pool.run(ceil(jobs, per), body)
		return nil
	}
}

func (b *boundLinear) job(t *dotTable, results []float32, job int) {
	ns, ks := ceil(b.samples, b.nb), ceil(b.k, b.kb)
	n0 := job % ns * b.nb
	job /= ns
	k0 := job % ks * b.kb
	g := job / ks
	samples, outputs := min(b.nb, b.samples-n0), min(b.kb, b.k-k0)
	clear(results)
	x := b.x.f[b.x.at+n0*b.x.st[0]+g*b.c*b.x.st[1]:]
	w := b.w.f[b.w.at+(g*b.k+k0)*b.w.st[0]:]
	done := 0 // of the c products
	if b.x.st[1] == 1 && b.w.st[1] == 1 {
		for done = 0; b.c-done >= dotUnit; {
			n := min(linearDepth, (b.c-done)/dotUnit*dotUnit)
			b.multiply(t, results, x[done:], w[done:], samples, outputs, n)
			done += n
		}
	}
	var scales, starts [linearOutputs]float32
	for k := range outputs {
		scales[k], starts[k] = b.channel(g*b.k + k0 + k)
	}
	for n := range samples {
		for k := range outputs {
			s := results[n*b.kb+k]
			for c := done; c < b.c; c++ {
				s += x[n*b.x.st[0]+c*b.x.st[1]] * w[k*b.w.st[0]+c*b.w.st[1]]
			}
			ch := g*b.k + k0 + k
			s = s*scales[k] + starts[k]
			if b.z != nil {
				s += b.z.f[b.z.pos(n0+n, ch, 0, 0)]
			}
			if b.relu {
				s = max(s, 0)
			}
			b.y.f[b.y.pos(n0+n, ch, 0, 0)] = s
		}
	}
}

// multiply adds dot products of length n to the results.
func (b *boundLinear) multiply(t *dotTable, results, x, w []float32, samples, outputs, n int) {
	mr, nr := b.dot.mr, b.dot.nr
	rows, cols, sums := t.rows[:mr], t.cols[:nr], t.sums[:mr*nr]
	for first := 0; first < outputs; first += linearPanel * nr {
		for m := 0; m < samples; m += mr {
			for i := range rows {
				rows[i] = min(m+i, samples-1) * b.x.st[0]
			}
			for k := first; k < min(first+linearPanel*nr, outputs); k += nr {
				for j := range cols {
					cols[j] = min(k+j, outputs-1) * b.w.st[0]
				}
				b.dot.run(x, rows, w, cols, n, 1, 0, 0, sums)
				for i := range min(mr, samples-m) {
					to := results[(m+i)*b.kb+k:]
					for j := range min(nr, outputs-k) {
						to[j] += sums[i*nr+j]
					}
				}
			}
		}
	}
}
