package data

import (
	"math"

	"cleave/random"
)

// Figures live on a square of side×side units, whatever the image's size; full is the
// height of a figure, a turn of a wave has turn parts.
const (
	side = 4096
	full = 256
	turn = 1 << 16
)

// sine holds one turn of a sine, times full.
var sine = func() (t [1024]int) {
	for i := range t {
		t[i] = int(math.Round(full * math.Sin(float64(i)*(2*math.Pi/1024))))
	}
	return t
}()

// form is the kind of a figure.
type form uint8

const (
	formStripes form = iota
	formRings
	formBlob
)

// figure is a scalar field from -full to full, times a colour.
type figure struct {
	form   form
	colour colour
	phase  int // stripes, rings: in parts of a turn
	du, dv int // stripes: change of phase over full units; rings: du, outwards
	u, v   int // rings, blob: the centre
	r      int // blob: the radius
}

// stripes returns a wave of 3 to 6 cycles over the image that varies in a direction.
func stripes(angle int, tint colour, d *draw) figure {
	cycles := d.between(24, 48) // in eighths
	perUnit := cycles * (turn / side) / 8
	return figure{
		form: formStripes, colour: tint, phase: d.between(0, turn-1),
		du: perUnit * sine[(angle+256)&1023], dv: perUnit * sine[angle&1023],
	}
}

// rings returns concentric waves about a point near the middle.
func rings(tint colour, d *draw) figure {
	return figure{
		form: formRings, colour: tint, phase: d.between(0, turn-1),
		du: d.between(24, 48) * (turn / side) / 8 * full,
		u:  d.between(side/4, side*3/4), v: d.between(side/4, side*3/4),
	}
}

// blob returns a round spot anywhere, of a radius of 1/8 to 1/4 of the image.
func blob(c colour, d *draw) figure {
	return figure{
		form: formBlob, colour: c,
		u: d.between(side/8, side*7/8), v: d.between(side/8, side*7/8), r: d.between(side/8, side/4),
	}
}

// at returns the field's value at a point.
func (f *figure) at(u, v int) int {
	switch f.form {
	case formStripes:
		return wave((f.du*u+f.dv*v)/full + f.phase)
	case formRings:
		// A square root is rounded exactly, so it is the same everywhere.
		r := int(math.Sqrt(float64((u-f.u)*(u-f.u) + (v-f.v)*(v-f.v))))
		return wave(f.du*r/full + f.phase)
	default:
		k := full - ((u-f.u)*(u-f.u)+(v-f.v)*(v-f.v))*full/(f.r*f.r)
		return max(0, k) * k / full
	}
}

func wave(phase int) int { return sine[phase>>6&1023] }

// draw hands out the numbers of one stream in turn.
type draw struct {
	key, stream uint64
	next        uint64
	block       [4]uint32
}

func (d *draw) bits() uint32 {
	if d.next%4 == 0 {
		d.block = random.Block(d.key, d.stream, d.next/4)
	}
	d.next++
	return d.block[(d.next-1)%4]
}

// between returns a number from lo to hi, both included.
func (d *draw) between(lo, hi int) int {
	return lo + int(uint64(d.bits())*uint64(hi-lo+1)>>32)
}

// tint returns a colour whose largest change is from lo to hi, up or down.
func (d *draw) tint(lo, hi int) colour {
	strength := d.between(lo, hi)
	var c colour
	for i := range c {
		c[i] = d.between(-strength, strength)
	}
	c[d.between(0, 2)] = strength
	return c
}
