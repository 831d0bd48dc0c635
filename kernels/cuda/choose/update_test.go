package choose

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"

	"cleave/kernels"
	"cleave/layout"
)

// step is an SGD call in place on a buffer of n elements; w, m, g lie one after the other
// from an offset on.
func step(n int, offset int64, decay float64) kernels.Call {
	shape := layout.Shape{n, 1, 1, 1}
	at := func(offset int64, shape layout.Shape) kernels.Operand {
		return kernels.Operand{Region: kernels.Region{Offset: offset, Bytes: 4 * int64(shape.Volume())}, Format: kernels.NHWC, Shape: shape, Box: shape.Box()}
	}
	size := 4 * int64(n)
	w := at(offset, shape)
	return kernels.Call{
		Desc: kernels.Desc{Code: kernels.SGD, Mu: 0.9, Decay: decay}, Out: w,
		In: []kernels.Operand{w, at(offset+size, shape), at(offset+2*size, shape), at(0, layout.Shape{1, 1, 1, 1})},
	}
}

func TestSGDTable(t *testing.T) {
	const large = 2*sgdChunk + 5
	table := Arg{Pointer, 4096}
	rows, l, err := SGDTable([]kernels.Call{step(7, 256, 0.1), step(large, 1024, 0.1)}, table)
	if err != nil {
		t.Fatal(err)
	}
	want := []uint64{256, 256 + 28, 256 + 56, 7}
	for at, n := uint64(0), uint64(large); n > 0; {
		k := min(n, sgdChunk)
		want = append(want, 1024+4*at, 1024+4*large+4*at, 1024+8*large+4*at, k)
		at, n = at+k, n-k
	}
	got := make([]uint64, len(rows)/8)
	for i := range got {
		got[i] = binary.LittleEndian.Uint64(rows[8*i:])
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the table is %d, want %d", got, want)
	}
	if err := l.check(); err != nil {
		t.Error(err)
	}
	if l.Kernel != "sgd_many_f32" || l.Grid != [3]int{4, 1, 1} || l.Args[0] != table || l.Args[3] != float(0.9) || l.Args[4] != float(0.1) {
		t.Errorf("the launch is %+v", l)
	}
}

func TestStepsApart(t *testing.T) {
	first := step(8, 1024, 0)
	gap := step(8, 2048, 0)
	gap.Out.Shape[1], gap.In[0].Shape[1] = 2, 2
	gap.Out.Region.Bytes, gap.In[0].Region.Bytes = 64, 64
	gap.In[1].Region.Offset, gap.In[2].Region.Offset = 2304, 2560
	moved := step(8, 2048, 0)
	moved.Out.Region.Offset = 4096
	rate := step(8, 2048, 0)
	rate.In[3].Region.Offset = 16
	for name, second := range map[string]kernels.Call{"decay": step(8, 2048, 0.5), "a gap": gap, "not in place": moved, "rate": rate} {
		if _, _, err := SGDTable([]kernels.Call{first, second}, Arg{Pointer, 8192}); !errors.Is(err, ErrApart) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := SGDTable(nil, Arg{Pointer, 8192}); !errors.Is(err, ErrApart) {
		t.Errorf("no steps: %v", err)
	}
}
