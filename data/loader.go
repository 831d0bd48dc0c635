package data

import (
	"context"
	"fmt"

	"cleave/layout"
	"cleave/random"
)

// Options says what batches a Loader reads and which of their samples this rank keeps.
type Options struct {
	Seed                   uint64
	Batch                  int         // samples of a training batch over all ranks; 0: no training
	Images, Labels         layout.Span // samples of it whose images and labels are read
	EvalBatch              int         // samples of a test batch over all ranks; 0: no test
	EvalImages, EvalLabels layout.Span
}

// Loader reads one rank's part of the batches of a Source. Each call that returns a batch
// starts a goroutine on the following one, so at most two training and two test batches
// are in memory, and after the first steps nothing is allocated but the order of a new
// epoch. A Loader is used by one goroutine at a time, Close included.
type Loader struct {
	source      *Source
	options     Options
	train, test *reader
}

// NewLoader returns a Loader; Close ends it. Spans must lie within the batches.
func NewLoader(src *Source, o Options) *Loader {
	whole, eval := layout.Span{Lo: 0, Hi: o.Batch}, layout.Span{Lo: 0, Hi: o.EvalBatch}
	if !whole.Holds(o.Images) || !whole.Holds(o.Labels) || !eval.Holds(o.EvalImages) || !eval.Holds(o.EvalLabels) {
		panic("data: a loader's span lies outside its batch")
	}
	l := &Loader{source: src, options: o}
	c, h, w := src.Train.Shape()
	if src.TrainBatches(o.Batch) > 0 {
		l.train = newReader(c*h*w, o.Images, o.Labels, l.fillTrain())
	}
	if src.TestBatches(o.EvalBatch) > 0 {
		l.test = newReader(c*h*w, o.EvalImages, o.EvalLabels, l.fillTest)
	}
	return l
}

// Train returns this rank's part of a batch of an epoch, both counted from 0: c·h·w bytes
// for each image of Options.Images, and the labels of Options.Labels. Both are valid until
// the next call of Train. The following batch, after an epoch's last the next epoch's
// first, is read meanwhile.
func (l *Loader) Train(ctx context.Context, epoch, batch uint64) (pixels []byte, labels []int32, err error) {
	n := uint64(l.TrainBatches())
	if batch >= n {
		if n == 0 {
			return nil, nil, fmt.Errorf("a batch of %d from %d training images: want at least one whole batch", l.options.Batch, l.source.Train.Len())
		}
		return nil, nil, fmt.Errorf("training batch %d of %d in an epoch", batch, n)
	}
	following := &place{epoch, batch + 1}
	if batch+1 == n {
		following = &place{epoch + 1, 0}
	}
	b, err := l.train.read(ctx, place{epoch, batch}, following)
	if err != nil {
		return nil, nil, err
	}
	return b.pixels, b.labels, nil
}

// Test returns this rank's part of test batch number batch, as Train does, and how many
// images the whole batch has: less than EvalBatch in a last, partial one, where the other
// samples have black images and label -1. Both are valid until the next call of Test.
func (l *Loader) Test(ctx context.Context, batch int) (pixels []byte, labels []int32, n int, err error) {
	count := l.TestBatches()
	if batch < 0 || batch >= count {
		return nil, nil, 0, fmt.Errorf("test batch %d of %d", batch, count)
	}
	var following *place
	if batch+1 < count {
		following = &place{0, uint64(batch + 1)}
	}
	b, err := l.test.read(ctx, place{0, uint64(batch)}, following)
	if err != nil {
		return nil, nil, 0, err
	}
	return b.pixels, b.labels, min(l.options.EvalBatch, l.source.Test.Len()-batch*l.options.EvalBatch), nil
}

// TrainBatches returns the number of batches in an epoch.
func (l *Loader) TrainBatches() int { return l.source.TrainBatches(l.options.Batch) }

// TestBatches returns the number of batches that hold each test image once.
func (l *Loader) TestBatches() int { return l.source.TestBatches(l.options.EvalBatch) }

// Close waits for what is being read. Calls of Train and Test that follow fail.
func (l *Loader) Close() {
	for _, r := range []*reader{l.train, l.test} {
		if r != nil {
			r.close()
		}
	}
}

// fillTrain returns the function that fills training batches; it keeps the epoch's order
// and a scratch image between calls.
func (l *Loader) fillTrain() func(place, *batch) {
	var (
		o          = l.options
		set        = l.source.Train
		c, h, w    = set.Shape()
		scratch    = make([]byte, c*h*w)
		augmentKey = random.Key(o.Seed, "augment")
		order      []int
		epoch      uint64
	)
	return func(p place, b *batch) {
		if order == nil || epoch != p.epoch {
			order, epoch = Order(o.Seed, p.epoch, set.Len()), p.epoch
		}
		samples := order[int(p.batch)*o.Batch:][:o.Batch]
		for k, i := range samples[o.Images.Lo:][:o.Images.Len()] {
			dst := b.pixels[k*len(scratch):][:len(scratch)]
			if l.source.Augment {
				set.Image(i, scratch)
				augment(dst, scratch, c, h, w, augmentKey, p.epoch, i)
			} else {
				set.Image(i, dst)
			}
		}
		for k, i := range samples[o.Labels.Lo:][:o.Labels.Len()] {
			b.labels[k] = int32(set.Label(i))
		}
	}
}

func (l *Loader) fillTest(p place, b *batch) {
	o, set := l.options, l.source.Test
	c, h, w := set.Shape()
	first := int(p.batch) * o.EvalBatch
	for k := range o.EvalImages.Len() {
		dst := b.pixels[k*c*h*w:][:c*h*w]
		if i := first + o.EvalImages.Lo + k; i < set.Len() {
			set.Image(i, dst)
		} else {
			clear(dst)
		}
	}
	for k := range o.EvalLabels.Len() {
		if i := first + o.EvalLabels.Lo + k; i < set.Len() {
			b.labels[k] = int32(set.Label(i))
		} else {
			b.labels[k] = -1
		}
	}
}
