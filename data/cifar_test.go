package data

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cleave/data/datatest"
)

// records returns n CIFAR records: image i has label i%10 and starts with byte i.
func records(n int) []byte {
	b := make([]byte, n*cifarRecord)
	for i := range n {
		b[i*cifarRecord] = byte(i % 10)
		b[i*cifarRecord+1] = byte(i)
		b[i*cifarRecord+cifarPixels] = byte(255 - i)
	}
	return b
}

// folder writes files into a new folder.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCIFAR(t *testing.T) {
	all := records(7)
	dir := folder(t, map[string][]byte{
		"data_batch_1.bin": all[:2*cifarRecord], "data_batch_2.bin": all[2*cifarRecord : 3*cifarRecord],
		"data_batch_7.bin": all[3*cifarRecord:], "test_batch.bin": all[cifarRecord : 4*cifarRecord], "readme.txt": nil,
	})
	src := open(t, "cifar10:"+dir, 1)
	if src.Train.Len() != 7 || src.Test.Len() != 3 || src.Train.Classes() != 10 || !src.Augment {
		t.Fatalf("%d training images, %d test images, %d classes, augmentation %t", src.Train.Len(), src.Test.Len(), src.Train.Classes(), src.Augment)
	}
	for i := range 7 {
		if image := imageOf(src.Train, i); src.Train.Label(i) != i || !bytes.Equal(image, all[i*cifarRecord+1:][:cifarPixels]) {
			t.Errorf("training image %d is wrong", i)
		}
	}
	for i := range 3 {
		if src.Test.Label(i) != i+1 || imageOf(src.Test, i)[0] != byte(i+1) {
			t.Errorf("test image %d is wrong", i)
		}
	}
}

func TestCIFARErrors(t *testing.T) {
	wrong := records(3)
	wrong[2*cifarRecord] = 10
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"empty folder": {nil, "no data_batch_*.bin in "},
		"no test":      {map[string][]byte{"data_batch_1.bin": records(1)}, "test_batch.bin is missing"},
		"cut short": {
			map[string][]byte{"data_batch_1.bin": records(1), "data_batch_2.bin": records(2)[:3074]},
			"data_batch_2.bin: 3074 bytes, want a multiple of 3073 (a label and 32x32 pixels of 3 colours)",
		},
		"empty": {map[string][]byte{"data_batch_1.bin": nil}, "data_batch_1.bin: 0 bytes, want a multiple"},
		"label": {
			map[string][]byte{"data_batch_1.bin": records(1), "test_batch.bin": wrong},
			"test_batch.bin: record 2 has label 10, want 0 to 9",
		},
	} {
		checkOpenFails(t, name, "cifar10:"+folder(t, c.files), c.want)
	}
	dir := folder(t, map[string][]byte{"file": nil})
	checkOpenFails(t, "missing", "cifar10:"+filepath.Join(dir, "none"), "there is no folder "+filepath.Join(dir, "none"))
	checkOpenFails(t, "file", "cifar10:"+filepath.Join(dir, "file"), "is a file, want the folder that holds the files")
}

// checkOpenFails checks that Open fails in one line that holds want.
func checkOpenFails(t *testing.T, name, spec, want string) {
	t.Helper()
	_, err := Open(spec, 1)
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: got error %v, want one line with %q", name, err, want)
	}
}

func TestRealCIFAR(t *testing.T) {
	src := open(t, "cifar10:"+filepath.Join(datatest.Dir(t), "cifar10"), 1)
	if src.Train.Len() != 20_000 || src.Test.Len() != 4_000 {
		t.Errorf("%d training images and %d test images", src.Train.Len(), src.Test.Len())
	}
	checkSource(t, src, 0.01) // over a part of the images
}

func FuzzCIFAR(f *testing.F) {
	f.Add(records(1))
	f.Add(records(2)[:3080])
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkCIFAR(b) != nil {
			return
		}
		s := cifar{b}
		for i := range s.Len() {
			if imageOf(s, i); s.Label(i) >= cifarClasses {
				t.Errorf("image %d has label %d", i, s.Label(i))
			}
		}
	})
}
