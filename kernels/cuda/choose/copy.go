package choose

import (
	"fmt"

	"cleave/layout"
)

func chooseCopy(c *call) error {
	c.in[0], c.out = c.in[0].stepped(c.d.Step[0]), c.out.stepped(c.d.Step[1])
	if err := c.same(0); err != nil {
		return err
	}
	c.copy()
	return nil
}

// stepped returns v with only every step-th channel; 0 is 1.
func (v view) stepped(step int) view {
	if step > 1 {
		v.n[1] = ceil(v.n[1], step)
		v.st[1] *= step
	}
	return v
}

// copy copies input 0 to the output, of the same extents.
func (c *call) copy() {
	to, from := &c.out, &c.in[0]
	if to.crosses(from) {
		volume := to.n[1] * to.n[2] * to.n[3]
		c.transpose(c.order(to, 0), c.order(from, 0), from.planar(), 0, volume, from.n)
		return
	}
	w, name := merged(to.inward(), to, from), "copy_u8"
	if size := int(to.dtype.Size()); w.widen(16 / size) {
		name = "copy_w128"
	} else if size == 4 || w.widen(4) {
		name = "copy_w32"
	}
	args := []any{w.box(), w.view(0), w.view(1)}
	if w.width > 1 {
		args = []any{w.box(), w.words(0), w.words(1)}
	}
	c.launch(name, line(w.total(), 2*threads), [3]int{threads, 1, 1}, 0, args...)
}

// planar reports whether neighbouring positions lie closer than neighbouring channels.
func (v *view) planar() bool {
	return v.n[1] > 1 && (v.n[3] > 1 && v.st[3] < v.st[1] || v.n[3] == 1 && v.n[2] > 1 && v.st[2] < v.st[1])
}

// crosses reports whether v and o have channels and positions, the one planar, the other not.
func (v *view) crosses(o *view) bool {
	return v.n[1] > 1 && v.n[2]*v.n[3] > 1 && v.planar() != o.planar()
}

// order returns the arguments of an Order in copy.cu: where the box begins, from some
// element on, and the steps along channels, columns, rows and samples.
func (c *call) order(v *view, first int) []Arg {
	return append([]Arg{v.ptr()}, nums(first, v.st[1], v.st[3], v.st[2], v.st[0])...)
}

// transpose copies the features lo … hi−1 of samples of this shape; in says that the source
// is planar.
func (c *call) transpose(to, from []Arg, in bool, lo, hi int, n layout.Shape) {
	name := "transpose_out_"
	if in {
		name = "transpose_in_"
	}
	if c.out.dtype.Size() == 1 {
		name += "u8"
	} else {
		name += "w32"
	}
	positions := n[2] * n[3]
	tiles := n[0] * ceil(n[1], 32) * ceil(positions, 32)
	c.launch(name, [3]int{min(tiles, 16*maxBlocks), 1, 1}, [3]int{32, 8, 1}, 0,
		nums(n[0], n[1], positions), div(n[3]), to, from, num(lo), num(hi))
}

func chooseFlatten(c *call) error   { return c.flatten(&c.out, &c.in[0], true) }
func chooseUnflatten(c *call) error { return c.flatten(&c.in[0], &c.out, false) }

// flatten copies between features (N×F×1×1) and the channels, rows and columns of x, whose
// feature Offset is the first of the features.
func (c *call) flatten(features, x *view, out bool) error {
	count, first, positions := features.n[1], c.d.Offset, x.n[2]*x.n[3]
	if features.n != (layout.Shape{x.n[0], count, 1, 1}) || first < 0 || first+count > x.n[1]*positions {
		return fmt.Errorf("features %v from %d are not those of %v", features.n, first, x.n)
	}
	// Only channels that have one of the features.
	lo, hi := first/positions, ceil(first+count, positions)
	x.at += int64(lo*x.st[1]) * x.dtype.Size()
	x.n[1] = hi - lo
	first -= lo * positions
	if positions == 1 {
		c.copy()
		return nil
	}
	flat := *features // with the axes of x
	flat.st = [4]int{features.st[0], positions * features.st[1], x.n[3] * features.st[1], features.st[1]}
	xs, fs := c.order(x, 0), c.order(&flat, -first*features.st[1])
	if out {
		c.transpose(fs, xs, false, first, first+count, x.n)
	} else {
		c.transpose(xs, fs, true, first, first+count, x.n)
	}
	return nil
}

func chooseShuffle(c *call) error {
	if err := c.same(0); err != nil {
		return err
	}
	channels, groups := c.out.n[1], c.d.Groups
	if groups < 1 || channels%groups != 0 {
		return fmt.Errorf("%d channels cannot be divided into %d groups", channels, groups)
	}
	if groups == 1 || groups == channels {
		c.copy()
		return nil
	}
	y := pixelwise(&c.out)
	name := y.run("shuffle")
	c.launch(name, line(y.total(), threads), [3]int{threads, 1, 1}, 0,
		y.box(), y.view(0), pixelwise(&c.in[0]).view(0), div(groups), num(channels/groups))
	return nil
}
