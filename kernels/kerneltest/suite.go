// Package kerneltest is the conformance suite that every kernels.Backend passes. Each
// kernel runs on odd shapes against a plain float64 reference, on whole buffers and on
// boxes at odd places of larger ones, in place where Desc allows it, with a workspace of
// NaN. Whatever lies around a buffer or outside an output's box must keep its bits, and a
// second launch must give the same bits again.
//
// A result passes if its relative L2 error is at most 2⁻²⁴·(roundings + √terms): terms
// products or summands are added in single precision, whose errors grow like their root,
// and each element sees about that many roundings more. Kernels that only move or select
// must be exact.
package kerneltest

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"cleave/kernels"
)

// ErrLeftOut is what Bind returns for calls that a test of some of a backend's ways to run them
// leaves out.
var ErrLeftOut = errors.New("this call is left out")

// Run tests a backend: these kernels, or all if none is named. open is called for each kernel;
// Run closes what it opens.
func Run(t *testing.T, open func(t *testing.T) kernels.Backend, codes ...kernels.Code) {
	if len(codes) == 0 {
		codes = kernels.Codes()
	}
	walk(t, codes, open, func(t *testing.T, r *rig) {
		r.launch(t)
		first := r.collect(t)
		r.checkUntouched(t)
		r.checkValues(t)
		r.launch(t)
		if !bytes.Equal(first, r.collect(t)) {
			t.Error("a second launch gave other bits")
		}
	})
}

// Same tests that two backends give the same bits, such as one kind with more and with
// fewer threads, from these kernels, or from all if none is named.
func Same(t *testing.T, open, other func(t *testing.T) kernels.Backend, codes ...kernels.Code) {
	if len(codes) == 0 {
		codes = kernels.Codes()
	}
	results := map[string][]byte{}
	walk(t, codes, open, func(t *testing.T, r *rig) {
		r.launch(t)
		results[r.c.desc.Code.String()+r.name] = r.collect(t)
	})
	walk(t, codes, other, func(t *testing.T, r *rig) {
		r.launch(t)
		if !bytes.Equal(results[r.c.desc.Code.String()+r.name], r.collect(t)) {
			t.Errorf("%s: the backends give different bits", r.name)
		}
	})
}

// walk calls f for every case and placement of kernels.
func walk(t *testing.T, codes []kernels.Code, open func(t *testing.T) kernels.Backend, f func(t *testing.T, r *rig)) {
	for _, code := range codes {
		t.Run(code.String(), func(t *testing.T) {
			cases := casesOf(code)
			if len(cases) == 0 {
				t.Fatal("the suite has no case for this kernel")
			}
			b := open(t)
			defer func() {
				if err := b.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			rigs := rigsOf(t, b, cases)
			var most int64
			for _, r := range rigs {
				r.b = b
				most = max(most, r.size)
			}
			if err := b.Alloc(most); err != nil {
				t.Fatalf("alloc: %v", err)
			}
			for _, r := range rigs {
				t.Run(r.name, func(t *testing.T) { f(t, r) })
			}
		})
	}
}

// rigsOf returns the rigs of cases, each in every placement.
func rigsOf(t *testing.T, s kernels.Sizer, cases []kase) []*rig {
	var rigs []*rig
	for _, c := range cases {
		for _, p := range placements(c) {
			rigs = append(rigs, newRig(t, s, c, p))
		}
	}
	return rigs
}

// Call is a kernel call of the suite, as a backend is asked to bind it.
type Call struct {
	Name      string
	Desc      kernels.Desc
	Out       kernels.Operand
	In        []kernels.Operand
	Workspace kernels.Region
}

// Calls returns all calls that Run binds on a device with this sizer, for tests of how a
// backend divides and prices them.
func Calls(t *testing.T, s kernels.Sizer) []Call {
	t.Helper()
	var calls []Call
	for _, code := range kernels.Codes() {
		for _, r := range rigsOf(t, s, casesOf(code)) {
			calls = append(calls, Call{code.String() + "/" + r.name, r.c.desc, r.out.op, r.operands(), r.workspace})
		}
	}
	return calls
}

// checkValues compares the results with the reference.
func (r *rig) checkValues(t *testing.T) {
	t.Helper()
	out, in := newTensor(r.c.out.shape), make([]*tensor, len(r.c.in))
	for i := range out.v {
		out.v[i] = math.NaN() // not written
	}
	for i, o := range r.c.in {
		in[i] = &tensor{o.shape, append([]float64(nil), r.values[i]...)}
	}
	references[r.c.desc.Code](r.c.desc, out, in)
	r.compare(t, "output", &r.out, out.v)
	for _, i := range r.c.mutates {
		r.compare(t, "mutated input", &r.in[i], in[i].v)
	}
}

// compare holds an operand of the arena against wanted values; NaN wants nothing.
func (r *rig) compare(t *testing.T, what string, p *placed, want []float64) {
	t.Helper()
	var diff, norm float64
	worst, worstAt := 0.0, -1
	for i, w := range want {
		if math.IsNaN(w) {
			continue
		}
		got := p.get(r.after, i)
		if math.IsNaN(got) {
			t.Errorf("%s: element %d is not a number, want %v", what, i, w)
			return
		}
		d := got - w
		diff += d * d
		norm += w * w
		if math.Abs(d) > worst {
			worst, worstAt = math.Abs(d), i
		}
	}
	bound := 0x1p-24 * (r.c.roundings + math.Sqrt(float64(r.c.terms)))
	if r.c.roundings == 0 && r.c.terms <= 1 {
		bound = 0
	}
	if diff > bound*bound*norm {
		t.Errorf("%s: relative L2 error %.3g is above %.3g; worst at element %d: %v, want %v",
			what, math.Sqrt(diff/norm), bound, worstAt, p.get(r.after, worstAt), want[worstAt])
	}
}
