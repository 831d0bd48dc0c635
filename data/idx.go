package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The IDX files of MNIST (http://yann.lecun.com/exdb/mnist): a magic number, the extents,
// then bytes; all numbers 32 bits, most significant byte first.
const (
	idxLabels  = 2049 // unsigned bytes in one dimension
	idxImages  = 2051 // unsigned bytes in three
	idxSide    = 32   // images are padded to this side, which nets made for CIFAR take too
	idxClasses = 10
)

// gray is a set of images of one channel, padded with zeros all round to idxSide.
type gray struct {
	h, w   int // of the images as stored
	pixels []byte
	labels []byte
}

func openIDX(dir string) (*Source, error) {
	train, err := readIDX(dir, "train")
	if err != nil {
		return nil, err
	}
	test, err := readIDX(dir, "t10k")
	if err != nil {
		return nil, err
	}
	src := &Source{Train: train, Test: test}
	src.Mean, src.Dev = statistics(train)
	return src, nil
}

// readIDX reads the images and the labels of one part, "train" or "t10k".
func readIDX(dir, part string) (gray, error) {
	var s gray
	images, err := readFile(dir, part+"-images", "idx3-ubyte", func(r io.Reader) (err error) {
		s.h, s.w, s.pixels, err = parseImages(r)
		return err
	})
	if err != nil {
		return gray{}, err
	}
	labels, err := readFile(dir, part+"-labels", "idx1-ubyte", func(r io.Reader) (err error) {
		s.labels, err = parseLabels(r)
		return err
	})
	if err != nil {
		return gray{}, err
	}
	if n := len(s.pixels) / (s.h * s.w); n != len(s.labels) {
		return gray{}, fmt.Errorf("%s has %d images, but %s has %d labels", images, n, labels, len(s.labels))
	}
	return s, nil
}

// readFile finds a file of the given name and ending, with - or . between them, .gz or
// not, hands its contents to parse, and returns its path.
func readFile(dir, name, ending string, parse func(io.Reader) error) (string, error) {
	for _, full := range []string{name + "-" + ending, name + "." + ending} {
		for _, gz := range []string{"", ".gz"} {
			path := filepath.Join(dir, full+gz)
			f, err := os.Open(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return path, fileError(path, err)
			}
			defer f.Close()
			if err := parseMaybeGzip(f, parse); err != nil {
				return path, fmt.Errorf("%s: %w", path, err)
			}
			return path, nil
		}
	}
	return "", fmt.Errorf("no %s-%s or %s-%s.gz in %s", name, ending, name, ending, dir)
}

// parseMaybeGzip unpacks what begins as gzip does, whatever its name.
func parseMaybeGzip(r io.Reader, parse func(io.Reader) error) error {
	buffered := bufio.NewReaderSize(r, 1<<16)
	if start, _ := buffered.Peek(2); !bytes.Equal(start, []byte{0x1f, 0x8b}) {
		return parse(buffered)
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return fmt.Errorf("gzip damaged or cut short: %w", err)
	}
	return parse(damage{unpacked})
}

// damage says of gzip's errors that they are gzip's.
type damage struct{ r io.Reader }

func (d damage) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("gzip damaged or cut short: %w", err)
	}
	return n, err
}

func parseImages(r io.Reader) (h, w int, pixels []byte, err error) {
	extents, err := header(r, idxImages, 3)
	if err != nil {
		return 0, 0, nil, err
	}
	h, w = extents[1], extents[2]
	if h < 1 || w < 1 || h > idxSide || w > idxSide {
		return 0, 0, nil, fmt.Errorf("images of %dx%d, want 1x1 to %dx%d", h, w, idxSide, idxSide)
	}
	pixels, err = body(r, int64(extents[0])*int64(h*w))
	return h, w, pixels, err
}

func parseLabels(r io.Reader) ([]byte, error) {
	extents, err := header(r, idxLabels, 1)
	if err != nil {
		return nil, err
	}
	labels, err := body(r, int64(extents[0]))
	if err != nil {
		return nil, err
	}
	for i, v := range labels {
		if v >= idxClasses {
			return nil, fmt.Errorf("label %d is %d, want 0 to %d", i, v, idxClasses-1)
		}
	}
	return labels, nil
}

// header reads the magic number, which must be magic, and the extents.
func header(r io.Reader, magic uint32, dims int) ([]int, error) {
	b := make([]byte, 4+4*dims)
	n, err := io.ReadFull(r, b)
	if n >= 4 {
		if got := binary.BigEndian.Uint32(b); got != magic {
			return nil, fmt.Errorf("magic number %d, want %d", got, magic)
		}
	}
	if err != nil {
		return nil, cutShort(err, n, "of a header of", len(b))
	}
	extents := make([]int, dims)
	for i := range extents {
		v := binary.BigEndian.Uint32(b[4+4*i:])
		if v >= maxImages {
			return nil, fmt.Errorf("extent %d is %d: the header is damaged", i, v)
		}
		extents[i] = int(v)
	}
	if extents[0] == 0 {
		return nil, errors.New("it holds no images")
	}
	return extents, nil
}

// body reads the n bytes that must follow a header, and the end. Memory is taken only for
// what is there, whatever the header says.
func body(r io.Reader, n int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, n+1))
	switch {
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, err
	case err != nil || int64(len(b)) < n:
		return nil, cutShort(err, len(b), "after a header that announces", n)
	case int64(len(b)) > n:
		return nil, fmt.Errorf("more than the %d bytes that its header announces", n)
	}
	return b, nil
}

// cutShort describes a read of got bytes that ended before want.
func cutShort(err error, got int, what string, want any) error {
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err // gzip's, which says more
	}
	return fmt.Errorf("cut short: %d bytes %s %v bytes", got, what, want)
}

func (s gray) Len() int             { return len(s.labels) }
func (s gray) Shape() (c, h, w int) { return 1, idxSide, idxSide }
func (s gray) Classes() int         { return idxClasses }
func (s gray) Label(i int) int      { return int(s.labels[i]) }

func (s gray) Image(i int, dst []byte) {
	dst = dst[:idxSide*idxSide]
	clear(dst)
	top, left := (idxSide-s.h)/2, (idxSide-s.w)/2
	for y, image := 0, s.pixels[i*s.h*s.w:]; y < s.h; y++ {
		copy(dst[(top+y)*idxSide+left:], image[y*s.w:][:s.w])
	}
}
