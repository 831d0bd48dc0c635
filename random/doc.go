// Package random makes counter-based random numbers: each is a pure function of a key, a
// stream and an index, so any part of a tensor can be filled by any rank, in any order,
// with the same values. The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
// By habit a key comes from Key(seed, name), a stream is a step or an epoch, and an index
// is the element's index in the whole tensor. All results are equal bit for bit on every
// architecture: the float arithmetic uses only operations that IEEE 754 rounds exactly,
// and every product is converted explicitly, which forbids the compiler to fuse it.
package random
