//go:build gpu

package cuda

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"cleave/kernels"
	"cleave/layout"
)

// The updates of parameters of several sizes in one launch against a launch each, bit for bit.
func TestUpdatesShareALaunch(t *testing.T) {
	needGPU(t)
	b := open(t)
	defer b.Close()
	var end int64
	operand := func(n int) kernels.Operand {
		s := layout.Shape{n, 1, 1, 1}
		o := kernels.Operand{Region: kernels.Region{Offset: end, Bytes: b.Bytes(kernels.NHWC, kernels.F32, s)}, Format: kernels.NHWC, Shape: s, Box: s.Box()}
		end += o.Region.Bytes
		return o
	}
	rate := operand(1)
	var calls []kernels.Call
	for _, n := range []int{5, 70001, 3, 1 << 16} {
		w, m, g := operand(n), operand(n), operand(n)
		calls = append(calls, kernels.Call{Desc: kernels.Desc{Code: kernels.SGD, Mu: 0.9, Decay: 5e-4}, Out: w, In: []kernels.Operand{w, m, g, rate}})
	}
	if err := b.Alloc(end); err != nil {
		t.Fatal(err)
	}
	all := kernels.Region{Bytes: end}
	in, err := b.Import(all)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.Export(all)
	if err != nil {
		t.Fatal(err)
	}
	run := func(launches ...kernels.Launch) []byte {
		fill := func(mem []byte) {
			for i := 0; i < len(mem); i += 4 {
				binary.NativeEndian.PutUint32(mem[i:], math.Float32bits(float32(math.Sin(float64(i)))))
			}
		}
		if err := kernels.Write(in, fill); err != nil {
			t.Fatal(err)
		}
		for _, l := range launches {
			if err := l(); err != nil {
				t.Fatal(err)
			}
		}
		mem, err := kernels.Read(out)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(mem)
	}
	var each []kernels.Launch
	for _, c := range calls {
		l, err := b.Bind(c.Desc, c.Out, c.In, c.Workspace)
		if err != nil {
			t.Fatal(err)
		}
		each = append(each, l)
	}
	n, together, err := b.(kernels.Batcher).BindBatch(calls)
	if err != nil || n != len(calls) {
		t.Fatalf("%d of %d calls share a launch: %v", n, len(calls), err)
	}
	if want, got := run(each...), run(together); !bytes.Equal(want, got) {
		t.Error("the results differ")
	} else if bytes.Equal(got, run()) {
		t.Error("nothing was updated")
	}
	calls[2].Desc.Mu = 0.8
	if n, _, err := b.(kernels.Batcher).BindBatch(calls); n != 0 || err != nil {
		t.Errorf("updates that differ share a launch: %d, %v", n, err)
	}
}
