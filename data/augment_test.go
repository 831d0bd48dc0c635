package data

import (
	"slices"
	"testing"
)

// TestAugment compares with the plain definition: find the shift and the mirroring that
// give each image, and see that every one of the 50 occurs.
func TestAugment(t *testing.T) {
	const c, h, w = 2, 5, 7
	src := make([]byte, c*h*w)
	for i := range src {
		src[i] = byte(i + 1)
	}
	plain := func(dy, dx int, mirror bool) []byte {
		out := make([]byte, c*h*w)
		for ch := range c {
			for y := range h {
				for x := range w {
					sy, sx := y+dy, x+dx
					if sy < 0 || sy >= h || sx < 0 || sx >= w {
						continue
					}
					if mirror {
						sx = w - 1 - sx
					}
					out[(ch*h+y)*w+x] = src[(ch*h+sy)*w+sx]
				}
			}
		}
		return out
	}
	kinds := map[string]int{}
	for dy := -2; dy <= 2; dy++ {
		for dx := -2; dx <= 2; dx++ {
			kinds[string(plain(dy, dx, false))] = 0
			kinds[string(plain(dy, dx, true))] = 0
		}
	}
	dst := make([]byte, c*h*w)
	for image := range 2000 {
		for i := range dst {
			dst[i] = 200 // what an earlier batch left
		}
		augment(dst, src, c, h, w, 1, 2, image)
		if _, ok := kinds[string(dst)]; !ok {
			t.Fatalf("image %d is no shift of the source: %d", image, dst)
		}
		kinds[string(dst)]++
	}
	if len(kinds) != 50 {
		t.Fatalf("%d kinds, want 50", len(kinds))
	}
	for _, n := range kinds {
		if n < 15 || n > 75 { // 40 on average, deviation 6.3
			t.Errorf("a shift occurs %d times in 2000", n)
		}
	}
}

func TestAugmentIsKeyed(t *testing.T) {
	src := imageOf(open(t, "random:8x8x3,2,n=1", 1).Train, 0)
	at := func(key, epoch uint64, image int) []byte {
		dst := make([]byte, len(src))
		augment(dst, src, 3, 8, 8, key, epoch, image)
		return dst
	}
	same := 0
	for i := range 100 {
		if !slices.Equal(at(1, 2, i), at(1, 2, i)) {
			t.Fatal("not a function of its arguments")
		}
		for _, other := range [][]byte{at(2, 2, i), at(1, 3, i), at(1, 2, i+1)} {
			if slices.Equal(at(1, 2, i), other) {
				same++
			}
		}
	}
	if same > 20 { // 6 on average
		t.Errorf("%d of 300 with another key, epoch or image are the same", same)
	}
}

// TestAugmentTiny: images smaller than the shift may vanish, no more.
func TestAugmentTiny(t *testing.T) {
	for _, size := range []int{1, 2, 3} {
		src, dst := slices.Repeat([]byte{9}, size*size), make([]byte, size*size)
		for i := range 100 {
			augment(dst, src, 1, size, size, 1, 1, i)
		}
	}
}
