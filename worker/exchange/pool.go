package exchange

import (
	"math/bits"
	"sync"
)

// pool lends the buffers that gRPC reads frames into. Unlike gRPC's own it neither clears
// them (what is read overwrites them) nor lends much more than was asked for.
type pool struct {
	classes [poolClasses]sync.Pool // of *[]byte with capacity poolSmallest << i
}

const (
	poolSmallest = 2 << 10 // gRPC keeps buffers of 1 KiB and less to itself
	poolClasses  = 11      // up to 2 MiB
)

// class returns the index of the smallest class that holds length bytes.
func class(length int) int {
	return bits.Len(uint(max(length, 1)-1) / poolSmallest)
}

// Get returns a buffer of the given length with unknown contents.
func (p *pool) Get(length int) *[]byte {
	i := class(length)
	if i >= poolClasses {
		b := make([]byte, length)
		return &b
	}
	if b, ok := p.classes[i].Get().(*[]byte); ok {
		*b = (*b)[:length]
		return b
	}
	b := make([]byte, length, poolSmallest<<i)
	return &b
}

// Put takes a buffer of Get back.
func (p *pool) Put(b *[]byte) {
	i := class(cap(*b))
	if i < poolClasses && cap(*b) == poolSmallest<<i {
		p.classes[i].Put(b)
	}
}
