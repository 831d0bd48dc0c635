package random

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// TestBlock checks the known-answer vectors of the Random123 distribution
// (tests/kat_vectors, philox4x32 10).
func TestBlock(t *testing.T) {
	for _, c := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{
			[4]uint32{}, [2]uint32{},
			[4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
		},
		{
			[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		},
		{
			[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		join := func(lo, hi uint32) uint64 { return uint64(hi)<<32 | uint64(lo) }
		got := Block(join(c.key[0], c.key[1]), join(c.counter[2], c.counter[3]), join(c.counter[0], c.counter[1]))
		if got != c.want {
			t.Errorf("counter %08x key %08x: got %08x, want %08x", c.counter, c.key, got, c.want)
		}
	}
}

func TestBitsAreTheWordsOfBlocks(t *testing.T) {
	for i := range uint64(40) {
		if got, want := Bits(7, 9, i), Block(7, 9, i/4)[i%4]; got != want {
			t.Fatalf("index %d: got %08x, want %08x", i, got, want)
		}
	}
}

func TestUniform(t *testing.T) {
	if u := Uniform(0); u != 0 {
		t.Errorf("lowest: got %v, want 0", u)
	}
	if u := Uniform(math.MaxUint32); u >= 1 || u < 1-0x1p-31 {
		t.Errorf("highest: got %v, want just below 1", u)
	}
	const n = 100_000
	var sum, squares float64
	for i := range uint64(n) {
		u := Uniform(Bits(1, 2, i))
		sum += u
		squares += u * u
	}
	if mean := sum / n; math.Abs(mean-0.5) > 0.004 {
		t.Errorf("mean %v, want 0.5", mean)
	}
	if second := squares / n; math.Abs(second-1.0/3) > 0.004 {
		t.Errorf("mean square %v, want 1/3", second)
	}
}

func TestKey(t *testing.T) {
	seen := map[uint64]string{}
	for _, seed := range []uint64{0, 1, 2, math.MaxUint64} {
		for _, name := range []string{"", "\x00", "a", "b", "ab", "ba", "conv1.weight", "conv1.weighu", "conv2.weight", "12345678", "12345678\x00", "123456789"} {
			k, what := Key(seed, name), fmt.Sprintf("%d %q", seed, name)
			if k != Key(seed, name) {
				t.Errorf("%s: not a function of its arguments", what)
			}
			if other, ok := seen[k]; ok {
				t.Errorf("%s and %s have one key", what, other)
			}
			seen[k] = what
		}
	}
	if got, want := Key(1, "conv1.weight"), uint64(goldenKey); got != want {
		t.Errorf("golden: got %#x, want %#x", got, want)
	}
}

func TestPerm(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 10, 1000} {
		p := Perm(5, n)
		if !slices.Equal(p, Perm(5, n)) {
			t.Errorf("n=%d: not a function of the key", n)
		}
		sorted := slices.Sorted(slices.Values(p))
		for i, v := range sorted {
			if v != i {
				t.Fatalf("n=%d: not a permutation", n)
			}
		}
		if n == 1000 && slices.Equal(p, Perm(6, n)) {
			t.Error("two keys give one order")
		}
	}
	if got := Perm(1, 10); !slices.Equal(got, goldenPerm) {
		t.Errorf("golden: got %v, want %v", got, goldenPerm)
	}
}

// TestPermIsFair counts all orders of 4: chi-squared with 23 degrees of freedom stays
// below 49.7 with probability 0.999.
func TestPermIsFair(t *testing.T) {
	const trials = 24_000
	counts := map[[4]int]int{}
	for k := range uint64(trials) {
		counts[[4]int(Perm(Key(k, "fair"), 4))]++
	}
	var chi float64
	for _, c := range counts {
		d := float64(c) - trials/24
		chi += d * d / (trials / 24)
	}
	if len(counts) != 24 || chi > 49.7 {
		t.Errorf("%d orders of 24, chi-squared %.1f", len(counts), chi)
	}
}

func BenchmarkBlock(b *testing.B) {
	var sink uint32
	for i := range b.N {
		sink ^= Block(1, 2, uint64(i))[0]
	}
	_ = sink
}
