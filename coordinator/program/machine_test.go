package program_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"cleave/coordinator/program"
	"cleave/kernels"
	"cleave/layout"
)

// delivery is when a message's bytes move, of all the times that the contract allows.
type delivery int

const (
	early delivery = iota // as soon as it is sent and posted
	late                  // when somebody waits for it
)

// machine runs a bundle in process: a backend for each rank, and messages that are copied
// from memory to memory. Its arenas start full of NaNs.
type machine struct {
	t        testing.TB
	bundle   *program.Bundle
	backends []kernels.Backend
	launches map[*program.Call]kernels.Launch
	delivery delivery
	received []int64
}

type letter struct {
	from, to   int
	src, dst   kernels.Region
	sent, here bool
	done       bool
}

func newMachine(t testing.TB, b *program.Bundle, open func() kernels.Backend, d delivery) *machine {
	t.Helper()
	m := &machine{t: t, bundle: b, launches: map[*program.Call]kernels.Launch{}, delivery: d, received: make([]int64, len(b.Programs))}
	for _, p := range b.Programs {
		k := open()
		m.backends = append(m.backends, k)
		t.Cleanup(func() { k.Close() })
		if err := k.Alloc(p.ArenaBytes); err != nil {
			t.Fatal(err)
		}
		for i := range p.Sections {
			for n := range p.Sections[i].Instrs {
				c := p.Sections[i].Instrs[n].Call
				if c == nil {
					continue
				}
				in := make([]kernels.Operand, len(c.In))
				for k, v := range c.In {
					in[k] = operand(p, v)
				}
				l, err := k.Bind(c.Desc, operand(p, c.Out), in, p.Workspace)
				if err != nil {
					t.Fatalf("rank %d, %s %d: bind %v %v of %v: %v", p.Rank, p.Sections[i].Name, n, c.Desc, operand(p, c.Out), in, err)
				}
				m.launches[c] = l
			}
		}
	}
	for r := range m.backends {
		m.write(r, kernels.Region{Bytes: b.Programs[r].ArenaBytes}, func(bs []byte) {
			for i := range bs {
				bs[i] = 0xff
			}
		})
	}
	return m
}

func operand(p *program.Program, v program.View) kernels.Operand {
	b := &p.Buffers[v.Buffer]
	return kernels.Operand{Region: b.Region(), DType: b.DType, Format: b.Format, Shape: b.Shape(), Box: v.Box.Local(b.Box)}
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) write(r int, g kernels.Region, fill func([]byte)) {
	m.t.Helper()
	in, err := m.backends[r].Import(g)
	m.must(err)
	m.must(kernels.Write(in, fill))
}

func (m *machine) read(r int, g kernels.Region) []byte {
	m.t.Helper()
	out, err := m.backends[r].Export(g)
	m.must(err)
	bs, err := kernels.Read(out)
	m.must(err)
	return bs
}

// run runs a section of all ranks, each as far as it can go in turn.
func (m *machine) run(section string) {
	m.t.Helper()
	letters := map[uint32]*letter{}
	get := func(tag uint32) *letter {
		if letters[tag] == nil {
			letters[tag] = &letter{}
		}
		return letters[tag]
	}
	deliver := func(l *letter) bool {
		if l.sent && l.here && !l.done {
			l.done = true
			src := m.read(l.from, l.src)
			m.write(l.to, l.dst, func(dst []byte) {
				if len(src) != len(dst) {
					m.t.Fatalf("%d bytes sent, %d posted", len(src), len(dst))
				}
				copy(dst, src)
			})
			m.received[l.to] += int64(len(src))
		}
		return l.done
	}
	ran := make([]int, len(m.backends))
	for moved := true; moved; {
		moved = false
		for r, p := range m.bundle.Programs {
			s := p.Section(section)
			for s != nil && ran[r] < len(s.Instrs) && m.step(r, p, &s.Instrs[ran[r]], get, deliver) {
				ran[r]++
				moved = true
			}
		}
	}
	for r, p := range m.bundle.Programs {
		if s := p.Section(section); s != nil && ran[r] < len(s.Instrs) {
			m.t.Fatalf("rank %d is stuck in %s at %d", r, section, ran[r])
		}
		m.must(m.backends[r].Sync())
	}
}

func (m *machine) step(r int, p *program.Program, n *program.Instr, get func(uint32) *letter, deliver func(*letter) bool) bool {
	if n.Kind == program.Run {
		m.must(m.launches[n.Call]())
		return true
	}
	l := get(n.Message.Tag)
	g := kernels.Region{Offset: p.Buffers[n.Message.View.Buffer].Offset + n.Message.Offset, Bytes: n.Message.Bytes}
	switch n.Kind {
	case program.Post:
		l.to, l.dst, l.here = r, g, true
	case program.Send:
		l.from, l.src, l.sent = r, g, true
	default:
		return deliver(l)
	}
	if m.delivery == early {
		deliver(l)
	}
	return true
}

// feed fills an input of a section on every rank that has it: value gives the element at
// global coordinates.
func (m *machine) feed(section, name string, value func(n, c, h, w int) float64) {
	m.t.Helper()
	for r, p := range m.bundle.Programs {
		for _, in := range p.Inputs {
			if in.Section != section || in.Name != name {
				continue
			}
			b := &p.Buffers[in.Buffer]
			m.write(r, b.Region(), func(bs []byte) {
				i := 0
				each(b.Box, func(n, c, h, w int) {
					v := value(n, c, h, w)
					switch b.DType {
					case kernels.U8:
						bs[i] = byte(v)
					case kernels.I32:
						binary.LittleEndian.PutUint32(bs[4*i:], uint32(int32(v)))
					default:
						binary.LittleEndian.PutUint32(bs[4*i:], math.Float32bits(float32(v)))
					}
					i++
				})
			})
		}
	}
}

// output returns the values of an output on the first rank that has it.
func (m *machine) output(section, name string) []float64 {
	m.t.Helper()
	for r, p := range m.bundle.Programs {
		for _, o := range p.Outputs {
			if o.Section == section && o.Name == name {
				return m.floats(r, o.Buffer)
			}
		}
	}
	m.t.Fatalf("no rank has %s of %s", name, section)
	return nil
}

// total returns an output added up over the ranks.
func (m *machine) total(section, name string) []float64 {
	var sum []float64
	for r, p := range m.bundle.Programs {
		for _, o := range p.Outputs {
			if o.Section != section || o.Name != name {
				continue
			}
			v := m.floats(r, o.Buffer)
			if sum == nil {
				sum = make([]float64, len(v))
			}
			for i := range v {
				sum[i] += v[i]
			}
		}
	}
	return sum
}

// floats returns a buffer's elements in axis order, whatever its format.
func (m *machine) floats(r int, id program.BufferID) []float64 {
	m.t.Helper()
	b := &m.bundle.Programs[r].Buffers[id]
	s := b.Shape()
	st := [4]int{s[1] * s[2] * s[3], s[2] * s[3], s[3], 1}
	switch b.Format {
	case kernels.NCHW:
	case kernels.NHWC:
		st = [4]int{s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]}
	default:
		m.t.Fatalf("%s has format %d", b.Name, b.Format)
	}
	bs := m.read(r, b.Region())
	var out []float64
	each(s.Box(), func(n, c, h, w int) {
		at := n*st[0] + c*st[1] + h*st[2] + w*st[3]
		out = append(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(bs[4*at:]))))
	})
	return out
}

// kept puts a persistent tensor together from what the ranks keep, and checks that
// replicas are equal bit for bit.
func (m *machine) kept(name string, shape layout.Shape) []float64 {
	m.t.Helper()
	out := make([]float64, shape.Volume())
	for i := range out {
		out[i] = math.NaN()
	}
	for r, p := range m.bundle.Programs {
		for id := range p.Buffers {
			b := &p.Buffers[id]
			if !b.Kept || b.Name != name || b.Use == kernels.Report {
				continue
			}
			v, i := m.floats(r, program.BufferID(id)), 0
			each(b.Box, func(n, c, h, w int) {
				at := ((n*shape[1]+c)*shape[2]+h)*shape[3] + w
				if !math.IsNaN(out[at]) && out[at] != v[i] {
					m.t.Fatalf("replicas of %s differ: %v on rank %d, %v before", name, v[i], r, out[at])
				}
				out[at] = v[i]
				i++
			})
		}
	}
	for i, v := range out {
		if math.IsNaN(v) {
			m.t.Fatalf("element %d of %s is NaN", i, name)
		}
	}
	return out
}

func each(b layout.Box, f func(n, c, h, w int)) {
	for n := b[0].Lo; n < b[0].Hi; n++ {
		for c := b[1].Lo; c < b[1].Hi; c++ {
			for h := b[2].Lo; h < b[2].Hi; h++ {
				for w := b[3].Lo; w < b[3].Hi; w++ {
					f(n, c, h, w)
				}
			}
		}
	}
}

// difference is the relative L2 difference of got from want.
func difference(got, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	d, s := 0.0, 0.0
	for i := range got {
		d += (got[i] - want[i]) * (got[i] - want[i])
		s += want[i] * want[i]
	}
	if s == 0 {
		return math.Sqrt(d)
	}
	return math.Sqrt(d / s)
}

func check(t testing.TB, what string, got, want []float64, limit float64) {
	t.Helper()
	if d := difference(got, want); !(d <= limit) {
		t.Errorf("%s: differs by %.3g, more than %.3g: %s", what, d, limit, first(got, want))
	}
}

func first(got, want []float64) string {
	n := min(len(got), len(want), 6)
	return fmt.Sprint(got[:n], " want ", want[:n])
}
