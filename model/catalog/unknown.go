package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// UnknownError says that no net has a name, and which names are nearest to it.
type UnknownError struct {
	Name    string
	Nearest []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("unknown model %q: nearest are %s (resnext29-GxWd takes any G groups of W channels)",
		e.Name, strings.Join(e.Nearest, ", "))
}

// nearest is how many names an UnknownError offers.
const nearest = 3

func unknown(name string) error {
	type candidate struct {
		name string
		far  int
	}
	var all []candidate
	for _, e := range entries() {
		all = append(all, candidate{e.name, distance(strings.ToLower(name), e.name)})
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.far - b.far })
	e := &UnknownError{Name: name}
	for _, c := range all[:nearest] {
		e.Nearest = append(e.Nearest, c.name)
	}
	return e
}

// distance counts the characters to insert, delete or replace to make a into b
// (Levenshtein), row by row of the usual table.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			d := diagonal
			if x[i] != y[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}
