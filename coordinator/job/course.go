package job

import "fmt"

// Course is the arithmetic of a run: how many steps, which batch of which epoch each
// takes, at what rate, and after which the net is evaluated. Steps count from 1.
type Course struct {
	Steps     uint64 // in all
	PerEpoch  uint64 // whole batches in an epoch; the last, partial one is dropped
	EvalEvery uint64 // evaluate after every so many steps; 0: never
	Rates     Rates
}

// Length says how long a run is: so many epochs, or so many steps. One of them is 0.
type Length struct {
	Epochs, Steps uint64
}

// NewCourse lays out a run over a training set of the given number of images. evalEvery
// is in steps; 0 stands for the default: after each epoch if the run is given in epochs,
// never if it is given in steps.
func NewCourse(images, batch int, l Length, evalEvery uint64, r Rates) (Course, error) {
	switch {
	case images < 1:
		return Course{}, fmt.Errorf("the training set is empty")
	case batch < 1:
		return Course{}, fmt.Errorf("the batch must be at least 1, not %d", batch)
	case batch > images:
		return Course{}, fmt.Errorf("batch %d is larger than the training set of %d images", batch, images)
	case (l.Epochs == 0) == (l.Steps == 0):
		return Course{}, fmt.Errorf("a run is so many epochs or so many steps, one of them")
	}
	c := Course{Steps: l.Steps, PerEpoch: uint64(images / batch), EvalEvery: evalEvery}
	if l.Epochs > 0 {
		if l.Epochs > longest/c.PerEpoch {
			return Course{}, fmt.Errorf("%d epochs are too many: the limit is %d steps", l.Epochs, uint64(longest))
		}
		c.Steps = l.Epochs * c.PerEpoch
		if evalEvery == 0 {
			c.EvalEvery = c.PerEpoch
		}
	}
	if c.Steps > longest {
		return Course{}, fmt.Errorf("%d steps are too many: the limit is %d", c.Steps, uint64(longest))
	}
	var err error
	c.Rates, err = r.over(c.Steps, c.PerEpoch)
	return c, err
}

// longest is the greatest number of steps: the step is an int32 in a Program (dropout
// draws by it).
const longest = 1<<31 - 1

// Step is one training step.
type Step struct {
	Number uint64  // from 1
	Epoch  uint64  // from 0
	Batch  uint64  // within the epoch, from 0
	Rate   float32 // the learning rate
}

// Step returns step n, 1 ≤ n ≤ c.Steps.
func (c Course) Step(n uint64) Step {
	return Step{Number: n, Epoch: (n - 1) / c.PerEpoch, Batch: (n - 1) % c.PerEpoch, Rate: float32(c.Rates.At(n))}
}

// Epochs returns the number of epochs that the run touches.
func (c Course) Epochs() uint64 { return (c.Steps + c.PerEpoch - 1) / c.PerEpoch }

// Evaluates reports whether the net is evaluated after step n.
func (c Course) Evaluates(n uint64) bool { return c.EvalEvery > 0 && n > 0 && n%c.EvalEvery == 0 }
