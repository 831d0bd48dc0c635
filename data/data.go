// Package data opens sets of images and reads batches of them, ahead of the step that
// needs them.
//
// A source is named by a spec:
//
//	patterns[:n=4096,size=32,classes=10]   generated from the seed, no files
//	cifar10:DIR                            CIFAR-10, binary version
//	idx:DIR                                MNIST or Fashion-MNIST, gzip or not
//	random:HxWxC,classes[,n=128]           noise with random labels
//
// All that a batch holds is a function of the spec, the seed, the epoch and the batch's
// number: nothing depends on how many workers read it, and each reads only its part.
package data

import (
	"strconv"

	"cleave/random"
)

// Set is a numbered set of labelled images of one shape. It may be read from several
// goroutines at once.
type Set interface {
	// Len returns the number of images.
	Len() int
	// Shape returns the channels, rows and columns of every image.
	Shape() (c, h, w int)
	// Classes returns the number of classes; labels are 0 … Classes-1.
	Classes() int
	// Image writes image i as c·h·w bytes: channel by channel, row by row.
	Image(i int, dst []byte)
	// Label returns the class of image i.
	Label(i int) int
}

// Source is what a spec names: images to train on and others to test on, of one shape and
// one number of classes.
type Source struct {
	Spec        string
	Train, Test Set
	Mean, Dev   []float64 // mean and deviation of each channel's pixels, counted from 0 to 1
	Augment     bool      // training images are shifted by up to two pixels and mirrored
}

// TrainBatches returns the number of batches in an epoch: the last partial one is dropped.
func (s *Source) TrainBatches(batch int) int {
	if batch < 1 {
		return 0
	}
	return s.Train.Len() / batch
}

// TestBatches returns the number of batches that hold each test image once; the last may
// be partial.
func (s *Source) TestBatches(batch int) int {
	if batch < 1 {
		return 0
	}
	return (s.Test.Len() + batch - 1) / batch
}

// Order returns the order in which an epoch goes through n images.
func Order(seed, epoch uint64, n int) []int {
	return random.Perm(random.Key(seed, "order of epoch "+strconv.FormatUint(epoch, 10)), n)
}
