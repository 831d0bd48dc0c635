package data

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]spec{
		"patterns":                         {kind: "patterns", n: 4096, h: 32, w: 32, c: 3, classes: 10},
		"patterns:n=100":                   {kind: "patterns", n: 100, h: 32, w: 32, c: 3, classes: 10},
		"patterns:classes=12,size=64,n=10": {kind: "patterns", n: 10, h: 64, w: 64, c: 3, classes: 12},
		"cifar10:../a,b=c:d":               {kind: "cifar10", dir: "../a,b=c:d"},
		"idx:mnist":                        {kind: "idx", dir: "mnist"},
		"random:224x200x3,1000":            {kind: "random", n: 128, h: 224, w: 200, c: 3, classes: 1000},
		"random:8x9x1,2,n=7":               {kind: "random", n: 7, h: 8, w: 9, c: 1, classes: 2},
	} {
		got, err := parse(text)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                      `data "": unknown kind ""; want patterns, cifar10:DIR, idx:DIR or random:HxWxC,classes`,
		"imagenet:x":            `unknown kind "imagenet"`,
		"cifar10":               `want the folder of the files, as in cifar10:DIR`,
		"idx:":                  `want the folder of the files, as in idx:DIR`,
		"patterns:":             `unknown key ""; want n, size or classes`,
		"patterns:m=3":          `unknown key "m"; want n, size or classes`,
		"patterns:n":            `n has no value; want n=…`,
		"patterns:n=3,n=4":      `n is given twice`,
		"patterns:n=0":          `n is "0", want a number from 1 to`,
		"patterns:n=1e3":        `n is "1e3", want a number`,
		"patterns:classes=13":   `classes is "13", want a number from 2 to 12`,
		"patterns:size=7":       `size is "7", want a number from 8 to 4096`,
		"random":                `want HxWxC,classes, as in random:224x224x3,1000`,
		"random:32x32x3":        `want HxWxC,classes`,
		"random:32x32,10":       `want HxWxC,classes`,
		"random:32x0x3,10":      `width is "0", want a number`,
		"random:32x32x3,":       `classes is "", want a number`,
		"random:32x32x3,10,m=1": `unknown key "m"; want n`,
	} {
		_, err := Open(text, 1)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want one line with %q", text, err, want)
		}
	}
}

// FuzzParse: what parses is within bounds, and errors are one line.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"patterns:n=4,size=32,classes=3", "random:8x8x3,10,n=4", "idx:a", "cifar10:b", "patterns:n=9999999999999999999", "random:-1x1x1,2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		switch s.kind {
		case kindPatterns, kindRandom:
			if s.n < 1 || s.h < 1 || s.w < 1 || s.c < 1 || s.classes < 2 || s.h > maxSide || s.w > maxSide {
				t.Errorf("%q: %+v", text, s)
			}
		default:
			if s.dir == "" {
				t.Errorf("%q: no folder", text)
			}
		}
	})
}
