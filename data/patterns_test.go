package data

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the goldens anew")

func TestPatterns(t *testing.T) {
	for _, size := range []int{8, 32, 33} {
		src := open(t, fmt.Sprintf("patterns:n=120,size=%d,classes=12", size), 1)
		checkSource(t, src, 1e-9)
		if src.Train.Len() != 120 || src.Test.Len() != 30 || src.Augment {
			t.Errorf("%d training images, %d test images, augmentation %t", src.Train.Len(), src.Test.Len(), src.Augment)
		}
		seen := map[string]bool{}
		for _, set := range []Set{src.Train, src.Test, open(t, src.Spec, 2).Train} {
			counts := make([]int, 12)
			for i := range set.Len() {
				b := string(imageOf(set, i))
				if seen[b] {
					t.Fatalf("image %d occurs twice", i)
				}
				seen[b] = true
				counts[set.Label(i)]++
			}
			if slices.Min(counts) < slices.Max(counts)-1 {
				t.Errorf("classes are not equally frequent: %v", counts)
			}
		}
	}
}

// TestPatternsGolden pins images of each class: they must be the same on every machine
// and in every version, or a run from a seed is another run.
func TestPatternsGolden(t *testing.T) {
	var got strings.Builder
	for _, spec := range []string{"patterns:n=512,classes=12", "patterns:n=512,classes=12,size=24"} {
		src := open(t, spec, 7)
		fmt.Fprintf(&got, "%s mean %.6f dev %.6f\n", spec, src.Mean, src.Dev)
		for i := range 12 {
			for j, set := range []Set{src.Train, src.Test} {
				h := fnv.New64a()
				h.Write(imageOf(set, i))
				fmt.Fprintf(&got, "%s %d class %d %016x\n", []string{"train", "test"}[j], i, set.Label(i), h.Sum64())
			}
		}
	}
	path := filepath.Join("testdata", "patterns.golden")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

// TestPatternsNeedMoreThanALine trains softmax regression on the pixels: no linear rule
// may come near what a net reaches (above 90 %), or the images would prove nothing. That
// it beats chance shows that labels and images belong together.
func TestPatternsNeedMoreThanALine(t *testing.T) {
	src := open(t, "patterns:n=700", 1)
	const classes, epochs, rate = 10, 3, 0.0005
	c, h, w := src.Train.Shape()
	size := c * h * w
	read := func(set Set, i int, x []float64) {
		for j, v := range imageOf(set, i) {
			ch := j / (h * w)
			x[j] = (float64(v)/255 - src.Mean[ch]) / src.Dev[ch]
		}
	}
	weights := make([][]float64, classes)
	for k := range weights {
		weights[k] = make([]float64, size)
	}
	scores := func(x []float64) (s [classes]float64) {
		for k := range s {
			for j, v := range x {
				s[k] += weights[k][j] * v
			}
		}
		return s
	}
	x := make([]float64, size)
	for epoch := range uint64(epochs) {
		for _, i := range Order(1, epoch, src.Train.Len()) {
			read(src.Train, i, x)
			p := scores(x)
			top, sum := slices.Max(p[:]), 0.0
			for k := range p {
				p[k] = math.Exp(p[k] - top)
				sum += p[k]
			}
			for k := range p {
				g := p[k] / sum
				if k == src.Train.Label(i) {
					g--
				}
				for j, v := range x {
					weights[k][j] -= rate * g * v
				}
			}
		}
	}
	right := 0
	for i := range src.Test.Len() {
		read(src.Test, i, x)
		s := scores(x)
		if slices.Index(s[:], slices.Max(s[:])) == src.Test.Label(i) {
			right++
		}
	}
	share := float64(right) / float64(src.Test.Len())
	t.Logf("a linear rule is right on %.1f %%", 100*share)
	if share < 0.2 || share > 0.65 {
		t.Errorf("a linear rule is right on %.1f %%, want 20 to 65 %%", 100*share)
	}
}

// TestStripesDifferByDirectionAlone: the mean colours of classes 0–3 are alike.
func TestStripesDifferByDirectionAlone(t *testing.T) {
	src := open(t, "patterns:classes=4,n=1200", 1)
	var means [4][3]float64
	for i := range 1200 {
		for j, v := range imageOf(src.Train, i) {
			means[i%4][j/1024] += float64(v) / 1024 / 300
		}
	}
	for k := range means {
		for c := range 3 {
			if math.Abs(means[k][c]-means[0][c]) > 9 { // the deviation of such a difference is 2.3
				t.Errorf("class %d: mean colour %.1f, class 0: %.1f", k, means[k], means[0])
			}
		}
	}
}

// TestBlobsDifferByColourAlone: with the same numbers drawn, the pictures of classes 4–7
// have the same figures in the same places, in other colours.
func TestBlobsDifferByColourAlone(t *testing.T) {
	strip := func(class int) (p picture) {
		p.compose(class, &draw{key: 1, stream: 2})
		for i := range p.figures {
			p.figures[i].colour = colour{}
		}
		return p
	}
	for class := 5; class < 8; class++ {
		if strip(class) != strip(4) {
			t.Errorf("classes 4 and %d differ by more than colour", class)
		}
	}
}

func BenchmarkPatternsImage(b *testing.B) {
	set := open(b, "patterns", 1).Train
	image := imageOf(set, 0)
	for i := 0; b.Loop(); i++ {
		set.Image(i%set.Len(), image)
	}
}
