package cpu

// ahead is stretches of memory that will be read soon. Tiles ask for them line by line while
// they compute: many lines at once would hold up what the tiles load.
type ahead [2][]float32

// take returns where some lines begin, and how many bytes apart they are: 0 if there are none.
func (a *ahead) take(lines int) (next []float32, step int) {
	for i, rest := range a {
		if len(rest) > 0 {
			a[i] = rest[min(len(rest), 16*lines):]
			return rest, 64
		}
	}
	return nil, 0
}

// lines is how many there are.
func (a *ahead) lines() int { return (len(a[0]) + len(a[1])) / 16 }

// stretch returns some rows and columns of a sample as far as they are there, from the first
// to the last: nothing if other channels lie between them.
func (v *view) stretch(n, row, col, rows, cols int) []float32 {
	rows, cols = min(rows, v.n[2]-row), min(cols, v.n[3]-col)
	if v.st[3] != v.n[1] || rows < 1 || cols < 1 {
		return nil
	}
	return v.f[v.pos(n, 0, row, col):][:(rows-1)*v.st[2]+cols*v.st[3]]
}

// steady is a stretch of memory that will be read soon, of which each step of a tile asks for so
// many bytes.
type steady struct {
	f        []float32
	at, step int // bytes
}

// take returns where some steps begin, and how many bytes apart they are: 0 if nothing is left.
func (s *steady) take(steps int) (next []float32, step int) {
	if s.at/4 >= len(s.f) {
		return nil, 0
	}
	next = s.f[s.at/4:]
	s.at += steps * s.step
	return next, s.step
}
