package engine

import (
	"math"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"cleave/kernels"
	"cleave/proto/programpb"
)

// mutate damages one random field of m or of a message in it.
func mutate(rng *rand.Rand, m protoreflect.Message) {
	type place struct {
		m protoreflect.Message
		f protoreflect.FieldDescriptor
	}
	var all []place
	var walk func(m protoreflect.Message)
	walk = func(m protoreflect.Message) {
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			all = append(all, place{m, f})
			if f.Message() == nil || !m.Has(f) {
				continue
			}
			if f.IsList() {
				for l, j := m.Get(f).List(), 0; j < l.Len(); j++ {
					walk(l.Get(j).Message())
				}
			} else {
				walk(m.Get(f).Message())
			}
		}
	}
	walk(m)
	p := all[rng.IntN(len(all))]
	if rng.IntN(8) == 0 {
		p.m.Clear(p.f)
		return
	}
	if p.f.IsList() {
		l := p.m.Mutable(p.f).List()
		switch n := l.Len(); {
		case n > 0 && rng.IntN(3) == 0:
			l.Truncate(rng.IntN(n))
		case p.f.Message() != nil && n > 0:
			i, j := rng.IntN(n), rng.IntN(n)
			a, b := l.Get(i), l.Get(j)
			l.Set(i, b)
			l.Set(j, a)
		case p.f.Message() == nil && n > 0:
			l.Set(rng.IntN(n), scalar(rng, p.f, l.Get(rng.IntN(n))))
		case p.f.Message() == nil:
			l.Append(scalar(rng, p.f, p.f.Default()))
		}
		return
	}
	if p.f.Message() != nil {
		p.m.Mutable(p.f) // an empty message where there was none
		return
	}
	p.m.Set(p.f, scalar(rng, p.f, p.m.Get(p.f)))
}

// scalar returns another value for a field: near the old one, or extreme.
func scalar(rng *rand.Rand, f protoreflect.FieldDescriptor, old protoreflect.Value) protoreflect.Value {
	numbers := []uint64{0, 1, 2, 3, 4, 7, 64, 1 << 20, math.MaxInt32, math.MaxUint32, math.MaxInt64, math.MaxUint64, 1 << 63}
	n := numbers[rng.IntN(len(numbers))]
	switch f.Kind() {
	case protoreflect.Uint32Kind:
		if rng.IntN(2) == 0 && old.IsValid() {
			return protoreflect.ValueOfUint32(uint32(old.Uint()) + uint32(rng.IntN(3)) - 1)
		}
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(n)
	case protoreflect.Sint64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rng.IntN(5) - 1))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rng.IntN(2) == 0)
	case protoreflect.DoubleKind:
		floats := []float64{0, -1, 1, math.NaN(), math.Inf(1), math.MaxFloat64, 1e-300}
		return protoreflect.ValueOfFloat64(floats[rng.IntN(len(floats))])
	case protoreflect.StringKind:
		if codes := kernels.Codes(); f.Name() == "code" {
			return protoreflect.ValueOfString(codes[rng.IntN(len(codes))].String())
		}
		return protoreflect.ValueOfString([]string{"", "init", "accumulate", "given", "ü"}[rng.IntN(5)])
	}
	return old
}

// TestLoadSurvivesMutations damages good Programs in 1 to 4 places: New must return, and
// what it accepts must run.
func TestLoadSurvivesMutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 2000 {
		p := proto.Clone(allReduce(0, 1+rng.IntN(2), 3)).(*programpb.Program)
		for range 1 + rng.IntN(4) {
			mutate(rng, p.ProtoReflect())
		}
		e, err := New(p, newToy(), nil)
		if err != nil {
			continue
		}
		accepted++
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Sections {
			if err := e.Run(t.Context(), s.Name); err != nil {
				t.Fatal(err)
			}
		}
		e.Close()
	}
	if accepted < 100 {
		t.Errorf("only %d of the mutated programs were accepted: the test has lost its bite", accepted)
	}
}
