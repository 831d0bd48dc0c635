package cpu

import (
	"testing"

	"cleave/kernels"
	"cleave/kernels/kernelbench"
)

// What lies behind an operand may be received by another goroutine while a kernel runs: the
// race detector must find nothing to say where tiles are written in Go.
func TestGoTilesLeaveNeighboursAlone(t *testing.T) {
	const gap = 64 // bytes
	for _, l := range []kernelbench.Layer{
		{Name: "1x1", Batch: 2, Channels: 5, Filters: 7, Groups: 1, Size: 3, Kernel: 1, Stride: 1},
		{Name: "1x1-in-blocks", Batch: 4, Channels: 20, Filters: 4, Groups: 1, Size: 3, Kernel: 1, Stride: 1},
		{Name: "1x1-in-groups", Batch: 2, Channels: 9, Filters: 15, Groups: 3, Size: 3, Kernel: 1, Stride: 1},
		{Name: "1x1-stride2", Batch: 1, Channels: 6, Filters: 3, Groups: 1, Size: 5, Kernel: 1, Stride: 2},
		{Name: "depthwise", Batch: 1, Channels: 6, Filters: 6, Groups: 6, Size: 5, Kernel: 3, Stride: 1, Pad: 1},
		{Name: "depthwise-unpadded", Batch: 1, Channels: 7, Filters: 7, Groups: 7, Size: 5, Kernel: 3, Stride: 1},
		{Name: "depthwise-1x1", Batch: 1, Channels: 7, Filters: 7, Groups: 7, Size: 5, Kernel: 1, Stride: 1},
		{Name: "pairs", Batch: 1, Channels: 6, Filters: 6, Groups: 3, Size: 4, Kernel: 3, Stride: 1},
		{Name: "unpadded", Batch: 1, Channels: 3, Filters: 5, Groups: 1, Size: 5, Kernel: 3, Stride: 1},
		{Name: "linear", Batch: 3, Channels: 5, Filters: 3, Groups: 1, Size: 1, Kernel: 1, Stride: 1},
	} {
		t.Run(l.Name, func(t *testing.T) {
			b := newBackend(2, &generic, nil)
			defer b.Close()
			operands, space := place(t, b, l, gap)
			for p, role := range roles {
				d, _, _, err := l.Call(p)
				if err != nil {
					t.Fatal(err)
				}
				in := []kernels.Operand{operands[role[1]], operands[role[2]]}
				launch, err := b.Bind(d, operands[role[0]], in, space)
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					for _, o := range operands {
						end := o.Region.Offset + 4*int64(o.Shape.Volume())
						for i := range b.mem[end:][:gap] {
							b.mem[end+int64(i)] = byte(i)
						}
					}
				}()
				if err := launch(); err != nil {
					t.Fatal(err)
				}
				<-done
			}
		})
	}
}
