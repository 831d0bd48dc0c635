package choose

import (
	"fmt"
	"math"

	"cleave/kernels"
	"cleave/layout"
)

// numbers says which numbers of a stream an output of a whole tensor takes.
type numbers struct {
	first int    // of its first element
	step  [4]int // from neighbour to neighbour along each axis
}

// newNumbers checks where an output lies in its whole tensor.
func newNumbers(r kernels.Random, n layout.Shape) (numbers, error) {
	for a, o := range r.Origin {
		if o < 0 || o+n[a] > r.Global[a] {
			return numbers{}, fmt.Errorf("%v at %v does not lie in a tensor of %v", n, r.Origin, r.Global)
		}
	}
	g := r.Global
	e := numbers{step: [4]int{g[1] * g[2] * g[3], g[2] * g[3], g[3], 1}}
	for a, o := range r.Origin {
		e.first += o * e.step[a]
	}
	return e, nil
}

func chooseFillNormal(c *call) error {
	e, err := newNumbers(c.d.Random, c.out.n)
	if err != nil {
		return err
	}
	w := pixelwise(&c.out)
	c.launch("fill_normal_f32", line(w.total(), threads), [3]int{threads, 1, 1}, 0, w.box(), w.view(0),
		long(c.d.Random.Key), double(c.d.Std), longs(e.first, e.step[1], e.step[3], e.step[2], e.step[0]))
	return nil
}

func longs(vs ...int) []Arg {
	args := make([]Arg, len(vs))
	for i, v := range vs {
		args[i] = long(uint64(v))
	}
	return args
}

// chooseDropout gives each thread the four numbers of a block: of one channel's neighbouring
// positions or, where there is one position, of neighbouring features.
func chooseDropout(c *call) error {
	x, y, p := &c.in[0], &c.out, c.d.P
	if err := c.same(0); err != nil {
		return err
	}
	if err := c.vectors(1, 1); err != nil {
		return err
	}
	if !(p >= 0 && p < 1) {
		return fmt.Errorf("probability %v is not in [0, 1)", p)
	}
	e, err := newNumbers(c.d.Random, y.n)
	if err != nil {
		return err
	}
	// A uniform number is bits/2³², so those below P are those of the bits below this.
	zeros := uint64(math.Ceil(p * (1 << 32)))
	if zeros == 0 {
		c.copy()
		return nil
	}
	// The run is the axis along which numbers follow each other; outer are the others, of
	// which the first is that of neighbouring threads.
	run, outer, length := 3, [3]int{1, 2, 0}, y.n[3]
	if g := c.d.Random.Global; g[2]*g[3] == 1 {
		run, outer, length = 1, [3]int{3, 2, 0}, y.n[1]
	} else if y.n[3] == g[3] && y.st[2] == y.n[3]*y.st[3] && x.st[2] == x.n[3]*x.st[3] {
		length *= y.n[2] // rows follow each other
		outer[1] = noAxis
	}
	fours := ceil(length+3, 4)
	if e.aligned(run, y.n) {
		fours = ceil(length, 4)
	}
	w := &walk{width: 1, n: [4]int{1, fours, 1, 1}, levels: 4, views: []*view{y, x}, steps: make([][4]int, 2)}
	var between [3]int // numbers from neighbour to neighbour along outer
	for i, level := range [3]int{0, 2, 3} {
		if a := outer[i]; a != noAxis {
			w.n[level], between[i] = y.n[a], e.step[a]
			w.steps[0][level], w.steps[1][level] = y.st[a], x.st[a]
		}
	}
	w.steps[0][1], w.steps[1][1] = y.st[run], x.st[run]
	name := "dropout_run1_f32"
	if e.quads(run, y) && e.quads(run, x) {
		name = "dropout_run4_f32"
	}
	c.launch(name, line(w.total(), threads), [3]int{threads, 1, 1}, 0, w.box(), w.view(0), w.view(1), num(length),
		longs(e.first, between[0], between[1], between[2]), long(c.d.Random.Key), c.in[1].ptr(), num(int(uint32(zeros-1))), float(1/(1-p)))
	return nil
}

const noAxis = -1

// aligned reports whether every run along an axis of a box begins with a block's first number.
func (e *numbers) aligned(run int, n layout.Shape) bool {
	all := e.first%4 == 0
	for a := range n {
		all = all && (a == run || n[a] == 1 || e.step[a]%4 == 0)
	}
	return all
}

// quads reports whether the four numbers of a block always go to four elements that lie one
// after the other, aligned to 16 bytes.
func (e *numbers) quads(run int, v *view) bool {
	ok := v.st[run] == 1 && (int(v.at/4)-e.first)%4 == 0
	for a := range v.n {
		ok = ok && (a == run || v.n[a] == 1 || (v.st[a]-e.step[a])%4 == 0)
	}
	return ok
}
