package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomWords returns n different numbers and, behind them, room that must stay.
func randomWords(r *rand.Rand, n int) []uint32 {
	w := make([]uint32, n+8)
	for i := range w {
		w[i] = r.Uint32()
	}
	return w
}

// Each tier's copies in another order against the Go ones, bit for bit.
func TestGridsComputeTheirReference(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, tier := range available() {
		ops, want := &tier.rows, &genericRows
		same := func(what string, to []uint32, f func(o *rowOps, to []uint32)) {
			t.Helper()
			exact := slices.Clone(to)
			f(ops, to)
			f(want, exact)
			if !slices.Equal(to, exact) {
				t.Fatalf("%s: %s: %v, want %v", tier.name, what, to, exact)
			}
		}
		for range 300 {
			rows, cols := 1+r.IntN(70), 1+r.IntN(40)
			toPitch, fromPitch := rows+r.IntN(4), cols+r.IntN(4)
			from := randomWords(r, (rows-1)*fromPitch+cols)
			same(fmt.Sprintf("transpose of %d×%d", rows, cols), randomWords(r, (cols-1)*toPitch+rows), func(o *rowOps, to []uint32) {
				o.transpose(to[:len(to)-8], from[:len(from)-8], rows, cols, toPitch, fromPitch)
			})
			groups, per := 3, cols
			switch r.IntN(3) {
			case 0:
				groups, per = cols, 3
			case 1:
				groups = 1 + r.IntN(6)
			}
			toPitch, fromPitch = groups*per+r.IntN(4), groups*per+r.IntN(4)
			from = randomWords(r, (rows-1)*fromPitch+groups*per)
			same(fmt.Sprintf("shuffle of %d groups of %d", groups, per), randomWords(r, (rows-1)*toPitch+groups*per), func(o *rowOps, to []uint32) {
				o.shuffle(to[:len(to)-8], from[:len(from)-8], rows, groups, per, toPitch, fromPitch)
			})
			toStep, fromStep := 1+r.IntN(4), 1+r.IntN(4)
			toPitch, fromPitch = cols*toStep+r.IntN(3), cols*fromStep+r.IntN(3)
			from = randomWords(r, (rows-1)*fromPitch+(cols-1)*fromStep+1)
			same(fmt.Sprintf("stride of %d×%d by %d, %d", rows, cols, toStep, fromStep), randomWords(r, (rows-1)*toPitch+(cols-1)*toStep+1), func(o *rowOps, to []uint32) {
				o.stride(to[:len(to)-8], from[:len(from)-8], rows, cols, toPitch, toStep, fromPitch, fromStep)
			})
		}
	}
}

// Each tier's random numbers and what dropout makes of them against the Go ones, bit for
// bit: counters that carry into their upper words too.
func TestDropoutComputesItsReference(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, tier := range available() {
		ops, want := &tier.rows, &genericRows
		for n := range 12 {
			blocks := make([]uint64, 8)
			for i := range blocks {
				blocks[i] = r.Uint64()
			}
			blocks[1], blocks[6] = 1<<32-3, 1<<64-2
			key, stream := r.Uint64(), r.Uint64()
			bits := randomWords(r, 32*n)
			exact := slices.Clone(bits)
			ops.philox(bits[:32*n], blocks, key, stream)
			want.philox(exact[:32*n], blocks, key, stream)
			if !slices.Equal(bits, exact) {
				t.Fatalf("%s: philox of %d blocks: %v, want %v", tier.name, n, bits, exact)
			}
			rows := 4 * n
			if rows == 0 {
				continue
			}
			x, y := randoms(r, rows*11), randoms(r, rows*13)
			bits[0], bits[1], bits[9] = 0, 1<<32-1, 1<<31
			for _, below := range []uint32{0, 1 << 31, bits[3], 1<<32 - 1} {
				got, exact := slices.Clone(y), slices.Clone(y)
				ops.drop(got, x, bits, rows, 13, 11, below, 1.25)
				want.drop(exact, x, bits, rows, 13, 11, below, 1.25)
				if !slices.Equal(got, exact) {
					t.Fatalf("%s: drop of %d rows: %v, want %v", tier.name, rows, got, exact)
				}
			}
		}
	}
}
