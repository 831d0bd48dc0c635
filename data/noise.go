package data

import (
	"encoding/binary"
	"math"
	"slices"

	"cleave/random"
)

// noise is a set of images whose pixels are independent, uniform bytes, with random
// labels; both are functions of the key and the image's number. There is nothing to learn
// in it but the images themselves.
type noise struct {
	key                 uint64
	n, c, h, w, classes int
}

func openNoise(s spec, seed uint64) *Source {
	set := func(name string, n int) noise {
		return noise{random.Key(seed, name), n, s.c, s.h, s.w, s.classes}
	}
	return &Source{
		Train: set("noise train", s.n),
		Test:  set("noise test", testImages(s.n)),
		// Of a uniform byte: the variance of 256 equal steps is (256²-1)/12.
		Mean: slices.Repeat([]float64{0.5}, s.c),
		Dev:  slices.Repeat([]float64{math.Sqrt((256*256-1)/12.0) / 255}, s.c),
	}
}

// testImages returns how many test images are generated beside n training images.
func testImages(n int) int { return (n + 3) / 4 }

func (s noise) Len() int             { return s.n }
func (s noise) Shape() (c, h, w int) { return s.c, s.h, s.w }
func (s noise) Classes() int         { return s.classes }

// Stream 2i holds image i's pixels, stream 2i+1 its label.

func (s noise) Label(i int) int {
	return int(uint64(random.Bits(s.key, 2*uint64(i)+1, 0)) * uint64(s.classes) >> 32)
}

func (s noise) Image(i int, dst []byte) { fillBytes(dst[:s.c*s.h*s.w], s.key, 2*uint64(i)) }

// fillBytes fills dst with the bytes of a stream's blocks, low bytes first.
func fillBytes(dst []byte, key, stream uint64) {
	var block uint64
	for ; len(dst) >= 16; dst = dst[16:] {
		b := random.Block(key, stream, block)
		for j, v := range b {
			binary.LittleEndian.PutUint32(dst[4*j:], v)
		}
		block++
	}
	b := random.Block(key, stream, block)
	for j := range dst {
		dst[j] = byte(b[j/4] >> (8 * (j % 4)))
	}
}
