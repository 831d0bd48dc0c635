package data

import (
	"math"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, spec string, seed uint64) *Source {
	t.Helper()
	src, err := Open(spec, seed)
	if err != nil {
		t.Fatal(err)
	}
	if src.Spec != spec {
		t.Errorf("spec %q became %q", spec, src.Spec)
	}
	return src
}

func imageOf(s Set, i int) []byte {
	c, h, w := s.Shape()
	b := make([]byte, c*h*w)
	s.Image(i, b)
	return b
}

func TestOrder(t *testing.T) {
	first := Order(1, 0, 100)
	if !slices.Equal(first, Order(1, 0, 100)) {
		t.Error("not a function of its arguments")
	}
	if slices.Equal(first, Order(1, 1, 100)) || slices.Equal(first, Order(2, 0, 100)) {
		t.Error("another epoch or seed gives the same order")
	}
	slices.Sort(first)
	for i, v := range first {
		if i != v {
			t.Fatal("not a permutation")
		}
	}
}

func TestBatches(t *testing.T) {
	src := open(t, "random:4x4x1,2,n=40", 1) // 10 test images
	for _, c := range []struct{ batch, train, test int }{{0, 0, 0}, {1, 40, 10}, {3, 13, 4}, {10, 4, 1}, {40, 1, 1}, {41, 0, 1}} {
		if train, test := src.TrainBatches(c.batch), src.TestBatches(c.batch); train != c.train || test != c.test {
			t.Errorf("batch %d: %d and %d batches, want %d and %d", c.batch, train, test, c.train, c.test)
		}
	}
}

// checkSource checks what holds of every source, and its mean and deviation against a
// part of its training images, within tolerance.
func checkSource(t *testing.T, src *Source, tolerance float64) {
	t.Helper()
	c, h, w := src.Train.Shape()
	if tc, th, tw := src.Test.Shape(); tc != c || th != h || tw != w || src.Test.Classes() != src.Train.Classes() {
		t.Error("training and test images differ in shape or classes")
	}
	if len(src.Mean) != c || len(src.Dev) != c {
		t.Fatalf("%d means and %d deviations for %d channels", len(src.Mean), len(src.Dev), c)
	}
	for _, set := range []Set{src.Train, src.Test} {
		for i := range min(set.Len(), 1000) {
			if l := set.Label(i); l < 0 || l >= set.Classes() {
				t.Fatalf("image %d has label %d of %d classes", i, l, set.Classes())
			}
		}
	}
	n := min(src.Train.Len(), 2000)
	sums, squares := make([]float64, c), make([]float64, c)
	for i := range n {
		image := imageOf(src.Train, i)
		for ch := range c {
			for _, v := range image[ch*h*w:][:h*w] {
				x := float64(v) / 255
				sums[ch] += x
				squares[ch] += x * x
			}
		}
	}
	for ch := range c {
		mean := sums[ch] / float64(n*h*w)
		dev := math.Sqrt(squares[ch]/float64(n*h*w) - mean*mean)
		if math.Abs(mean-src.Mean[ch]) > tolerance || math.Abs(dev-src.Dev[ch]) > tolerance {
			t.Errorf("channel %d: mean %.4f deviation %.4f, the source says %.4f and %.4f", ch, mean, dev, src.Mean[ch], src.Dev[ch])
		}
	}
}

func TestNoise(t *testing.T) {
	src := open(t, "random:20x9x2,5,n=300", 3)
	checkSource(t, src, 0.005)
	if src.Train.Len() != 300 || src.Test.Len() != 75 || src.Augment {
		t.Errorf("%d training images, %d test images, augmentation %t", src.Train.Len(), src.Test.Len(), src.Augment)
	}
	again, other := open(t, "random:20x9x2,5,n=300", 3), open(t, "random:20x9x2,5,n=300", 4)
	seen := map[string]bool{}
	counts := make([]int, 5)
	for i := range 75 {
		counts[src.Train.Label(i)]++
		if !slices.Equal(imageOf(src.Train, i), imageOf(again.Train, i)) || src.Train.Label(i) != again.Train.Label(i) {
			t.Fatalf("image %d is not a function of the seed", i)
		}
		for _, s := range []Set{src.Train, src.Test, other.Train} {
			b := string(imageOf(s, i))
			if seen[b] {
				t.Fatalf("image %d occurs twice", i)
			}
			seen[b] = true
		}
	}
	if slices.Min(counts) < 5 {
		t.Errorf("labels are not random: %v", counts)
	}
}
