package data

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math"
)

// Contents tells sources apart: processes that read the same spec, each from its own disk,
// compare theirs before they train together.
type Contents struct {
	Train, Test int    // images
	Digest      uint64 // of shape, classes, the pixels' statistics and labels
}

// digestLabels is how many labels of each set the digest looks at.
const digestLabels = 1 << 14

// Contents returns what s holds. It looks at a sample of the pixels (through Mean and Dev)
// and of the labels: it finds files that are missing or others, not every damaged byte.
func (s *Source) Contents() Contents {
	sum := crc64.New(crc64.MakeTable(crc64.ECMA))
	write := func(v uint64) {
		_, _ = sum.Write(binary.LittleEndian.AppendUint64(nil, v)) // never fails
	}
	for _, set := range []Set{s.Train, s.Test} {
		if set == nil {
			continue
		}
		c, h, w := set.Shape()
		n := set.Len()
		for _, v := range []int{n, c, h, w, set.Classes()} {
			write(uint64(v))
		}
		sample := min(n, digestLabels)
		for i := range sample {
			write(uint64(set.Label(int(int64(i) * int64(n) / int64(sample)))))
		}
	}
	for _, v := range s.Mean {
		write(math.Float64bits(v))
	}
	for _, v := range s.Dev {
		write(math.Float64bits(v))
	}
	x := Contents{Digest: sum.Sum64()}
	if s.Train != nil {
		x.Train = s.Train.Len()
	}
	if s.Test != nil {
		x.Test = s.Test.Len()
	}
	return x
}

// Same returns nil if s holds what the coordinator's source holds, else what differs.
func (s *Source) Same(coordinator Contents) error {
	here := s.Contents()
	switch {
	case here.Train != coordinator.Train || here.Test != coordinator.Test:
		return fmt.Errorf("data %q: %d training and %d test images here, %d and %d where the coordinator is; every worker needs the same files",
			s.Spec, here.Train, here.Test, coordinator.Train, coordinator.Test)
	case here.Digest != coordinator.Digest:
		return fmt.Errorf("data %q: as many images as where the coordinator is, but other ones; every worker needs the same files", s.Spec)
	}
	return nil
}
