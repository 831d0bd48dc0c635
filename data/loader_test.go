package data

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"cleave/layout"
)

// loader opens a loader that the test's end closes.
func loader(t testing.TB, src *Source, o Options) *Loader {
	t.Helper()
	l := NewLoader(src, o)
	t.Cleanup(l.Close)
	return l
}

func train(t testing.TB, l *Loader, epoch, batch uint64) ([]byte, []int32) {
	t.Helper()
	pixels, labels, err := l.Train(t.Context(), epoch, batch)
	if err != nil {
		t.Fatal(err)
	}
	return pixels, labels
}

// cifarSource returns a source of 23 training images, with augmentation.
func cifarSource(t testing.TB) *Source {
	return open(t, "cifar10:"+folder(t, map[string][]byte{"data_batch_1.bin": records(23), "test_batch.bin": records(11)}), 1)
}

// TestLoaderTrain: two epochs in order, each a permutation of the images less the last
// partial batch, and each image what set and augmentation make of it.
func TestLoaderTrain(t *testing.T) {
	for _, augmented := range []bool{false, true} {
		src := cifarSource(t)
		src.Augment = augmented
		whole := layout.Span{Lo: 0, Hi: 5}
		l := loader(t, src, Options{Seed: 9, Batch: 5, Images: whole, Labels: whole})
		if l.TrainBatches() != 4 || l.TestBatches() != 0 {
			t.Fatalf("%d training and %d test batches", l.TrainBatches(), l.TestBatches())
		}
		fresh := loader(t, src, Options{Seed: 9, Batch: 5, Images: whole, Labels: whole})
		for epoch := range uint64(2) {
			order := Order(9, epoch, 23)
			for batch := range uint64(4) {
				pixels, labels := train(t, l, epoch, batch)
				for k, i := range order[batch*5:][:5] {
					image := pixels[k*cifarPixels:][:cifarPixels]
					if int(labels[k]) != src.Train.Label(i) {
						t.Errorf("epoch %d batch %d sample %d: label %d", epoch, batch, k, labels[k])
					}
					if !augmented && !slices.Equal(image, imageOf(src.Train, i)) {
						t.Errorf("epoch %d batch %d sample %d: wrong image", epoch, batch, k)
					}
				}
				if epoch == 1 && batch == 2 { // a loader that starts in the middle
					again, _ := train(t, fresh, epoch, batch)
					if !slices.Equal(again, pixels) {
						t.Error("a batch depends on what was read before it")
					}
				}
			}
		}
	}
}

// TestLoaderParts: whatever part of the batch a rank keeps, it gets those samples.
func TestLoaderParts(t *testing.T) {
	src := cifarSource(t)
	whole := layout.Span{Lo: 0, Hi: 8}
	all := loader(t, src, Options{Seed: 1, Batch: 8, Images: whole, Labels: whole, EvalBatch: 8, EvalImages: whole, EvalLabels: whole})
	for _, images := range []layout.Span{{Lo: 0, Hi: 3}, {Lo: 3, Hi: 8}, {Lo: 7, Hi: 8}, {}, whole} {
		for _, labels := range []layout.Span{{Lo: 2, Hi: 6}, {}, whole} {
			part := loader(t, src, Options{
				Seed: 1, Batch: 8, Images: images, Labels: labels, EvalBatch: 8, EvalImages: labels, EvalLabels: images,
			})
			for batch := range uint64(2) {
				wantPixels, wantLabels := train(t, all, 3, batch)
				pixels, got := train(t, part, 3, batch)
				if !slices.Equal(pixels, wantPixels[images.Lo*cifarPixels:images.Hi*cifarPixels]) || !slices.Equal(got, wantLabels[labels.Lo:labels.Hi]) {
					t.Errorf("images %v, labels %v: training batch %d is not that part of the whole", images, labels, batch)
				}
				wantPixels, wantLabels, _, _ = all.Test(t.Context(), int(batch))
				pixels, got, _, err := part.Test(t.Context(), int(batch))
				if err != nil || !slices.Equal(pixels, wantPixels[labels.Lo*cifarPixels:labels.Hi*cifarPixels]) || !slices.Equal(got, wantLabels[images.Lo:images.Hi]) {
					t.Errorf("images %v, labels %v: test batch %d is not that part of the whole (%v)", labels, images, batch, err)
				}
			}
		}
	}
}

// TestLoaderTest: each test image once and in order, in any number of passes; the rest of
// the last batch is black and has no label, even where an image was before.
func TestLoaderTest(t *testing.T) {
	src := cifarSource(t)
	whole := layout.Span{Lo: 0, Hi: 4}
	l := loader(t, src, Options{EvalBatch: 4, EvalImages: whole, EvalLabels: whole})
	for range 2 {
		seen := 0
		for batch := range l.TestBatches() {
			pixels, labels, n, err := l.Test(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			if want := min(4, 11-seen); n != want {
				t.Errorf("batch %d: %d images, want %d", batch, n, want)
			}
			for k, label := range labels {
				image := pixels[k*cifarPixels:][:cifarPixels]
				switch i := batch*4 + k; {
				case i >= 11:
					if label != -1 || slices.Max(image) != 0 {
						t.Errorf("sample %d: label %d and brightest pixel %d, want -1 and 0", i, label, slices.Max(image))
					}
				case int(label) != src.Test.Label(i) || !slices.Equal(image, imageOf(src.Test, i)):
					t.Errorf("sample %d is not image %d", i, i)
				}
			}
			seen += n
		}
		if seen != 11 {
			t.Errorf("%d images, want 11", seen)
		}
	}
}

func TestLoaderErrors(t *testing.T) {
	src := open(t, "random:4x4x1,2,n=8", 1)
	small := loader(t, src, Options{Batch: 9})
	if _, _, err := small.Train(t.Context(), 0, 0); err == nil || !strings.Contains(err.Error(), "a batch of 9 from 8 training images") {
		t.Errorf("batch too large: got error %v", err)
	}
	l := loader(t, src, Options{Batch: 4, EvalBatch: 2})
	if _, _, err := l.Train(t.Context(), 0, 2); err == nil {
		t.Error("no error for a batch past the epoch's end")
	}
	for _, batch := range []int{-1, 1} {
		if _, _, _, err := l.Test(t.Context(), batch); err == nil {
			t.Errorf("no error for test batch %d of 1", batch)
		}
	}
	l.Close()
	l.Close()
	if _, _, err := l.Train(t.Context(), 0, 0); !errors.Is(err, errClosed) {
		t.Errorf("closed: got error %v", err)
	}
}

// slow is a set whose images wait for a word.
type slow struct {
	noise
	allow chan struct{}
}

func (s slow) Image(i int, dst []byte) {
	<-s.allow
	s.noise.Image(i, dst)
}

// TestLoaderReadsAhead: the following batch is filled while the caller holds one, the
// batch after it is not, and a call that is given up changes nothing.
func TestLoaderReadsAhead(t *testing.T) {
	src := open(t, "random:4x4x1,2,n=8", 1)
	set := slow{src.Train.(noise), make(chan struct{}, 8)}
	slowly := *src
	slowly.Train = set
	o := Options{Seed: 1, Batch: 1, Images: layout.Span{Lo: 0, Hi: 1}}
	l, reference := loader(t, &slowly, o), loader(t, src, o)
	t.Cleanup(func() { close(set.allow) }) // runs before Close, which waits for what is under way

	set.allow <- struct{}{}
	set.allow <- struct{}{} // the read-ahead's
	held, _ := train(t, l, 0, 0)
	want, _ := train(t, reference, 0, 0)
	if !slices.Equal(held, want) {
		t.Error("batch 0 is wrong")
	}
	next, _ := train(t, l, 0, 1) // read ahead: no word needed but those given
	if want, _ := train(t, reference, 0, 1); !slices.Equal(next, want) {
		t.Error("batch 1 is wrong")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("given up")
	cancel(cause)
	if _, _, err := l.Train(ctx, 0, 2); !errors.Is(err, cause) {
		t.Errorf("cancelled: got error %v", err)
	}
	set.allow <- struct{}{}
	set.allow <- struct{}{}
	third, _ := train(t, l, 0, 2)
	if want, _ := train(t, reference, 0, 2); !slices.Equal(third, want) {
		t.Error("batch 2 is wrong after a call that was given up")
	}
}

func TestLoaderAllocatesNothing(t *testing.T) {
	src := open(t, "patterns:n=4000,size=8", 1)
	src.Augment = true
	whole := layout.Span{Lo: 0, Hi: 4}
	l := loader(t, src, Options{Batch: 4, Images: whole, Labels: whole, EvalBatch: 4, EvalImages: whole, EvalLabels: whole})
	batch := 0
	step := func() {
		train(t, l, 0, uint64(batch))
		if _, _, _, err := l.Test(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		batch++
	}
	step()
	if n := testing.AllocsPerRun(100, step); n > 0 {
		t.Errorf("%v allocations a step", n)
	}
}
