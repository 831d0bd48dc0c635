package job

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCompareNames(t *testing.T) {
	want := []string{"", "a", "a0", "a00", "a01", "a1", "a2", "a10", "a10b1", "a10b2", "a10b10", "b", "worker", "worker-2", "worker-10", "worker-99999999999999999998", "worker-99999999999999999999"}
	for range 100 {
		got := slices.Clone(want)
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		slices.SortFunc(got, compareNames)
		if !slices.Equal(got, want) {
			t.Fatalf("%q", got)
		}
	}
}

// FuzzCompareNames wants an order: equal names only are equal, and turning them round
// turns the answer round.
func FuzzCompareNames(f *testing.F) {
	f.Add("worker-2", "worker-10")
	f.Add("a01", "a1")
	f.Add("1a", "a1")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := compareNames(a, b), compareNames(b, a)
		if (x < 0) != (y > 0) || (x == 0) != (a == b) {
			t.Errorf("%q %q: %d and %d", a, b, x, y)
		}
	})
}
