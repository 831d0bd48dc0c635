package choose

import (
	"fmt"
	"slices"
)

const (
	lrnTile  = 512 // channels of an output that a warp takes at most
	lrnWarps = 8   // of a block at most
)

// lrn checks a normalisation and the channels at which boxes begin in x's, and launches a
// kernel that keeps some stages of a pixel's channels in shared memory. reach is the
// channels beyond the output's that a stage holds, on either side.
func (c *call) lrn(kernel string, stages, reach int, w *walk, args func(tile, pitch int) []Arg) error {
	d, x, out := c.d.LRN, &c.in[0], &c.out
	if d.N < 1 || d.N%2 == 0 {
		return fmt.Errorf("a window of %d channels, must be an odd number", d.N)
	}
	if d.Offset < 0 || d.Offset+out.n[1] > x.n[1] {
		return fmt.Errorf("the output %v at channel %d of %v", out.n, d.Offset, x.n)
	}
	for _, v := range w.views {
		if v.n[0] != x.n[0] || v.n[2] != x.n[2] || v.n[3] != x.n[3] {
			return fmt.Errorf("%v does not match %v", v.n, x.n)
		}
	}
	tile := min(out.n[1], lrnTile)
	pitch := func() int { return min(tile+2*reach, x.n[1]) }
	for tile > 1 && 4*stages*pitch() > MaxShared {
		tile = ceil(tile, 2)
	}
	warps := min(lrnWarps, MaxShared/(4*stages*pitch()))
	if warps == 0 {
		return fmt.Errorf("windows of %d channels of %d do not fit into shared memory", d.N, x.n[1])
	}
	name := kernel + "_run1_f32"
	if x.quads() {
		name = kernel + "_run4_f32"
	}
	pixels := w.n[1] * w.n[2] * w.n[3]
	c.launch(name, [3]int{ceil(pixels, warps), ceil(out.n[1], tile), 1}, [3]int{32, warps, 1}, 4*stages*warps*pitch(),
		w.pixels(), args(tile, pitch()))
	return nil
}

// half is the channels of a window on either side; those beyond x's box do not count.
func (c *call) half() int { return min(c.d.LRN.N/2, c.in[0].n[1]) }

func chooseLRN(c *call) error {
	d, w := c.d.LRN, channelwise(&c.out, &c.in[0])
	return c.lrn("lrn_fwd", 1, c.half(), w, func(tile, pitch int) []Arg {
		return slices.Concat(w.view(0), w.view(1), nums(c.half(), c.in[0].n[1]), []Arg{float(d.K), float(d.Alpha), float(d.Beta)},
			nums(c.out.n[1], d.Offset, tile, pitch))
	})
}

func chooseLRNGrad(c *call) error {
	d, x, dy := c.d.LRN, &c.in[0], &c.in[1]
	if g := d.GradOffset; g < 0 || g+dy.n[1] > x.n[1] || g > d.Offset || d.Offset+c.out.n[1] > g+dy.n[1] {
		return fmt.Errorf("dy %v at channel %d of %v does not hold the output %v at channel %d", dy.n, g, x.n, c.out.n, d.Offset)
	}
	w := channelwise(&c.out, x, dy)
	return c.lrn("lrn_bwd", 3, 2*c.half(), w, func(tile, pitch int) []Arg {
		return slices.Concat(w.view(0), w.view(1), w.view(2), nums(c.half(), x.n[1]), []Arg{float(d.K), float(d.Alpha), float(d.Beta), float(2 * d.Alpha * d.Beta)},
			nums(c.out.n[1], d.Offset, dy.n[1], d.GradOffset, tile, pitch))
	})
}
