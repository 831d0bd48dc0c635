package data

import "cleave/random"

const shift = 2 // pixels that an augmented image may move each way

// augment writes src (c·h·w bytes) to dst moved by -shift … shift rows and columns, with
// zeros where it moves in, and mirrored or not. What happens to an image is a function of
// (key, epoch, number of the image).
func augment(dst, src []byte, c, h, w int, key, epoch uint64, image int) {
	r := random.Block(key, epoch, uint64(image))
	draw := func(bits uint32) int { return int(uint64(bits)*(2*shift+1)>>32) - shift }
	dy, dx, mirror := draw(r[0]), draw(r[1]), r[2]>>31 == 1
	clear(dst[:c*h*w])
	lo, hi := max(0, -dx), min(w, w-dx) // columns of dst that src fills
	if lo >= hi {
		return
	}
	for ch := range c {
		for y := max(0, -dy); y < min(h, h-dy); y++ {
			from := src[(ch*h+y+dy)*w:][:w]
			to := dst[(ch*h+y)*w:][:w]
			if !mirror {
				copy(to[lo:hi], from[lo+dx:])
				continue
			}
			for x := lo; x < hi; x++ {
				to[x] = from[w-1-(x+dx)]
			}
		}
	}
}
