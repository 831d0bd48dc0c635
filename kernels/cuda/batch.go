//go:build gpu

package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/cu"

	"cleave/kernels"
	"cleave/kernels/cuda/choose"
)

var _ kernels.Batcher = (*Backend)(nil)

// BindBatch implements kernels.Batcher: updates of parameters share a launch, which reads
// where they lie from a table on the device.
func (b *Backend) BindBatch(calls []kernels.Call) (int, kernels.Launch, error) {
	if calls[0].Desc.Code != kernels.SGD {
		return 0, nil, nil
	}
	for _, c := range calls {
		if err := b.inside(&c); err != nil {
			return 0, nil, err
		}
	}
	defer b.leave()
	if err := b.enter(); err != nil {
		return 0, nil, err
	}
	rows, _, err := choose.SGDTable(calls, choose.Arg{})
	if errors.Is(err, choose.ErrApart) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	table, err := cu.MemAlloc(int64(len(rows)))
	if err != nil {
		return 0, nil, fmt.Errorf("cuda: a table of %d bytes: %w", len(rows), named(err))
	}
	b.tables = append(b.tables, table)
	if err := cu.MemcpyHtoD(table, unsafe.Pointer(&rows[0]), int64(len(rows))); err != nil {
		return 0, nil, named(err)
	}
	_, l, err := choose.SGDTable(calls, choose.Arg{Kind: choose.Pointer, Bits: uint64(table - b.arena)})
	if err != nil {
		return 0, nil, err
	}
	launch, err := b.bind([]choose.Launch{l}, func() string { return fmt.Sprintf("%d updates", len(calls)) })
	return len(calls), launch, err
}
