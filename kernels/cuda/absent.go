//go:build !gpu

package cuda

import (
	"errors"

	"cleave/kernels"
)

var errAbsent = errors.New("this build has no CUDA: build the worker with scripts/build-gpu.sh")

// Open opens the GPU of that number; empty means 0.
func Open(string) (kernels.Backend, error) { return nil, errAbsent }

// Devices lists the machine's GPUs.
func Devices() ([]Info, error) { return nil, errAbsent }
