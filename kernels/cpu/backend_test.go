package cpu

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"

	"cleave/kernels"
	"cleave/layout"
)

func TestEnvironmentForcesATier(t *testing.T) {
	for _, tier := range tiers {
		t.Setenv("CLEAVE_CPU", tier.name)
		b := New(1)
		err := b.Alloc(64)
		if runs := tier.tiles[0].run != nil; runs && (err != nil || b.tier != tier) {
			t.Errorf("%s: tier %v, error %v", tier.name, b.tier, err)
		} else if !runs && (err == nil || !strings.Contains(err.Error(), tier.name)) {
			t.Errorf("%s: error %v does not name the tier", tier.name, err)
		}
		b.Close()
	}
	t.Setenv("CLEAVE_CPU", "mmx")
	if err := Check(); err == nil || !strings.Contains(err.Error(), "mmx") {
		t.Errorf("an unknown tier: error %v", err)
	}
	t.Setenv("CLEAVE_CPU", "")
	if err := Check(); err != nil {
		t.Error(err)
	}
}

func TestArena(t *testing.T) {
	b := New(1)
	defer b.Close()
	if err := b.Alloc(256); err != nil {
		t.Fatal(err)
	}
	if err := b.Alloc(256); err == nil {
		t.Error("a second Alloc succeeded")
	}
	im, err := b.Import(kernels.Region{Offset: 64, Bytes: 8})
	if err != nil {
		t.Fatal(err)
	}
	if err := kernels.Write(im, func(mem []byte) { copy(mem, "12345678") }); err != nil {
		t.Fatal(err)
	}
	ex, err := b.Export(kernels.Region{Offset: 66, Bytes: 3})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := kernels.Read(ex); err != nil || !bytes.Equal(got, []byte("345")) {
		t.Errorf("exported %q, %v", got, err)
	}
	for _, r := range []kernels.Region{{Offset: 250, Bytes: 7}, {Offset: -1, Bytes: 4}, {Offset: 0, Bytes: -1}, {Offset: 1 << 62, Bytes: 1 << 62}} {
		if _, err := b.Export(r); err == nil {
			t.Errorf("exported %+v", r)
		}
		if _, err := b.Import(r); err == nil {
			t.Errorf("imported %+v", r)
		}
	}
	b.Close()
	if _, err := b.Export(kernels.Region{Bytes: 4}); err == nil {
		t.Error("exported from a closed backend")
	}
}

// buffer is an operand that is a whole buffer of floats.
func buffer(offset int64, n ...int) kernels.Operand {
	s := layout.Shape{1, 1, 1, 1}
	copy(s[:], n)
	return kernels.Operand{Region: kernels.Region{Offset: offset, Bytes: int64(4 * s.Volume())}, Format: kernels.NHWC, Shape: s, Box: s.Box()}
}

func TestBindRefuses(t *testing.T) {
	b := New(1)
	defer b.Close()
	if err := b.Alloc(1 << 16); err != nil {
		t.Fatal(err)
	}
	x, y, w := buffer(0, 2, 4, 5, 5), buffer(4096, 2, 6, 3, 3), buffer(8192, 6, 4, 3, 3)
	conv := kernels.Desc{Code: kernels.ConvForward, Groups: 1, Window: kernels.Window{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}}}
	changed := func(o kernels.Operand, f func(o *kernels.Operand)) kernels.Operand { f(&o); return o }
	desc := func(f func(d *kernels.Desc)) kernels.Desc { d := conv; f(&d); return d }
	space := kernels.Region{Offset: 32768, Bytes: 32768}
	ins := func(o ...kernels.Operand) []kernels.Operand { return o }
	for _, c := range []struct {
		name, want string
		d          kernels.Desc
		out        kernels.Operand
		in         []kernels.Operand
		ws         kernels.Region
	}{
		{"code", "no such kernel", kernels.Desc{Code: 200}, y, ins(x), space},
		{"inputs", "2 inputs, not 1", conv, y, ins(x), space},
		{"bias", "3 inputs, not 2", desc(func(d *kernels.Desc) { d.Epilogue.Bias = true }), y, ins(x, w), space},
		{"groups", "do not match", desc(func(d *kernels.Desc) { d.Groups = 5 }), y, ins(x, w), space},
		{"stride", "stride", desc(func(d *kernels.Desc) { d.Window.Stride = [2]int{} }), y, ins(x, w), space},
		{"rows", "cannot give", desc(func(d *kernels.Desc) { d.Window.Pad = [4]int{1, 0, 0, 0} }), y, ins(x, w), space},
		{"kernel", "do not match", desc(func(d *kernels.Desc) { d.Window.Kernel = [2]int{3, 2} }), y, ins(x, w), space},
		{"empty", "empty", conv, changed(y, func(o *kernels.Operand) { o.Box = layout.Box{} }), ins(x, w), space},
		{"box", "does not lie in", conv, y, ins(changed(x, func(o *kernels.Operand) { o.Box[2].Hi++ }), w), space},
		{"region", "its region has", conv, y, ins(changed(x, func(o *kernels.Operand) { o.Region.Bytes-- }), w), space},
		{"arena", "is not in the", conv, y, ins(changed(x, func(o *kernels.Operand) { o.Region.Offset = 1 << 16 }), w), space},
		{"aligned", "not aligned", conv, y, ins(changed(x, func(o *kernels.Operand) { o.Region.Offset = 2 }), w), space},
		{"type", "element type", conv, y, ins(changed(x, func(o *kernels.Operand) { o.DType = kernels.I32 }), w), space},
		{"format", "native format", conv, y, ins(changed(x, func(o *kernels.Operand) { o.Format = kernels.NCHW }), w), space},
		{"workspace", "bytes are needed", conv, y, ins(x, w), kernels.Region{Offset: 32768, Bytes: 64}},
		{"overlap", "where the output is written", conv, changed(y, func(o *kernels.Operand) { o.Region.Offset = 64 }), ins(x, w), space},
		{"shifted", "where the output is written", kernels.Desc{Code: kernels.ReLU}, changed(x, func(o *kernels.Operand) { o.Box[1] = layout.Span{Lo: 0, Hi: 3} }),
			ins(changed(x, func(o *kernels.Operand) { o.Box[1] = layout.Span{Lo: 1, Hi: 4} })), space},
		{"even lrn", "odd", kernels.Desc{Code: kernels.LRN, LRN: kernels.LRNDesc{N: 4}}, buffer(4096, 2, 4, 5, 5), ins(x), space},
		{"pool", "begins beyond", kernels.Desc{Code: kernels.MaxPool, Window: kernels.Window{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}}}, buffer(4096, 2, 4, 4, 4), ins(x), space},
		{"random", "does not lie in a tensor", kernels.Desc{Code: kernels.FillNormal}, y, nil, space},
	} {
		_, err := b.Bind(c.d, c.out, c.in, c.ws)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestLaunchAllocatesNothing(t *testing.T) {
	b := New(2)
	defer b.Close()
	if err := b.Alloc(8 << 20); err != nil {
		t.Fatal(err)
	}
	x, y, w := buffer(0, 4, 8, 20, 20), buffer(1<<20, 4, 8, 20, 20), buffer(2<<20, 8, 4, 3, 3)
	v := buffer(2<<20+1<<19, 8)
	one, one8 := buffer(2<<20+1<<18, 1), buffer(2<<20+1<<17, 8)
	step, planar := one, y
	step.DType, planar.Format = kernels.I32, kernels.NCHW
	space := kernels.Region{Offset: 3 << 20, Bytes: 5 << 20}
	window := kernels.Window{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Pad: [4]int{1, 1, 1, 1}}
	linear := kernels.Window{Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}}
	lrn := kernels.LRNDesc{N: 5, K: 2, Alpha: 1e-4, Beta: 0.75}
	for _, c := range []struct {
		d   kernels.Desc
		out kernels.Operand
		in  []kernels.Operand
	}{
		{kernels.Desc{Code: kernels.ConvForward, Groups: 2, Window: window}, y, []kernels.Operand{x, w}},
		{kernels.Desc{Code: kernels.ConvDataGrad, Groups: 2, Window: window}, x, []kernels.Operand{y, w}},
		{kernels.Desc{Code: kernels.ConvFilterGrad, Groups: 2, Window: window}, w, []kernels.Operand{x, y}},
		{kernels.Desc{Code: kernels.ConvForward, Groups: 1, Window: linear}, buffer(1<<20, 30, 40), []kernels.Operand{buffer(0, 30, 50), buffer(2<<20, 40, 50)}},
		{kernels.Desc{Code: kernels.LRN, LRN: lrn}, y, []kernels.Operand{x}},
		{kernels.Desc{Code: kernels.LRNGrad, LRN: lrn}, w, []kernels.Operand{buffer(0, 8, 4, 3, 3), buffer(1<<20, 8, 4, 3, 3)}},
		{kernels.Desc{Code: kernels.MaxPool, Window: window}, y, []kernels.Operand{x}},
		{kernels.Desc{Code: kernels.ReLU}, y, []kernels.Operand{x}},
		{kernels.Desc{Code: kernels.BiasGrad}, v, []kernels.Operand{x}},
		{kernels.Desc{Code: kernels.BN}, y, []kernels.Operand{x, v, v, v, v}},
		{kernels.Desc{Code: kernels.BNVar, Count: 1}, v, []kernels.Operand{x, one8}},
		{kernels.Desc{Code: kernels.BNGammaGrad}, v, []kernels.Operand{x, one8, one8, y}},
		{kernels.Desc{Code: kernels.BNGrad, Count: 1}, y, []kernels.Operand{x, v, v, v, v, v, x}},
		{kernels.Desc{Code: kernels.Bias}, y, []kernels.Operand{x, v}},
		{kernels.Desc{Code: kernels.MaxPoolGrad, Window: window}, y, []kernels.Operand{x, x, x}},
		{kernels.Desc{Code: kernels.AvgPool, Window: window}, y, []kernels.Operand{x}},
		{kernels.Desc{Code: kernels.AvgPoolGrad, Window: window}, y, []kernels.Operand{x}},
		{kernels.Desc{Code: kernels.SumOfSquares}, one, []kernels.Operand{x}},
		{kernels.Desc{Code: kernels.Sum}, y, []kernels.Operand{x, x, x}},
		{kernels.Desc{Code: kernels.FillNormal, Random: kernels.Random{Global: w.Shape}}, w, nil},
		{kernels.Desc{Code: kernels.Dropout, P: 0.5, Random: kernels.Random{Global: x.Shape}}, y, []kernels.Operand{x, step}},
		{kernels.Desc{Code: kernels.Flatten}, buffer(1<<20, 4, 3200), []kernels.Operand{x}},
		{kernels.Desc{Code: kernels.Copy}, planar, []kernels.Operand{x}},
		{kernels.Desc{Code: kernels.Copy, Step: [2]int{3, 1}}, buffer(1<<20, 4, 3, 20, 20), []kernels.Operand{x}},
	} {
		l, err := b.Bind(c.d, c.out, c.in, space)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(10, func() { l() }); n != 0 {
			t.Errorf("%v: %v allocations a launch", c.d.Code, n)
		}
	}
}

func TestPoolRunsEachJobOnce(t *testing.T) {
	for threads := 1; threads <= 5; threads++ {
		p := newPool(threads)
		counts := make([]atomic.Int32, 1000)
		for round := range 300 {
			jobs := round * 7 % 1000
			p.run(jobs, func(thread, job int) {
				if thread < 0 || thread >= threads {
					t.Errorf("thread %d of %d", thread, threads)
				}
				counts[job].Add(1)
			})
			for j := range counts {
				if n := counts[j].Swap(0); (n == 1) != (j < jobs) || n > 1 {
					t.Fatalf("job %d of %d ran %d times", j, jobs, n)
				}
			}
		}
		p.close()
		p.close()
	}
}
