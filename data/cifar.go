package data

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The binary version of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html): records of
// a label byte and 32×32 red, green and blue bytes, nothing between them.
const (
	cifarSide    = 32
	cifarPixels  = 3 * cifarSide * cifarSide
	cifarRecord  = 1 + cifarPixels
	cifarClasses = 10
)

// cifar is a set of records, file after file.
type cifar struct{ records []byte }

func openCIFAR(dir string) (*Source, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "data_batch_") && strings.HasSuffix(e.Name(), ".bin") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no data_batch_*.bin in %s; want the files of CIFAR-10's binary version", dir)
	}
	train, err := readCIFAR(names)
	if err != nil {
		return nil, err
	}
	test, err := readCIFAR([]string{filepath.Join(dir, "test_batch.bin")})
	if err != nil {
		return nil, err
	}
	return &Source{
		Train: train,
		Test:  test,
		// Over the training images.
		Mean:    []float64{0.4923, 0.4829, 0.4474},
		Dev:     []float64{0.2468, 0.2433, 0.2616},
		Augment: true,
	}, nil
}

// readCIFAR reads files into one set, in the order of names.
func readCIFAR(names []string) (cifar, error) {
	var s cifar
	for _, name := range names {
		records, err := os.ReadFile(name)
		if err != nil {
			return cifar{}, fileError(name, err)
		}
		if err := checkCIFAR(records); err != nil {
			return cifar{}, fmt.Errorf("%s: %w", name, err)
		}
		if s.records == nil {
			s.records = records
		} else {
			s.records = append(s.records, records...)
		}
	}
	return s, nil
}

func checkCIFAR(records []byte) error {
	if len(records) == 0 || len(records)%cifarRecord != 0 {
		return fmt.Errorf("%d bytes, want a multiple of %d (a label and 32x32 pixels of 3 colours); cut short, or not CIFAR-10's binary version",
			len(records), cifarRecord)
	}
	for i := 0; i < len(records); i += cifarRecord {
		if records[i] >= cifarClasses {
			return fmt.Errorf("record %d has label %d, want 0 to %d", i/cifarRecord, records[i], cifarClasses-1)
		}
	}
	return nil
}

func (s cifar) Len() int             { return len(s.records) / cifarRecord }
func (s cifar) Shape() (c, h, w int) { return 3, cifarSide, cifarSide }
func (s cifar) Classes() int         { return cifarClasses }
func (s cifar) Label(i int) int      { return int(s.records[i*cifarRecord]) }

func (s cifar) Image(i int, dst []byte) {
	copy(dst[:cifarPixels], s.records[i*cifarRecord+1:][:cifarPixels])
}
