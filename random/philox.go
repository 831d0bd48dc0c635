package random

import "math/bits"

// Philox's multipliers and Weyl increments (Salmon et al. 2011, §4.3).
const (
	mul0, mul1   = 0xD2511F53, 0xCD9E8D57
	weyl0, weyl1 = 0x9E3779B9, 0xBB67AE85
	rounds       = 10
)

// Block returns the four words that Philox4x32-10 gives for counter (block, stream), low
// words first, under key.
func Block(key, stream, block uint64) [4]uint32 {
	c0, c1 := uint32(block), uint32(block>>32)
	c2, c3 := uint32(stream), uint32(stream>>32)
	k0, k1 := uint32(key), uint32(key>>32)
	for range rounds {
		hi0, lo0 := bits.Mul32(mul0, c0)
		hi1, lo1 := bits.Mul32(mul1, c2)
		c0, c1, c2, c3 = hi1^c1^k0, lo1, hi0^c3^k1, lo0
		k0 += weyl0
		k1 += weyl1
	}
	return [4]uint32{c0, c1, c2, c3}
}

// Bits returns 32 random bits: word index%4 of block index/4.
func Bits(key, stream, index uint64) uint32 {
	return Block(key, stream, index/4)[index%4]
}

// Uniform maps 32 random bits to [0, 1), exactly.
func Uniform(bits uint32) float64 { return float64(bits) * 0x1p-32 }

// Key derives the key of what is called name from a job's seed. Different names, and
// different seeds, give keys that have nothing to do with each other.
func Key(seed uint64, name string) uint64 {
	k := seed
	for i := 0; i < len(name); i += 8 {
		var chunk uint64
		for j, c := range []byte(name[i:min(i+8, len(name))]) {
			chunk |= uint64(c) << (8 * j)
		}
		k = pair(Block(k, chunk, uint64(i)), 0)
	}
	return pair(Block(k, uint64(len(name)), 1<<63), 0)
}

// pair returns 64 bits of a block, half 0 or 1.
func pair(b [4]uint32, half uint64) uint64 {
	if half == 0 {
		return uint64(b[1])<<32 | uint64(b[0])
	}
	return uint64(b[3])<<32 | uint64(b[2])
}

// Perm returns a random order of 0 … n-1 that depends on key alone.
func Perm(key uint64, n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	var next uint64
	for i := n - 1; i > 0; i-- {
		var j uint64
		j, next = below(key, next, uint64(i)+1)
		p[i], p[j] = p[j], p[i]
	}
	return p
}

// below returns an unbiased number below n from the numbers of key that start at index
// next, and the index after the last one used (Lemire, "Fast random integer generation in
// an interval", 2019).
func below(key, next, n uint64) (v, after uint64) {
	for {
		hi, lo := bits.Mul64(pair(Block(key, 0, next/2), next%2), n)
		next++
		if lo >= n || lo >= -n%n {
			return hi, next
		}
	}
}
