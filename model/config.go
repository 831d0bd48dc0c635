package model

import (
	"fmt"
	"math"

	"cleave/model/op"
)

// maxExtent bounds what a Config may ask for, so that no product of extents overflows.
const maxExtent = 1 << 20

// check refuses a configuration that no net can be built for.
func (c Config) check() error {
	for _, v := range []struct {
		what string
		n    int
	}{{"batch", c.Batch}, {"image height", c.Height}, {"image width", c.Width}, {"image channels", c.Channels}, {"classes", c.Classes}} {
		if v.n < 1 || v.n > maxExtent {
			return fmt.Errorf("%s must be from 1 to %d, not %d", v.what, maxExtent, v.n)
		}
	}
	var none op.Normalize
	for _, v := range []struct {
		what string
		n    int
	}{{"means", len(c.Mean)}, {"deviations", len(c.Dev)}} {
		if v.n != 0 && v.n != c.Channels || v.n > len(none.Mean) {
			return fmt.Errorf("%d %s for images of %d channels (at most %d can have their own)", v.n, v.what, c.Channels, len(none.Mean))
		}
	}
	for i, m := range c.Mean {
		if math.IsNaN(m) || math.IsInf(m, 0) {
			return fmt.Errorf("mean of channel %d is %v", i, m)
		}
	}
	for i, d := range c.Dev {
		if !(d > 0) || math.IsInf(d, 0) {
			return fmt.Errorf("deviation of channel %d must be above 0, not %v", i, d)
		}
	}
	return nil
}

func (c Config) normalize() op.Normalize {
	o := op.Normalize{Dev: [4]float64{1, 1, 1, 1}}
	copy(o.Mean[:], c.Mean)
	copy(o.Dev[:], c.Dev)
	return o
}
