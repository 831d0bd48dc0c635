package op

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"cleave/layout"
)

// tiles cuts s into random pieces.
func tiles(rng *rand.Rand, s layout.Span) []layout.Span {
	var out []layout.Span
	for lo := s.Lo; lo < s.Hi; {
		hi := min(s.Hi, lo+upTo(rng, s.Len()))
		out = append(out, layout.Span{Lo: lo, Hi: hi})
		lo = hi
	}
	return out
}

// cut cuts b along the axes given.
func cut(rng *rand.Rand, b layout.Box, axes ...int) []layout.Box {
	out := []layout.Box{b}
	for _, a := range axes {
		if a < 0 {
			continue
		}
		var next []layout.Box
		for _, b := range out {
			for _, s := range tiles(rng, b[a]) {
				next = append(next, b.With(a, s))
			}
		}
		out = next
	}
	return out
}

// each calls f with the index in f's data of every element of b.
func each(f Frag, b layout.Box, do func(i int)) {
	rows(b, func(n, c, h int) {
		for w := b[3].Lo; w < b[3].Hi; w++ {
			do(f.At(n, c, h, w))
		}
	})
}

// around returns a random box within s that holds b.
func around(rng *rand.Rand, b layout.Box, s layout.Shape) layout.Box {
	for i := range b {
		b[i].Lo -= rng.IntN(b[i].Lo + 1)
		b[i].Hi += rng.IntN(s[i] - b[i].Hi + 1)
	}
	return b
}

func filled(b layout.Box, v float64) Frag {
	f := Frag{Box: b, Data: make([]float64, b.Volume())}
	for i := range f.Data {
		f.Data[i] = v
	}
	return f
}

// give returns what a part gets of an input: the boxes that it needs, in a buffer that
// may be larger and holds NaN elsewhere.
func give(rng *rand.Rand, whole Frag, shape layout.Shape, need []layout.Box) Frag {
	if len(need) == 0 {
		return Frag{}
	}
	f := filled(around(rng, layout.Hull(need), shape), math.NaN())
	for _, b := range need {
		rows(b, func(n, c, h int) { copy(f.row(n, c, h, b[3]), whole.row(n, c, h, b[3])) })
	}
	return f
}

const guard = -12345.678

// part runs one work of s from exactly what it needs, and returns its output.
func part(t *testing.T, rng *rand.Rand, s sample, w layout.Work, whole layout.Shape) Frag {
	t.Helper()
	x := make([]Frag, len(s.x))
	for i := range x {
		need := s.op.Need(s.in, w, i)
		for j, b := range need {
			if b.Empty() || !s.in[i].Box().Holds(b) {
				t.Fatalf("%+v of %v: work %v needs box %v of input %d", s.op, s.in, w, b, i)
			}
			for _, c := range need[:j] {
				if !b.And(c).Empty() {
					t.Fatalf("%+v of %v: work %v needs %v and %v of input %d, which overlap", s.op, s.in, w, b, c, i)
				}
			}
		}
		x[i] = give(rng, s.x[i], s.in[i], need)
	}
	before := make([][]float64, len(x))
	for i := range x {
		before[i] = slices.Clone(x[i].Data)
	}
	out := filled(around(rng, w.Out, whole), guard)
	s.op.Run(s.in, w, out, x)

	var mutates []int
	if m, ok := s.op.(Mutator); ok {
		mutates = m.Mutates()
	}
	for i := range x {
		if slices.Contains(mutates, i) {
			rows(w.Out, func(n, c, h int) {
				copy(s.x[i].row(n, c, h, w.Out[3]), x[i].row(n, c, h, w.Out[3]))
			})
			continue
		}
		if !same(before[i], x[i].Data) {
			t.Fatalf("%+v of %v: work %v changed input %d", s.op, s.in, w, i)
		}
	}
	each(out, out.Box, func(i int) {
		if math.IsNaN(out.Data[i]) {
			t.Fatalf("%+v of %v: work %v gives NaN: it reads what it does not need", s.op, s.in, w)
		}
	})
	for _, b := range layout.MinusEach(out.Box, []layout.Box{w.Out}) {
		each(out, b, func(i int) {
			if out.Data[i] != guard {
				t.Fatalf("%+v of %v: work %v writes outside its box, in %v", s.op, s.in, w, b)
			}
		})
	}
	return out
}

// same compares bit for bit.
func same(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// The property that every op owes: over random tilings of output × reduction, each part
// computed from exactly what it says that it needs, the merge is the whole.
func TestTilingsMergeToTheWhole(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 30
	}
	for _, c := range cases {
		rng := generator(42)
		t.Run(c(rng).op.Kind(), func(t *testing.T) {
			for range rounds {
				checkTiling(t, rng, c(rng))
			}
		})
	}
}

// clone returns s with inputs of its own.
func (s sample) clone() sample {
	s.x = slices.Clone(s.x)
	for i := range s.x {
		s.x[i].Data = slices.Clone(s.x[i].Data)
	}
	return s
}

func checkTiling(t *testing.T, rng *rand.Rand, s sample) {
	t.Helper()
	w, err := Whole(s.op, s.in)
	if err != nil {
		t.Fatal(err)
	}
	whole, ref := w.Out.Shape(), s.clone()
	want := filled(w.Out, guard)
	s.op.Run(ref.in, w, want, ref.x)

	axes := []int{s.op.Axes().Batch, s.op.Axes().Chan}
	policy := rng.IntN(3) > 0 // along the axes that policies cut, else along all
	if !policy {
		axes = []int{0, 1, 2, 3}
	}
	tile, neutral := s.clone(), 0.0
	if s.op.Combine() == Max {
		neutral = math.Inf(-1)
	}
	got := filled(w.Out, neutral)
	var macs int64
	for _, b := range cut(rng, w.Out, axes...) {
		for _, red := range tiles(rng, w.Red) {
			work := layout.Work{Out: b, Red: red}
			reach := s.op.Reach(s.in, work)
			if !b.Holds(reach) {
				t.Fatalf("%+v of %v: work %v reaches %v", s.op, s.in, work, reach)
			}
			work.Out = reach
			macs += s.op.Cost(s.in, work).MACs
			if work.Empty() {
				for i := range s.in {
					if n := s.op.Need(s.in, work, i); len(n) > 0 {
						t.Fatalf("%+v of %v: the empty work %v needs %v", s.op, s.in, work, n)
					}
				}
				continue
			}
			out := part(t, rng, tile, work, whole)
			rows(work.Out, func(n, c, h int) {
				dst := got.row(n, c, h, work.Out[3])
				for i, v := range out.row(n, c, h, work.Out[3]) {
					if s.op.Combine() == Max {
						dst[i] = max(dst[i], v)
					} else {
						dst[i] += v
					}
				}
			})
		}
	}
	near(t, s, "output", got.Data, want.Data)
	if m, ok := s.op.(Mutator); ok {
		for _, i := range m.Mutates() {
			near(t, s, "rewritten input", tile.x[i].Data, ref.x[i].Data)
		}
	}
	if all := s.op.Cost(s.in, w).MACs; policy && macs != all {
		t.Fatalf("%+v of %v: parts cost %d multiply-adds, the whole %d", s.op, s.in, macs, all)
	}
}

func near(t *testing.T, s sample, what string, got, want []float64) {
	t.Helper()
	scale := 1.0
	for _, v := range want {
		scale = max(scale, math.Abs(v))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= 1e-12*scale) {
			t.Fatalf("%+v of %v: element %d of the %s is %v merged, %v whole", s.op, s.in, i, what, got[i], want[i])
		}
	}
}

// Movers' copies tile the output, read what is needed, and stay few.
func TestMovesTileTheOutput(t *testing.T) {
	rng := generator(3)
	kinds := map[string]bool{}
	for _, c := range cases {
		for range 100 {
			s := c(rng)
			m, ok := s.op.(Mover)
			if !ok {
				break
			}
			kinds[reflect.TypeOf(s.op).Name()] = true
			w, err := Whole(s.op, s.in)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range cut(rng, w.Out, 0, 1) {
				checkMoves(t, s, m, layout.Work{Out: b, Red: w.Red})
			}
		}
	}
	if len(kinds) != 3 {
		t.Errorf("movers are %v, want concat, slice and shuffle", kinds)
	}
}

func checkMoves(t *testing.T, s sample, m Mover, w layout.Work) {
	t.Helper()
	moves := m.Moves(s.in, w)
	if o, ok := s.op.(Shuffle); ok && len(moves) > min(o.Groups, s.in[0][1]/o.Groups) {
		t.Fatalf("%+v of %v: %d moves", s.op, s.in, len(moves))
	}
	times := filled(w.Out, 0)
	for _, m := range moves {
		src, dst := m.Src[1], m.Dst[1]
		count := ceilDiv(src.Len(), m.SrcStep)
		if count < 1 || count != ceilDiv(dst.Len(), m.DstStep) || (count-1)*m.SrcStep+1 != src.Len() || (count-1)*m.DstStep+1 != dst.Len() {
			t.Fatalf("%+v of %v: move %+v", s.op, s.in, m)
		}
		for i := range count {
			from := m.Src.With(1, layout.Span{Lo: src.Lo + i*m.SrcStep, Hi: src.Lo + i*m.SrcStep + 1})
			if missing := layout.Missing([]layout.Box{from}, s.op.Need(s.in, w, m.In)); len(missing) > 0 {
				t.Fatalf("%+v of %v: move %+v reads %v, which is not needed", s.op, s.in, m, missing)
			}
			to := m.Dst.With(1, layout.Span{Lo: dst.Lo + i*m.DstStep, Hi: dst.Lo + i*m.DstStep + 1})
			if !w.Out.Holds(to) || to.Volume() != from.Volume() {
				t.Fatalf("%+v of %v: move %+v writes %v of %v", s.op, s.in, m, to, w.Out)
			}
			each(times, to, func(i int) { times.Data[i]++ })
		}
	}
	for _, n := range times.Data {
		if n != 1 {
			t.Fatalf("%+v of %v: moves %+v do not tile %v", s.op, s.in, moves, w.Out)
		}
	}
}

// Every op takes work that has nothing to do.
func TestEmptyWork(t *testing.T) {
	for _, c := range cases {
		s := c(generator(5))
		for _, w := range []layout.Work{{}, {Red: layout.Span{Lo: 0, Hi: 1}}} {
			if b := s.op.Reach(s.in, w); !b.Empty() {
				t.Errorf("%s: empty work reaches %v", s.op.Kind(), b)
			}
			if c := s.op.Cost(s.in, w); c != (Cost{}) {
				t.Errorf("%s: empty work costs %+v", s.op.Kind(), c)
			}
			for i := range s.in {
				if n := s.op.Need(s.in, w, i); len(n) > 0 {
					t.Errorf("%s: empty work needs %v of input %d", s.op.Kind(), n, i)
				}
			}
		}
	}
}
