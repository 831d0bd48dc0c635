package choose

import (
	"errors"
	"fmt"

	"cleave/kernels"
	"cleave/layout"
)

// call is a kernel call whose launches are being chosen.
type call struct {
	d        kernels.Desc
	out      view
	in       []view
	space    kernels.Region // workspace
	used     int64          // bytes of it
	launches []Launch
}

// chooser appends a call's launches. What it takes of the workspace depends on the
// descriptor and the boxes' extents only: the plan knows no more.
type chooser func(c *call) error

// Bind returns the launches of a kernel call. See kernels.Backend.Bind.
func Bind(d kernels.Desc, out kernels.Operand, in []kernels.Operand, space kernels.Region) ([]Launch, error) {
	c, err := newCall(d, out, in)
	if err != nil {
		return nil, err
	}
	c.space = space
	if err := c.choose(); err != nil {
		return nil, fmt.Errorf("cuda: %s: %w", d.Code, err)
	}
	if c.used > space.Bytes {
		return nil, fmt.Errorf("cuda: %s: a workspace of %d bytes, needs %d", d.Code, space.Bytes, c.used)
	}
	return c.launches, nil
}

// newCall checks each operand of a call.
func newCall(d kernels.Desc, out kernels.Operand, in []kernels.Operand) (*call, error) {
	c := &call{d: d}
	var err error
	if c.out, err = newView(out); err != nil {
		return nil, fmt.Errorf("cuda: %s: output: %w", d.Code, err)
	}
	for i, o := range in {
		v, err := newView(o)
		if err != nil {
			return nil, fmt.Errorf("cuda: %s: input %d: %w", d.Code, i, err)
		}
		if err := separate(d.Code, out, o, i); err != nil {
			return nil, fmt.Errorf("cuda: %s: %w", d.Code, err)
		}
		c.in = append(c.in, v)
	}
	if err := c.typed(); err != nil {
		return nil, fmt.Errorf("cuda: %s: %w", d.Code, err)
	}
	return c, nil
}

var errUnknown = errors.New("there is no such kernel")

func (c *call) choose() error {
	choose := choosers[c.d.Code]
	if choose == nil {
		return errUnknown
	}
	if _, err := c.types(); err != nil {
		return err
	}
	return choose(c)
}

// whole returns a call on buffers that are just the operands' boxes, as the planner sees
// it. Offsets are not those of any arena.
func whole(d kernels.Desc, out layout.Shape, in []layout.Shape) *call {
	buffer := func(s layout.Shape) view {
		return view{n: s, st: [4]int{s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]}}
	}
	c := &call{d: d, out: buffer(out)}
	for _, s := range in {
		c.in = append(c.in, buffer(s))
	}
	return c
}

const align = 256 // bytes: of buffers, and of what a call takes of its workspace

// scratch takes bytes of the workspace.
func (c *call) scratch(bytes int64) (offset int64) {
	offset = c.space.Offset + c.used
	c.used += (bytes + align - 1) / align * align
	return offset
}

// launch appends a launch; args are Args and slices of them.
func (c *call) launch(kernel string, grid, block [3]int, shared int, args ...any) {
	l := Launch{Kernel: kernel, Grid: grid, Block: block, Shared: shared}
	for _, a := range args {
		switch a := a.(type) {
		case Arg:
			l.Args = append(l.Args, a)
		case []Arg:
			l.Args = append(l.Args, a...)
		default:
			panic("choose: an argument is neither Arg nor []Arg")
		}
	}
	c.launches = append(c.launches, l)
}

// same reports an error unless all views have the output's extents.
func (c *call) same(in ...int) error {
	for _, i := range in {
		if c.in[i].n != c.out.n {
			return fmt.Errorf("input %d is %v, the output %v", i, c.in[i].n, c.out.n)
		}
	}
	return nil
}

// inputs reports an error unless there are so many inputs.
func (c *call) inputs(n int) error {
	if len(c.in) != n {
		return fmt.Errorf("%d inputs, takes %d", len(c.in), n)
	}
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }
