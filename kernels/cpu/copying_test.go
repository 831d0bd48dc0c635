package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Tiles copy vectors while they compute, one each pace positions and in the order in which pixels
// lie, and nothing else; what they leave is copied in the end.
func TestTilesCopyWhileTheyCompute(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 17))
	eachTier(t, func(t *testing.T, tier *tier) {
		for i := range tier.outers {
			o := &tier.outers[i]
			for _, channels := range []int{1, 6, tier.lanes, tier.lanes + 1, tier.lanes + 5, 3 * tier.lanes, 4*tier.lanes - 3} {
				for _, size := range [][3]int{{1, 1, 1}, {1, 1, 9}, {1, 4, 1}, {2, 3, 5}, {3, 2, 2}} {
					for pace := 1; pace <= 3; pace++ {
						name := fmt.Sprintf("%dx%d, %d channels of %v pixels, pace %d", o.rows, o.width, channels, size, pace)
						checkCopying(t, r, name, tier, o, channels, size, pace)
					}
				}
			}
		}
	})
}

func checkCopying(t *testing.T, r *rand.Rand, name string, tier *tier, o *outerTile, channels int, size [3]int, pace int) {
	t.Helper()
	c := copying{images: size[0], rows: size[1], cols: size[2], channels: channels}
	c.toCol, c.fromCol = channels+panelSlack, channels+2
	c.toRow, c.fromRow = c.cols*c.toCol+5, c.cols*c.fromCol+1
	c.toImage, c.fromImage = c.rows*c.toRow+3, c.rows*c.fromRow+4
	c.to, c.from = canaries(c.images*c.toImage+panelSlack), randoms(r, c.images*c.fromImage)
	all, expect := c, canaries(len(c.to))
	copyOf := func(pixel, first, floats int) {
		image, row, col := pixel/all.cols/all.rows, pixel/all.cols%all.rows, pixel%all.cols
		copy(expect[image*all.toImage+row*all.toRow+col*all.toCol+first:][:floats], all.from[image*all.fromImage+row*all.fromRow+col*all.fromCol+first:])
	}
	pixels := size[0] * size[1] * size[2]
	vectors, step := tier.vectorsOf(channels)
	c.start(tier, pace)
	dy, x, sums := randoms(r, 8*o.rows), randoms(r, 8*o.width), make([]float32, 2*o.sums())
	for positions := 0; positions < 14; positions += 7 {
		o.run(dy, x, 1, 1, 1, 7, 0, 0, o.rows, 0, 0, o.width, sums, nil, 0, c.to, c.from, c.words[:])
		if c.left() && o.vector > 4 { // those in Go copy nothing
			for i := positions / pace; i < (positions+7)/pace; i++ {
				copyOf(i/vectors, i%vectors*step, min(channels, tier.lanes))
			}
		} else if o.vector > 4 && vectors > 0 {
			for p := range pixels {
				copyOf(p, 0, channels)
			}
		}
		sameUpTo(t, name, all.to, expect, 0)
	}
	if left := vectors > 0 && (o.vector == 4 || 14/pace < vectors*pixels); c.left() != left {
		t.Errorf("%s: left is %v", name, !left)
	}
	c.finish(&tier.rows)
	if c.left() {
		t.Errorf("%s: finished, and yet not", name)
	}
	for p := range pixels {
		copyOf(p, 0, channels)
	}
	for i, v := range all.to { // zeros fill up copies of eight
		if math.Float32bits(expect[i]) == math.Float32bits(canary) && v == 0 {
			all.to[i] = canary
		}
	}
	sameUpTo(t, name+", finished", all.to, expect, 0)
}

// The vectors of a pixel are all of its channels, and no more.
func TestVectorsCoverChannels(t *testing.T) {
	for _, tier := range tiers {
		for n := 1; n <= 200; n++ {
			vectors, step := tier.vectorsOf(n)
			if vectors > 0 && (step > tier.lanes || n >= tier.lanes && (vectors-1)*step+tier.lanes != n) {
				t.Errorf("%s: %d channels are %d vectors, %d apart", tier.name, n, vectors, step)
			}
			if n%16 == 0 && tier.lanes > 1 && vectors != n/tier.lanes {
				t.Errorf("%s: %d channels are %d vectors", tier.name, n, vectors)
			}
		}
	}
}
