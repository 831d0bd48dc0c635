package kerneltest

import (
	"math"

	"cleave/layout"
)

// tensor is a box's elements in double precision, row-major.
type tensor struct {
	n layout.Shape
	v []float64
}

func newTensor(n layout.Shape) *tensor { return &tensor{n, make([]float64, n.Volume())} }

func (t *tensor) index(n, c, h, w int) int { return ((n*t.n[1]+c)*t.n[2]+h)*t.n[3] + w }

func (t *tensor) at(n, c, h, w int) *float64 { return &t.v[t.index(n, c, h, w)] }

// each calls f for every position of t.
func (t *tensor) each(f func(n, c, h, w int, v *float64)) {
	for n := range t.n[0] {
		for c := range t.n[1] {
			for h := range t.n[2] {
				for w := range t.n[3] {
					f(n, c, h, w, t.at(n, c, h, w))
				}
			}
		}
	}
}

// fill sets every element by its position.
func (t *tensor) fill(f func(n, c, h, w int) float64) {
	t.each(func(n, c, h, w int, v *float64) { *v = f(n, c, h, w) })
}

// generator makes the inputs' values (splitmix64).
type generator struct {
	state uint64
	last  []float64 // the values of the operand before
}

func (g *generator) next() uint64 {
	g.state += 0x9e3779b97f4a7c15
	z := g.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// uniform returns a number in [0, 1).
func (g *generator) uniform() float64 { return float64(g.next()>>11) * 0x1p-53 }

func (g *generator) intn(n int) int { return int(g.next() % uint64(n)) }

// What inputs hold.
func signed(g *generator, _ int) float64   { return 2*g.uniform() - 1 }
func positive(g *generator, _ int) float64 { return 0.5 + g.uniform() }
func coarse(g *generator, _ int) float64   { return math.Floor(g.uniform()*64)/8 - 4 } // many ties, exact differences
func pixel(g *generator, _ int) float64    { return float64(g.intn(256)) }
func relued(g *generator, _ int) float64   { return max(0, 2*g.uniform()-1) }

func constant(v float64) func(*generator, int) float64 {
	return func(*generator, int) float64 { return v }
}
