package choose

import (
	"fmt"
	"slices"

	"cleave/kernels"
)

// Variant is one way to compute a kernel call.
type Variant struct {
	Name     string
	Launches []Launch
}

// Variants lists the ways to compute a call, best first: Bind's is the first. Tests hold
// them against each other, benchmarks time each. Kernels other than convolutions have one.
func Variants(d kernels.Desc, out kernels.Operand, in []kernels.Operand, space kernels.Region) ([]Variant, error) {
	switch d.Code {
	case kernels.ConvForward, kernels.ConvDataGrad, kernels.ConvFilterGrad:
	default:
		launches, err := Bind(d, out, in, space)
		if err != nil {
			return nil, err
		}
		return []Variant{{d.Code.String(), launches}}, nil
	}
	c, err := newCall(d, out, in)
	if err != nil {
		return nil, err
	}
	c.space = space
	g, err := c.conv()
	if err != nil {
		return nil, fmt.Errorf("cuda: %s: %w", d.Code, err)
	}
	g.fold(c)
	before, used := c.launches, c.used
	var all []Variant
	for _, w := range g.ways() {
		if !w.lies {
			continue
		}
		c.used, c.launches = used, slices.Clone(before)
		g.run(c, &w, c.scratch(w.bytes))
		if c.used > space.Bytes {
			return nil, fmt.Errorf("cuda: %s: a workspace of %d bytes, %s needs %d", d.Code, space.Bytes, w.name, c.used)
		}
		all = append(all, Variant{w.name, c.launches})
	}
	return all, nil
}
