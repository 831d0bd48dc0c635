package kerneltest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"cleave/kernels"
	"cleave/layout"
)

const guard = 192 // bytes between buffers at least

// placement says where a case's operands lie.
type placement struct {
	name  string
	inset bool // boxes of larger buffers, at odd places
	share int  // the input whose region is the output's; -1: none
}

func placements(c kase) []placement {
	ps := []placement{{"whole", false, -1}, {"inset", true, -1}}
	for _, i := range c.desc.Code.InPlace() {
		if c.in[i].shape == c.out.shape {
			ps = append(ps, placement{fmt.Sprintf("inplace%d", i), false, i}, placement{fmt.Sprintf("inplace%d-inset", i), true, i})
		}
	}
	if c.only > 0 {
		return ps[c.only-1:][:1]
	}
	return ps
}

// placed is an operand in the arena.
type placed struct {
	op   kernels.Operand
	step int   // along the channels
	at   []int // byte offset of each element of the box, in row-major order
}

// rig is one case in one placement on one backend; b is nil until it is launched.
type rig struct {
	name      string
	b         kernels.Backend
	c         kase
	out       placed
	in        []placed
	workspace kernels.Region
	size      int64
	values    [][]float64 // of each input's elements
	before    []byte      // the arena
	after     []byte      // valid until the next launch
	bound     kernels.Launch
	filled    kernels.Import // of the arena
	copied    kernels.Export
}

func newRig(t *testing.T, s kernels.Sizer, c kase, p placement) *rig {
	t.Helper()
	r := &rig{name: c.name + "/" + p.name, c: c}
	at := int64(guard)
	put := func(o operand) placed {
		var q placed
		q, at = place(t, s, o, p.inset, at)
		return q
	}
	r.out = put(c.out)
	for i, o := range c.in {
		if i == p.share {
			r.in = append(r.in, r.out)
		} else {
			r.in = append(r.in, put(o))
		}
	}
	shapes := make([]layout.Shape, len(c.in))
	for i := range c.in {
		shapes[i] = r.in[i].op.Box.Shape()
	}
	r.workspace = kernels.Region{Offset: at, Bytes: s.Workspace(c.desc, r.out.op.Box.Shape(), shapes)}
	r.size = roundUp(at+r.workspace.Bytes+guard, 64)
	return r
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// place puts an operand at an offset of the arena and returns where the next one may lie.
func place(t *testing.T, s kernels.Sizer, o operand, inset bool, at int64) (placed, int64) {
	t.Helper()
	step := max(1, o.step)
	whole := o.shape
	whole[1] = (whole[1]-1)*step + 1
	box := whole.Box()
	if inset {
		before, after := [4]int{1, 2, 1, 3}, [4]int{1, 1, 2, 1}
		for a := range box {
			box[a] = box[a].Add(before[a])
			whole[a] += before[a] + after[a]
		}
	}
	f := s.Format(o.use, o.dtype, whole)
	switch o.order {
	case planar:
		f = kernels.NCHW
	case inner:
		f = kernels.NHWC
	}
	p := placed{step: step, op: kernels.Operand{
		Region: kernels.Region{Offset: at, Bytes: s.Bytes(f, o.dtype, whole)},
		DType:  o.dtype, Format: f, Shape: whole, Box: box,
	}}
	for n := range o.shape[0] {
		for c := range o.shape[1] {
			for h := range o.shape[2] {
				for w := range o.shape[3] {
					e := element(t, f, whole, n+box[0].Lo, c*step+box[1].Lo, h+box[2].Lo, w+box[3].Lo)
					p.at = append(p.at, int(at)+e*int(o.dtype.Size()))
				}
			}
		}
	}
	return p, roundUp(at+p.op.Region.Bytes+guard, 64)
}

// element returns the index of an element of a buffer.
func element(t *testing.T, f kernels.Format, s layout.Shape, n, c, h, w int) int {
	switch f {
	case kernels.NCHW:
		return ((n*s[1]+c)*s[2]+h)*s[3] + w
	case kernels.NHWC:
		return ((n*s[2]+h)*s[3]+w)*s[1] + c
	}
	t.Fatalf("the suite does not know format %d", f)
	return 0
}

func (p *placed) get(mem []byte, i int) float64 {
	switch m := mem[p.at[i]:]; p.op.DType {
	case kernels.U8:
		return float64(m[0])
	case kernels.I32:
		return float64(int32(binary.LittleEndian.Uint32(m)))
	default:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(m)))
	}
}

func (p *placed) set(mem []byte, i int, v float64) {
	switch m := mem[p.at[i]:]; p.op.DType {
	case kernels.U8:
		m[0] = byte(v)
	case kernels.I32:
		binary.LittleEndian.PutUint32(m, uint32(int32(v)))
	default:
		binary.LittleEndian.PutUint32(m, math.Float32bits(float32(v)))
	}
}

// poison is words that are NaN, no two neighbours alike.
var poison = func() []byte {
	p := make([]byte, 1<<16)
	for i := range len(p) / 4 {
		binary.LittleEndian.PutUint32(p[4*i:], 0x7fc00000|uint32(i)*2654435761>>10)
	}
	return p
}()

// prepare fills the arena's picture: poison, then the inputs' elements.
func (r *rig) prepare() {
	if r.before != nil {
		return
	}
	r.before = make([]byte, r.size)
	for rest := r.before; len(rest) > 0; {
		rest = rest[copy(rest, poison):]
	}
	g := &generator{state: uint64(len(r.name))*977 + uint64(r.c.desc.Code)}
	for i, o := range r.c.in {
		vs := make([]float64, o.shape.Volume())
		for e := range vs {
			vs[e] = float64(float32(o.fill(g, e)))
			r.in[i].set(r.before, e, vs[e])
		}
		r.values = append(r.values, vs)
		g.last = vs
	}
}

// launch runs the case on a fresh arena.
func (r *rig) launch(t *testing.T) {
	t.Helper()
	r.prepare()
	var err error
	if r.bound == nil {
		all := kernels.Region{Bytes: r.size}
		if r.filled, err = r.b.Import(all); err != nil {
			t.Fatalf("import: %v", err)
		}
		if r.copied, err = r.b.Export(all); err != nil {
			t.Fatalf("export: %v", err)
		}
		if r.bound, err = r.b.Bind(r.c.desc, r.out.op, r.operands(), r.workspace); err != nil {
			if errors.Is(err, ErrLeftOut) {
				t.Skip(err)
			}
			t.Fatalf("bind: %v", err)
		}
	}
	if err := kernels.Write(r.filled, func(mem []byte) { copy(mem, r.before) }); err != nil {
		t.Fatalf("import: %v", err)
	}
	if err := r.bound(); err != nil {
		t.Fatalf("launch: %v", err)
	}
	if err := r.b.Sync(); err != nil {
		t.Fatalf("sync: %v", err)
	}
	if r.after, err = kernels.Read(r.copied); err != nil {
		t.Fatalf("export: %v", err)
	}
}

// operands returns the inputs.
func (r *rig) operands() []kernels.Operand {
	in := make([]kernels.Operand, len(r.in))
	for i := range in {
		in[i] = r.in[i].op
	}
	return in
}

// written lists the operands that the kernel writes.
func (r *rig) written() []*placed {
	ps := []*placed{&r.out}
	for _, i := range r.c.mutates {
		ps = append(ps, &r.in[i])
	}
	return ps
}

// collect returns the bytes of all that was written.
func (r *rig) collect(t *testing.T) []byte {
	t.Helper()
	var all []byte
	for _, p := range r.written() {
		for _, at := range p.at {
			all = append(all, r.after[at:at+int(p.op.DType.Size())]...)
		}
	}
	return all
}

// checkUntouched fails where a byte changed that is not the kernel's to write.
func (r *rig) checkUntouched(t *testing.T) {
	t.Helper()
	used := r.workspace.Offset // what lies behind is the workspace and a guard
	got := slices.Clone(r.after[:used])
	for _, p := range r.written() { // what is the kernel's to write is put back
		size := int(p.op.DType.Size())
		for _, at := range p.at {
			copy(got[at:at+size], r.before[at:])
		}
	}
	behind := used + r.workspace.Bytes
	if bytes.Equal(got, r.before[:used]) && bytes.Equal(r.after[behind:], r.before[behind:]) {
		return
	}
	for i, b := range r.before {
		if at := int64(i); at < used && b != got[i] || at >= behind && b != r.after[i] {
			t.Errorf("byte %d was overwritten (output %+v, workspace %+v)", i, r.out.op, r.workspace)
			return
		}
	}
}
