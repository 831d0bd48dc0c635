package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"cleave/data/datatest"
)

// idxFile returns an IDX file of bytes that count up from 0, modulo mod.
func idxFile(magic uint32, mod int, extents ...uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, magic)
	n := 1
	for _, e := range extents {
		b = binary.BigEndian.AppendUint32(b, e)
		n *= int(e)
	}
	for i := range n {
		b = append(b, byte(i%mod))
	}
	return b
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b) // to memory: cannot fail
	_ = w.Close()
	return out.Bytes()
}

// mnist returns the four files of a small set of 4×3 images, two names and two packings.
func mnist() map[string][]byte {
	return map[string][]byte{
		"train-images-idx3-ubyte.gz": zipped(idxFile(idxImages, 251, 21, 4, 3)),
		"train-labels-idx1-ubyte":    idxFile(idxLabels, 10, 21),
		"t10k-images.idx3-ubyte":     idxFile(idxImages, 251, 5, 4, 3),
		"t10k-labels.idx1-ubyte.gz":  zipped(idxFile(idxLabels, 10, 5)),
	}
}

func TestIDX(t *testing.T) {
	src := open(t, "idx:"+folder(t, mnist()), 1)
	checkSource(t, src, 1e-9)
	if c, h, w := src.Train.Shape(); c != 1 || h != 32 || w != 32 || src.Train.Len() != 21 || src.Test.Len() != 5 || src.Augment {
		t.Fatalf("%d×%d×%d, %d training images, %d test images, augmentation %t", c, h, w, src.Train.Len(), src.Test.Len(), src.Augment)
	}
	for i := range 21 {
		image := imageOf(src.Train, i)
		for j, v := range image {
			y, x := j/32-14, j%32-14 // 4 rows in 32 leave 14 above, 3 columns 14 to the left
			want := byte(0)
			if y >= 0 && y < 4 && x >= 0 && x < 3 {
				want = byte((i*12 + y*3 + x) % 251)
			}
			if v != want {
				t.Fatalf("image %d, row %d, column %d: got %d, want %d", i, y, x, v, want)
			}
		}
		if src.Train.Label(i) != i%10 {
			t.Errorf("image %d has label %d", i, src.Train.Label(i))
		}
	}
}

func TestIDXErrors(t *testing.T) {
	badSum := zipped(idxFile(idxImages, 251, 21, 4, 3))
	badSum[len(badSum)-8]++ // the checksum
	for name, c := range map[string]struct {
		file string
		with []byte // nil: removed
		want string
	}{
		"missing":       {"train-images-idx3-ubyte.gz", nil, "no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in "},
		"missing test":  {"t10k-labels.idx1-ubyte.gz", nil, "no t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz in "},
		"empty":         {"train-labels-idx1-ubyte", []byte{}, "train-labels-idx1-ubyte: cut short: 0 bytes of a header of 8 bytes"},
		"swapped":       {"train-labels-idx1-ubyte", idxFile(idxImages, 10, 21, 1, 1), "magic number 2051, want 2049"},
		"header":        {"train-labels-idx1-ubyte", idxFile(idxLabels, 10, 21)[:7], "cut short: 7 bytes of a header of 8 bytes"},
		"cut short":     {"train-labels-idx1-ubyte", idxFile(idxLabels, 10, 21)[:20], "cut short: 12 bytes after a header that announces 21 bytes"},
		"too long":      {"train-labels-idx1-ubyte", append(idxFile(idxLabels, 10, 21), 1), "more than the 21 bytes that its header announces"},
		"label":         {"train-labels-idx1-ubyte", idxFile(idxLabels, 11, 21), "label 10 is 10, want 0 to 9"},
		"count":         {"train-labels-idx1-ubyte", idxFile(idxLabels, 10, 20), "train-images-idx3-ubyte.gz has 21 images, but "},
		"nothing":       {"train-labels-idx1-ubyte", idxFile(idxLabels, 10, 0), "it holds no images"},
		"huge":          {"t10k-images.idx3-ubyte", idxFile(idxImages, 251, 5, 33, 3)[:40], "images of 33x3, want 1x1 to 32x32"},
		"flat":          {"t10k-images.idx3-ubyte", idxFile(idxImages, 251, 5, 3, 0), "images of 3x0, want 1x1 to 32x32"},
		"header damage": {"t10k-images.idx3-ubyte", binary.BigEndian.AppendUint64(idxFile(idxImages, 1)[:4], 0xffffffff_00000001), "cut short: 12 bytes of a header of 16 bytes"},
		"gzip cut":      {"train-images-idx3-ubyte.gz", zipped(idxFile(idxImages, 251, 21, 4, 3))[:100], "train-images-idx3-ubyte.gz: gzip damaged or cut short: unexpected EOF"},
		"gzip head":     {"train-images-idx3-ubyte.gz", []byte{0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9}, "gzip damaged or cut short: gzip: invalid header"},
		"gzip sum":      {"train-images-idx3-ubyte.gz", badSum, "gzip damaged or cut short: gzip: invalid checksum"},
	} {
		files := mnist()
		if files[c.file] = c.with; c.with == nil {
			delete(files, c.file)
		}
		checkOpenFails(t, name, "idx:"+folder(t, files), c.want)
	}
}

func TestRealFashionMNIST(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks 70,000 images")
	}
	src := open(t, "idx:"+filepath.Join(datatest.Dir(t), "fashion-mnist"), 1)
	if src.Train.Len() != 60_000 || src.Test.Len() != 10_000 {
		t.Errorf("%d training images and %d test images", src.Train.Len(), src.Test.Len())
	}
	checkSource(t, src, 0.01) // over a part of the images
	counts := make([]int, 10)
	for i := range src.Test.Len() {
		counts[src.Test.Label(i)]++
	}
	if !slices.Equal(counts, slices.Repeat([]int{1000}, 10)) {
		t.Errorf("test images by class: %d", counts)
	}
}

// FuzzIDX: whatever the bytes, parsing ends with an error or with as much as was
// announced, and takes no more memory than the bytes.
func FuzzIDX(f *testing.F) {
	for _, b := range [][]byte{idxFile(idxImages, 251, 2, 3, 4), idxFile(idxLabels, 10, 4), idxFile(idxImages, 1, 1, 1, 1)[:16]} {
		f.Add(b)
		f.Add(zipped(b))
	}
	f.Add(append(binary.BigEndian.AppendUint32(nil, idxImages), bytes.Repeat([]byte{0x7f, 0, 0, 0}, 3)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = parseMaybeGzip(bytes.NewReader(b), func(r io.Reader) error {
			h, w, pixels, err := parseImages(r)
			if err == nil && (h < 1 || w < 1 || len(pixels) == 0 || len(pixels)%(h*w) != 0) {
				t.Errorf("%d bytes of images of %d×%d", len(pixels), h, w)
			}
			return err
		})
		_ = parseMaybeGzip(bytes.NewReader(b), func(r io.Reader) error {
			labels, err := parseLabels(r)
			if err == nil && (len(labels) == 0 || slices.Max(labels) >= idxClasses) {
				t.Errorf("labels %d", labels)
			}
			return err
		})
	})
}
