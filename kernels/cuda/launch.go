//go:build gpu

package cuda

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"gorgonia.org/cu"

	"cleave/kernels"
	"cleave/kernels/cuda/choose"
)

// Bind implements kernels.Backend.
func (b *Backend) Bind(d kernels.Desc, out kernels.Operand, in []kernels.Operand, workspace kernels.Region) (kernels.Launch, error) {
	if err := b.inside(&kernels.Call{Desc: d, Out: out, In: in, Workspace: workspace}); err != nil {
		return nil, err
	}
	launches, err := choose.Bind(d, out, in, workspace)
	if err != nil {
		return nil, err
	}
	return b.bind(launches, func() string { return call(d, out, in) })
}

// inside reports an error unless all that a call names lies in the arena.
func (b *Backend) inside(c *kernels.Call) error {
	for i, o := range append([]kernels.Operand{c.Out}, c.In...) {
		if _, err := b.address(o.Region); err != nil {
			return fmt.Errorf("cuda: %s: operand %d: %w", c.Desc.Code, i, err)
		}
	}
	if _, err := b.address(c.Workspace); err != nil {
		return fmt.Errorf("cuda: %s: workspace: %w", c.Desc.Code, err)
	}
	return nil
}

// bind returns a Launch that runs all of launches. about describes the call for an error.
func (b *Backend) bind(launches []choose.Launch, about func() string) (kernels.Launch, error) {
	defer b.leave()
	if err := b.enter(); err != nil {
		return nil, err
	}
	all, c := make([]launch, len(launches)), &bound{about: about}
	for i, l := range launches {
		f, err := b.function(l.Kernel)
		if err != nil {
			return nil, err
		}
		all[i] = b.newLaunch(f, l)
		c.kernels = append(c.kernels, l.Kernel)
	}
	return func() error {
		defer b.leave()
		if err := b.enter(); err != nil {
			return err
		}
		for i := range all {
			if err := all[i].run(b.compute); err != nil {
				return b.launchFailed(err, c.kernels[i], c)
			}
		}
		if err := b.marks.launched(c, b.compute); err != nil {
			return b.lost(err)
		}
		return nil
	}, nil
}

// launch is a choose.Launch on a device.
type launch struct {
	f           cu.Function
	grid, block [3]int
	shared      int
	values      []uint64
	args        []unsafe.Pointer // of values
}

func (b *Backend) newLaunch(f cu.Function, l choose.Launch) launch {
	n := launch{f: f, grid: l.Grid, block: l.Block, shared: l.Shared}
	n.values, n.args = make([]uint64, len(l.Args)), make([]unsafe.Pointer, len(l.Args))
	for i, a := range l.Args {
		n.values[i] = a.Bits
		if a.Kind == choose.Pointer {
			n.values[i] += uint64(b.arena)
		}
		n.args[i] = unsafe.Pointer(&n.values[i])
	}
	return n
}

func (l *launch) run(s cu.Stream) error {
	return l.f.Launch(l.grid[0], l.grid[1], l.grid[2], l.block[0], l.block[1], l.block[2], l.shared, s, l.args)
}

// call describes a kernel call for an error.
func call(d kernels.Desc, out kernels.Operand, in []kernels.Operand) string {
	var of []string
	for _, o := range in {
		of = append(of, o.Box.Shape().String())
	}
	if len(of) == 0 {
		return fmt.Sprintf("%s %v", d.Code, out.Box.Shape())
	}
	return fmt.Sprintf("%s %v of %s", d.Code, out.Box.Shape(), strings.Join(of, ", "))
}

// architectures for which there is PTX, the newest first.
var architectures = []int{90, 80, 75, 60}

// function returns a kernel, whose file it loads if that is new.
func (b *Backend) function(kernel string) (cu.Function, error) {
	if f, ok := b.functions[kernel]; ok {
		return f, nil
	}
	file := choose.Kernels[kernel].Source
	if file == "" {
		return cu.Function{}, fmt.Errorf("cuda: there is no kernel %s", kernel)
	}
	m, ok := b.modules[file]
	if !ok {
		arch := architectures[slices.IndexFunc(architectures, func(a int) bool { return a <= b.capability })]
		ptx, err := image(file, arch)
		if err != nil {
			return cu.Function{}, err
		}
		if m, err = cu.LoadData(ptx); err != nil {
			return cu.Function{}, fmt.Errorf("cuda: load %s.cu for sm_%d: %w", file, arch, named(err))
		}
		b.modules[file] = m
	}
	f, err := m.Function(kernel)
	if err != nil {
		return cu.Function{}, fmt.Errorf("cuda: %s.cu has no kernel %s: %w", file, kernel, named(err))
	}
	b.functions[kernel] = f
	return f, nil
}
