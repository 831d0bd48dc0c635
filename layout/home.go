package layout

// Rank numbers the workers of a job from 0.
type Rank int

// Home says which box of a tensor each rank keeps, as final values; index is the Rank.
// An empty box: the rank keeps nothing. Overlapping boxes are replicas.
type Home []Box

// Work is what one rank computes of an op: an output box times a span of the op's one
// reduction axis. If the span holds all that contributes to the box the values are final,
// else they are summands that the ranks merge.
type Work struct {
	Out Box
	Red Span
}

// Empty reports whether there is nothing to compute.
func (w Work) Empty() bool { return w.Out.Empty() || w.Red.Len() == 0 }

// Axes names the batch and the channel axis of a tensor, -1 where it has none. Homes are
// cut along these two only.
type Axes struct{ Batch, Chan int }

// Cuts divides n indices of an axis over ranks: rank r has [c[r], c[r+1]), so len(c) is
// ranks+1, c[0] is 0 and the last is n.
type Cuts []int

// Span returns rank r's share.
func (c Cuts) Span(r Rank) Span { return Span{c[r], c[r+1]} }

// Even cuts n indices into parts that differ by at most one, in multiples of unit where n
// is a multiple of unit (a cut never falls inside a unit). The larger parts come first.
func Even(n, parts, unit int) Cuts {
	if unit < 1 || n%unit != 0 {
		unit = 1
	}
	units := n / unit
	c := make(Cuts, parts+1)
	for i := range parts {
		share := units / parts
		if i < units%parts {
			share++
		}
		c[i+1] = c[i] + share*unit
	}
	return c
}

// Scale returns the cuts of an axis that has f indices for each of c's.
func (c Cuts) Scale(f int) Cuts {
	s := make(Cuts, len(c))
	for i, v := range c {
		s[i] = v * f
	}
	return s
}

// Replicated returns the home in which each of ranks keeps the whole tensor.
func Replicated(s Shape, ranks int) Home {
	h := make(Home, ranks)
	for r := range h {
		h[r] = s.Box()
	}
	return h
}

// Split returns the home in which each rank keeps its share of one axis. An axis below 0
// gives the replicated home.
func Split(s Shape, axis int, c Cuts) Home {
	h := Replicated(s, len(c)-1)
	if axis < 0 {
		return h
	}
	for r := range h {
		h[r] = h[r].With(axis, c.Span(Rank(r)))
	}
	return h
}

// Owners gives every element that some rank of h keeps to exactly one rank: its keeper,
// or, where several keep the same box, an equal share of it each along its longest axis;
// a box of at most small elements goes to one of them whole (turn picks which). Homes
// that overlap without being equal are not shared out.
func (h Home) Owners(small, turn int) []Box {
	out := make([]Box, len(h))
	for r, b := range h {
		same, me := 0, 0
		for q, c := range h {
			if c == b {
				if q < r {
					me++
				}
				same++
			}
		}
		if same > 1 && !b.Empty() {
			b = share(b, me, same, small, turn)
		}
		out[r] = b
	}
	return out
}

func share(b Box, me, of, small, turn int) Box {
	if b.Volume() <= small {
		if turn%of != me {
			return Box{}
		}
		return b
	}
	axis := 0
	for i := range b {
		if b[i].Len() > b[axis].Len() {
			axis = i
		}
	}
	return b.With(axis, Even(b[axis].Len(), of, 1).Span(Rank(me)).Add(b[axis].Lo))
}
