package data

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kinds of sources, as specs name them.
const (
	kindPatterns = "patterns"
	kindCIFAR    = "cifar10"
	kindIDX      = "idx"
	kindRandom   = "random"
)

// Bounds of what a spec may ask for: enough for any net, small enough for int arithmetic.
const (
	maxImages   = 1 << 31
	maxSide     = 4096
	maxChannels = 64
	maxClasses  = 1 << 20
)

// spec is a spec taken apart.
type spec struct {
	kind    string
	dir     string // cifar10, idx
	n       int    // patterns, random: number of training images
	h, w, c int    // patterns, random
	classes int    // patterns, random
}

// parse takes a spec apart without looking at any file.
func parse(text string) (spec, error) {
	kind, rest, colon := strings.Cut(text, ":")
	s := spec{kind: kind}
	var err error
	switch kind {
	case kindPatterns:
		err = s.patterns(rest, colon)
	case kindRandom:
		err = s.random(rest)
	case kindCIFAR, kindIDX:
		s.dir = rest
		if rest == "" {
			err = fmt.Errorf("want the folder of the files, as in %s:DIR", kind)
		}
	default:
		err = fmt.Errorf("unknown kind %q; want patterns, cifar10:DIR, idx:DIR or random:HxWxC,classes", kind)
	}
	if err != nil {
		return spec{}, fmt.Errorf("data %q: %w", text, err)
	}
	return s, nil
}

func (s *spec) patterns(rest string, colon bool) error {
	s.n, s.h, s.c, s.classes = 4096, 32, 3, 10
	if colon {
		err := options(rest, map[string]option{
			"n":       {&s.n, 1, maxImages},
			"size":    {&s.h, 8, maxSide},
			"classes": {&s.classes, 2, patternClasses},
		}, "n, size or classes")
		if err != nil {
			return err
		}
	}
	s.w = s.h
	return nil
}

var errRandom = errors.New("want HxWxC,classes, as in random:224x224x3,1000")

func (s *spec) random(rest string) error {
	shape, rest, ok := strings.Cut(rest, ",")
	extents := strings.Split(shape, "x")
	if !ok || len(extents) != 3 {
		return errRandom
	}
	classes, rest, more := strings.Cut(rest, ",")
	for _, o := range []struct {
		name, text string
		option
	}{
		{"height", extents[0], option{&s.h, 1, maxSide}},
		{"width", extents[1], option{&s.w, 1, maxSide}},
		{"channels", extents[2], option{&s.c, 1, maxChannels}},
		{"classes", classes, option{&s.classes, 2, maxClasses}},
	} {
		if err := o.set(o.name, o.text); err != nil {
			return err
		}
	}
	s.n = 128
	if more {
		return options(rest, map[string]option{"n": {&s.n, 1, maxImages}}, "n")
	}
	return nil
}

// option is a number that a spec may set, with its bounds.
type option struct {
	to       *int
	min, max int
}

func (o option) set(name, text string) error {
	v, err := strconv.Atoi(text)
	if err != nil || v < o.min || v > o.max {
		return fmt.Errorf("%s is %q, want a number from %d to %d", name, text, o.min, o.max)
	}
	*o.to = v
	return nil
}

// options reads key=value pairs with commas between them; names lists the keys for errors.
func options(text string, known map[string]option, names string) error {
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		o, is := known[key]
		switch {
		case !is:
			return fmt.Errorf("unknown key %q; want %s, as in n=1000", key, names)
		case !ok:
			return fmt.Errorf("%s has no value; want %s=…", key, key)
		case seen[key]:
			return fmt.Errorf("%s is given twice", key)
		}
		seen[key] = true
		if err := o.set(key, value); err != nil {
			return err
		}
	}
	return nil
}
