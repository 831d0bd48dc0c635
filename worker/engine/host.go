package engine

import (
	"encoding/binary"
	"fmt"
	"math"

	"cleave/kernels"
	"cleave/layout"
)

// input is a buffer that the host fills before a section runs.
type input struct {
	name   string
	at     string // for messages
	box    layout.Box
	dtype  kernels.DType
	region kernels.Region
	device kernels.Import
	last   bool   // the device wants channels last
	staged []byte // the elements, in axis order

	free     bool // the section runs and reads it no more
	uploaded bool // for the next run
}

// output is a buffer that the host reads after a section has run.
type output struct {
	name   string
	at     string
	region kernels.Region
	device kernels.Export
	values []float32
}

// Input returns the host memory of an input of a section, and the box of the tensor that
// it holds, in axis order (N, C, H, W) whatever the device's format. What it holds is copied
// to the device each time the section runs.
func (e *Engine) Input(section, name string) (buf []byte, box layout.Box, ok bool) {
	s := e.sections[section]
	if s == nil {
		return nil, box, false
	}
	for _, in := range s.inputs {
		if in.name == name {
			return in.staged, in.box, true
		}
	}
	return nil, box, false
}

// Inputs names the inputs of a section in the Program's order.
func (e *Engine) Inputs(section string) []string {
	var names []string
	if s := e.sections[section]; s != nil {
		for _, in := range s.inputs {
			names = append(names, in.name)
		}
	}
	return names
}

// Output returns the values of an output as the last Run of the section left them. They
// are valid until it runs again.
func (e *Engine) Output(section, name string) ([]float32, bool) {
	if s := e.sections[section]; s != nil {
		for _, out := range s.outputs {
			if out.name == name {
				return out.values, true
			}
		}
	}
	return nil, false
}

func loadInputs(e *Engine, arena []buffer) ([]*input, error) {
	var all []*input
	for _, v := range e.program.Inputs {
		at := fmt.Sprintf("input %q of section %q", v.GetName(), v.GetSection())
		s, b, err := e.host(arena, v.GetSection(), v.GetBuffer())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		for _, other := range s.inputs {
			if other.name == v.GetName() {
				return nil, fmt.Errorf("%s: there are two of them", at)
			}
		}
		o := &b.operand
		bytes := int64(o.Shape.Volume()) * o.DType.Size()
		in := &input{
			name: v.GetName(), at: at, box: b.box, dtype: o.DType,
			region: kernels.Region{Offset: o.Region.Offset, Bytes: bytes},
			last:   o.Format == kernels.NHWC && !vector(o.Shape),
		}
		s.inputs = append(s.inputs, in)
		all = append(all, in)
	}
	return all, nil
}

func loadOutputs(e *Engine, arena []buffer) ([]*output, error) {
	var all []*output
	for _, v := range e.program.Outputs {
		at := fmt.Sprintf("output %q of section %q", v.GetName(), v.GetSection())
		s, b, err := e.host(arena, v.GetSection(), v.GetBuffer())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		for _, other := range s.outputs {
			if other.name == v.GetName() {
				return nil, fmt.Errorf("%s: there are two of them", at)
			}
		}
		o := &b.operand
		if o.DType != kernels.F32 || !vector(o.Shape) {
			return nil, fmt.Errorf("%s: buffer %q is no vector of floats", at, b.name)
		}
		if n := len(v.GetLabels()); n != 0 && n != o.Shape.Volume() {
			return nil, fmt.Errorf("%s: %d labels for %d values", at, n, o.Shape.Volume())
		}
		out := &output{
			name: v.GetName(), at: at,
			region: kernels.Region{Offset: o.Region.Offset, Bytes: int64(o.Shape.Volume()) * o.DType.Size()},
		}
		s.outputs = append(s.outputs, out)
		all = append(all, out)
	}
	return all, nil
}

// host finds the section and the buffer of an input or output.
func (e *Engine) host(arena []buffer, name string, index uint32) (*section, *buffer, error) {
	s := e.sections[name]
	if s == nil {
		return nil, nil, fmt.Errorf("there is no such section")
	}
	if int64(index) >= int64(len(arena)) {
		return nil, nil, fmt.Errorf("there is no buffer %d", index)
	}
	return s, &arena[index], nil
}

// vector reports whether the elements lie in the same order in every format.
func vector(s layout.Shape) bool { return s[1] == 1 || s[2]*s[3] == 1 }

func (in *input) bind(b kernels.Backend) error {
	var err error
	if in.device, err = b.Import(in.region); err != nil {
		return fmt.Errorf("%s: %w", in.at, err)
	}
	in.staged = make([]byte, in.region.Bytes)
	return nil
}

// bring makes the device's copy what staged holds, for the kernels launched later.
func (in *input) bring() error {
	if in.uploaded {
		in.uploaded = false
		return in.device.Finish()
	}
	return kernels.Write(in.device, in.fill)
}

func (in *input) fill(mem []byte) {
	if in.last {
		channelsLast(mem, in.staged, in.box.Shape(), int(in.dtype.Size()))
	} else {
		copy(mem, in.staged)
	}
}

// channelsLast copies elements of size bytes from the order N, C, H, W to N, H, W, C.
func channelsLast(dst, src []byte, s layout.Shape, size int) {
	plane := s[2] * s[3]
	for n := range s[0] {
		for c := range s[1] {
			from := (n*s[1] + c) * plane * size
			to := (n*plane*s[1] + c) * size
			for range plane {
				copy(dst[to:to+size], src[from:from+size])
				from += size
				to += s[1] * size
			}
		}
	}
}

func (out *output) bind(b kernels.Backend) error {
	var err error
	if out.device, err = b.Export(out.region); err != nil {
		return fmt.Errorf("%s: %w", out.at, err)
	}
	out.values = make([]float32, out.region.Bytes/4)
	return nil
}

// finish waits for the copy that was started, and decodes it.
func (out *output) finish() error {
	for have := int64(0); have < out.region.Bytes; {
		var err error
		if have, err = out.device.Copied(have); err != nil {
			return err
		}
	}
	b := out.device.Bytes()
	for i := range out.values {
		out.values[i] = math.Float32frombits(binary.NativeEndian.Uint32(b[4*i:]))
	}
	return nil
}
