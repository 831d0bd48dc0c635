package data

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
)

// Open returns the source that spec names. What is generated is a function of the seed.
// Files are read into memory and checked whole; an error is one line that names the file
// and what was expected of it.
func Open(text string, seed uint64) (*Source, error) {
	s, err := parse(text)
	if err != nil {
		return nil, err
	}
	var src *Source
	switch s.kind {
	case kindPatterns:
		src = openPatterns(s, seed)
	case kindRandom:
		src = openNoise(s, seed)
	case kindCIFAR:
		src, err = openFolder(s.dir, openCIFAR)
	case kindIDX:
		src, err = openFolder(s.dir, openIDX)
	}
	if err != nil {
		return nil, fmt.Errorf("data %q: %w", text, err)
	}
	src.Spec = text
	return src, nil
}

func openFolder(dir string, open func(dir string) (*Source, error)) (*Source, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no folder %s", dir)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is a file, want the folder that holds the files", dir)
	}
	return open(dir)
}

// samplePixels is how many pixels of each channel statistics looks at, or one image.
const samplePixels = 1 << 19

// statistics returns the mean and the deviation of each channel over a sample of images
// spread evenly over the set, pixels counted from 0 to 1. The sums are of integers, so
// every machine gets the same.
func statistics(set Set) (mean, dev []float64) {
	c, h, w := set.Shape()
	n := min(set.Len(), max(1, samplePixels/(h*w)))
	sums, squares := make([]uint64, c), make([]uint64, c)
	image := make([]byte, c*h*w)
	for i := range n {
		set.Image(i*set.Len()/n, image)
		for ch := range c {
			for _, v := range image[ch*h*w:][:h*w] {
				sums[ch] += uint64(v)
				squares[ch] += uint64(v) * uint64(v)
			}
		}
	}
	for ch := range c {
		count := float64(n * h * w)
		m := float64(sums[ch]) / count
		variance := float64(squares[ch])/count - float64(m*m)
		mean = append(mean, m/255)
		dev = append(dev, math.Sqrt(max(variance, 1))/255) // never 0: it divides
	}
	return mean, dev
}

// fileError describes a failure to open or read a file in one line.
func fileError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing", name)
	}
	return err // an fs.PathError names the file
}
