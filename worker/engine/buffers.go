package engine

import (
	"fmt"
	"math"

	"cleave/kernels"
	"cleave/layout"
	"cleave/proto/programpb"
)

// buffer is a checked buffer of the Program: it lies within the arena and is large enough
// for what the backend keeps in it.
type buffer struct {
	name    string
	box     layout.Box // global
	operand kernels.Operand
}

// within reports whether a range lies in the first size bytes, whatever the numbers.
func within(offset, bytes, size uint64) bool { return offset <= size && bytes <= size-offset }

func loadBuffers(p *programpb.Program, sizer kernels.Sizer) ([]buffer, error) {
	if p.ArenaBytes > math.MaxInt64 {
		return nil, fmt.Errorf("an arena of %d bytes", p.ArenaBytes)
	}
	all := make([]buffer, len(p.Buffers))
	for i, b := range p.Buffers {
		v, err := loadBuffer(b, p.ArenaBytes, sizer)
		if err != nil {
			return nil, fmt.Errorf("buffer %d %q: %w", i, b.GetName(), err)
		}
		all[i] = v
	}
	return all, nil
}

func loadBuffer(b *programpb.Buffer, arena uint64, sizer kernels.Sizer) (buffer, error) {
	box, err := decodeBox(b.GetBox())
	if err != nil {
		return buffer{}, err
	}
	d, f := kernels.DType(b.GetDtype()), kernels.Format(b.GetFormat())
	if b.GetDtype() < 0 || b.GetDtype() > programpb.DType_DTYPE_I32 {
		return buffer{}, fmt.Errorf("element type %d is unknown", b.GetDtype())
	}
	if b.GetFormat() < 0 || b.GetFormat() > programpb.Format_FORMAT_NHWC {
		return buffer{}, fmt.Errorf("format %d is unknown", b.GetFormat())
	}
	offset, bytes := b.GetOffset(), b.GetBytes()
	if !within(offset, bytes, arena) {
		return buffer{}, fmt.Errorf("bytes %d and on, %d of them, are outside the arena of %d", offset, bytes, arena)
	}
	if offset%uint64(d.Size()) != 0 {
		return buffer{}, fmt.Errorf("offset %d is not aligned to its elements", offset)
	}
	shape := box.Shape()
	least := int64(shape.Volume()) * d.Size()
	if need := max(least, sizer.Bytes(f, d, shape)); bytes < uint64(need) {
		return buffer{}, fmt.Errorf("%d bytes for %v, which takes %d", bytes, shape, need)
	}
	return buffer{
		name: b.GetName(),
		box:  box,
		operand: kernels.Operand{
			Region: kernels.Region{Offset: int64(offset), Bytes: int64(bytes)},
			DType:  d, Format: f, Shape: shape, Box: shape.Box(),
		},
	}, nil
}

// view returns the operand for a region of a buffer.
func view(all []buffer, v *programpb.View) (kernels.Operand, error) {
	if v == nil {
		return kernels.Operand{}, fmt.Errorf("an operand is missing")
	}
	if int64(v.Buffer) >= int64(len(all)) {
		return kernels.Operand{}, fmt.Errorf("there is no buffer %d", v.Buffer)
	}
	b := &all[v.Buffer]
	box, err := decodeBox(v.Box)
	if err != nil {
		return kernels.Operand{}, fmt.Errorf("operand in %q: %w", b.name, err)
	}
	if !b.box.Holds(box) {
		return kernels.Operand{}, fmt.Errorf("operand %v is outside buffer %q, which holds %v", box, b.name, b.box)
	}
	o := b.operand
	o.Box = box.Local(b.box)
	return o, nil
}
