package data

import "cleave/random"

// patternClasses is the number of kinds of images there are to choose from.
const patternClasses = 12

// patterns is a set of generated images of three channels. Classes 0–3 are stripes, told
// apart by their direction alone; 4–7 and 11 are coloured blobs, told apart by their
// colour alone; 8 and 9 are two crossed sets of stripes, level or diagonal; 10 is rings.
// Place, scale, phase, contrast, background and all that does not make the class are
// random, and each pixel is noisy. All arithmetic is on integers, so the images are the
// same on every machine.
type patterns struct {
	key              uint64
	n, size, classes int
}

func openPatterns(s spec, seed uint64) *Source {
	train := patterns{random.Key(seed, "patterns train"), s.n, s.h, s.classes}
	test := patterns{random.Key(seed, "patterns test"), testImages(s.n), s.h, s.classes}
	src := &Source{Train: train, Test: test}
	src.Mean, src.Dev = statistics(train)
	return src
}

func (s patterns) Len() int             { return s.n }
func (s patterns) Shape() (c, h, w int) { return 3, s.size, s.size }
func (s patterns) Classes() int         { return s.classes }

// Label gives each class its turn, so that all are equally frequent.
func (s patterns) Label(i int) int { return i % s.classes }

func (s patterns) Image(i int, dst []byte) {
	d := draw{key: s.key, stream: 2 * uint64(i)}
	var p picture
	p.compose(s.Label(i), &d)
	p.paint(dst, s.size)
	addNoise(dst[:3*s.size*s.size], s.key, 2*uint64(i)+1)
}

// colour is a change of red, green and blue from the background.
type colour [3]int

// hues are the colours that make the class of classes 4–7 and 11: red, green, blue,
// yellow, magenta, each without a change of brightness.
var hues = [5]colour{{2, -1, -1}, {-1, 2, -1}, {-1, -1, 2}, {1, 1, -2}, {1, -2, 1}}

// picture is a background and what lies on it.
type picture struct {
	background colour
	figures    [6]figure
	n          int
}

func (p *picture) add(f figure) {
	p.figures[p.n] = f
	p.n++
}

// Directions in 1/1024 of a turn.
const (
	eighth = 128
	jitter = 24 // 8°: half the way to the next direction is 22°
)

// compose draws a picture of a class.
func (p *picture) compose(class int, d *draw) {
	for c := range p.background {
		p.background[c] = d.between(80, 175)
	}
	switch {
	case class < 4:
		p.add(stripes(class*eighth+d.between(-jitter, jitter), d.tint(45, 85), d))
	case class < 8:
		p.blobs(hues[class-4], d)
	case class < 10:
		angle := (class-8)*eighth + d.between(-jitter, jitter)
		tint := d.tint(40, 65)
		p.add(stripes(angle, tint, d))
		p.add(stripes(angle+2*eighth, tint, d))
	case class == 10:
		p.add(rings(d.tint(40, 80), d))
	default:
		p.blobs(hues[4], d)
	}
}

// blobs adds two or three blobs of a hue, and one or two without, lighter or darker.
func (p *picture) blobs(hue colour, d *draw) {
	for range d.between(1, 2) {
		v := d.between(30, 70)
		if d.between(0, 1) == 0 {
			v = -v
		}
		p.add(blob(colour{v, v, v}, d))
	}
	for range d.between(2, 3) {
		strength := d.between(45, 65)
		var c colour
		for i := range c {
			c[i] = hue[i]*strength + d.between(-10, 10)
		}
		p.add(blob(c, d))
	}
}

// paint writes the picture as size×size pixels of three channels.
func (p *picture) paint(dst []byte, size int) {
	plane := size * size
	for y := range size {
		v := (2*y + 1) * (side / 2) / size
		for x := range size {
			u := (2*x + 1) * (side / 2) / size
			at := p.background
			for k := range p.n {
				f := &p.figures[k]
				s := f.at(u, v)
				for c := range at {
					at[c] += s * f.colour[c] / full
				}
			}
			for c, value := range at {
				dst[c*plane+y*size+x] = clamp(value)
			}
		}
	}
}

func clamp(v int) byte { return byte(max(0, min(255, v))) }

// noiseLevel is the largest change that noise makes to a byte; its deviation is 0.41 of
// that.
const noiseLevel = 40

// addNoise changes each byte by the sum of two uniform numbers.
func addNoise(image []byte, key, stream uint64) {
	var block uint64
	for len(image) > 0 {
		b := random.Block(key, stream, block)
		block++
		n := min(8, len(image))
		for j := range n {
			two := int(b[j/2] >> (16 * (j % 2)))
			sum := two&255 + two>>8&255 - 255
			image[j] = clamp(int(image[j]) + sum*noiseLevel/256)
		}
		image = image[n:]
	}
}
