package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"cleave/kernels"
	"cleave/kernels/cpu"
	"cleave/layout"
	"cleave/proto/programpb"
	"cleave/worker/exchange"
)

const cpuThreads = 2

// splitConv is the Program of a rank that computes its share of a convolution's output
// channels, sends it to the others in another format, and puts all shares together:
// 2×4×5×5 → 2×4×5×5 with 3×3 filters. The sum of all squares comes out.
func splitConv(rank, ranks int) *programpb.Program {
	const n, c, k, hw = 2, 4, 4, 5
	w := newWriter(rank, ranks)
	sizer := cpu.Sizer{Threads: cpuThreads}
	buffer := func(name string, f programpb.Format, bounds ...uint32) uint32 {
		b := w.floats(name, 1)
		w.p.Buffers[b].Box = &programpb.Box{Bounds: bounds}
		w.p.Buffers[b].Format = f
		box, err := decodeBox(w.p.Buffers[b].Box)
		if err != nil {
			panic(err)
		}
		w.p.Buffers[b].Bytes = uint64(sizer.Bytes(kernels.Format(f), kernels.F32, box.Shape()))
		w.p.ArenaBytes = w.p.Buffers[b].Offset + w.p.Buffers[b].Bytes
		return b
	}
	cuts := layout.Even(k, ranks, 1)
	share := func(r int) (lo, hi uint32) {
		s := cuts.Span(layout.Rank(r))
		return uint32(s.Lo), uint32(s.Hi)
	}
	lo, hi := share(rank)
	nchw, nhwc := programpb.Format_FORMAT_NCHW, programpb.Format_FORMAT_NHWC
	x := buffer("x", nhwc, 0, n, 0, c, 0, hw, 0, hw)
	filters := buffer("w", nhwc, lo, hi, 0, c, 0, 3, 0, 3)
	y := buffer("y", nhwc, 0, n, lo, hi, 0, hw, 0, hw)
	whole := buffer("whole", nhwc, 0, n, 0, k, 0, hw, 0, hw)
	result := buffer("result", nhwc, 0, 1, 0, 1, 0, 1, 0, 1)

	w.section("init", w.call(&programpb.Kernel{Code: "fill_normal", Std: 0.1, Random: &programpb.Random{
		Key: 5, Origin: []uint32{lo, 0, 0, 0}, Global: []uint32{k, c, 3, 3},
	}}, filters))

	move := func(to, from uint32, box *programpb.Box) *programpb.Instruction {
		return &programpb.Instruction{Kind: &programpb.Instruction_Run{Run: &programpb.Run{
			Kernel: &programpb.Kernel{Code: "copy"},
			Out:    &programpb.View{Buffer: to, Box: box}, In: []*programpb.View{{Buffer: from, Box: box}},
		}}}
	}
	conv := w.call(&programpb.Kernel{Code: "conv_forward", Groups: 1, Window: &programpb.Window{
		Kernel: []uint32{3, 3}, Stride: []uint32{1, 1}, Dilation: []uint32{1, 1}, Pad: []uint32{1, 1, 1, 1},
	}}, y, x, filters)
	var posts, sends, waits, sents []*programpb.Instruction
	for q := range ranks {
		if q == rank {
			continue
		}
		l, h := share(q)
		theirs := buffer("theirs", nchw, 0, n, l, h, 0, hw, 0, hw)
		mine := buffer("mine", nchw, 0, n, lo, hi, 0, hw, 0, hw)
		transfer := func(from, to int, b uint32) (p, s, wt, st *programpb.Instruction) {
			p, s, wt, st = w.transfer(uint32(from*ranks+to), uint32(q), b)
			p.GetPost().Bytes = uint64(boxVolume(w.p.Buffers[b].Box)) * 4
			return
		}
		p, _, wt, _ := transfer(q, rank, theirs)
		_, s, _, st := transfer(rank, q, mine)
		posts = append(posts, p)
		sends = append(sends, move(mine, y, w.p.Buffers[mine].Box), s)
		waits = append(waits, wt, move(whole, theirs, w.p.Buffers[theirs].Box))
		sents = append(sents, st)
	}
	list := append(posts, conv)
	list = append(append(list, sends...), move(whole, y, w.p.Buffers[y].Box))
	list = append(append(list, waits...), sents...)
	list = append(list, w.call(&programpb.Kernel{Code: "sum_of_squares"}, result, whole))
	w.section("accumulate", list...)
	w.input("accumulate", "x", x)
	w.output("accumulate", "result", result)

	// One workspace behind all buffers serves all calls.
	offset, most := (w.p.ArenaBytes+63)/64*64, uint64(0)
	for _, s := range w.p.Sections {
		for _, i := range s.Instructions {
			r := i.GetRun()
			if r == nil {
				continue
			}
			d, err := decodeKernel(r.Kernel)
			if err != nil {
				panic(err)
			}
			var in []layout.Shape
			for _, v := range r.In {
				in = append(in, boxOf(v.Box).Shape())
			}
			r.WorkspaceOffset = offset
			r.WorkspaceBytes = uint64(sizer.Workspace(d, boxOf(r.Out.Box).Shape(), in))
			most = max(most, r.WorkspaceBytes)
		}
	}
	w.p.ArenaBytes = offset + most
	return w.p
}

func boxOf(b *programpb.Box) layout.Box {
	box, err := decodeBox(b)
	if err != nil {
		panic(err)
	}
	return box
}

func boxVolume(b *programpb.Box) int { return boxOf(b).Volume() }

// convOnce runs splitConv over so many ranks and returns each rank's result.
func convOnce(t *testing.T, ranks int) []float32 {
	t.Helper()
	results := make([]float32, ranks)
	errs := make([]error, ranks)
	var wg sync.WaitGroup
	for r, tr := range exchange.NewMemory(ranks) {
		wg.Go(func() {
			errs[r] = func() error {
				b := cpu.New(cpuThreads)
				defer b.Close()
				defer tr.Close()
				e, err := New(splitConv(r, ranks), b, tr)
				if err != nil {
					return err
				}
				defer e.Close()
				if err := e.Start(t.Context()); err != nil {
					return err
				}
				if err := e.Run(t.Context(), "init"); err != nil {
					return err
				}
				fillX(t, e)
				if err := e.Run(t.Context(), "accumulate"); err != nil {
					return err
				}
				v, _ := e.Output("accumulate", "result")
				results[r] = v[0]
				return nil
			}()
		})
	}
	wg.Wait()
	for r, err := range errs {
		if err != nil {
			t.Fatalf("%d ranks, rank %d: %v", ranks, r, err)
		}
	}
	return results
}

func fillX(t testing.TB, e *Engine) {
	_, box, _ := e.Input("accumulate", "x")
	v := make([]float32, box.Volume())
	for i := range v {
		v[i] = float32(math.Sin(float64(i)))
	}
	put(t, e, "accumulate", "x", v...)
}

func TestSplitConvOnTheCPU(t *testing.T) {
	one := convOnce(t, 1)[0]
	if !(one > 0) {
		t.Fatalf("one rank: %v", one)
	}
	for ranks := 2; ranks <= 4; ranks++ {
		got := convOnce(t, ranks)
		if slices.Min(got) != slices.Max(got) {
			t.Errorf("%d ranks differ: %v", ranks, got)
		}
		// A split of the output channels changes no sum, at most its order of additions.
		if math.Abs(float64(got[0]-one)) > 1e-6*float64(one) {
			t.Errorf("%d ranks: %v, one rank %v", ranks, got[0], one)
		}
	}
}

func TestRunOnTheCPUAllocatesNothing(t *testing.T) {
	b := cpu.New(cpuThreads)
	defer b.Close()
	e, err := New(splitConv(0, 1), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx := context.Background()
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(100, func() {
		if _, _, ok := e.Input("accumulate", "x"); !ok {
			t.Error("no input")
		}
		if err := e.Run(ctx, "accumulate"); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

// TestTheCPUSurvivesMutations is TestLoadSurvivesMutations on the real backend: what it
// binds must run without touching memory that is not its own.
func TestTheCPUSurvivesMutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	good := splitConv(0, 1)
	accepted := 0
	for range 1000 {
		p := proto.Clone(good).(*programpb.Program)
		for range 1 + rng.IntN(3) {
			mutate(rng, p.ProtoReflect())
		}
		if p.ArenaBytes > 1<<20 {
			continue // the agent holds it against the machine's memory
		}
		func() {
			b := cpu.New(cpuThreads)
			defer b.Close()
			e, err := New(p, b, nil)
			if err != nil {
				return
			}
			defer e.Close()
			accepted++
			if err := e.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, s := range p.Sections {
				if err := e.Run(t.Context(), s.GetName()); err != nil {
					t.Fatal(err)
				}
			}
		}()
	}
	if accepted < 50 {
		t.Errorf("only %d of the mutated programs were accepted: the test has lost its bite", accepted)
	}
}
