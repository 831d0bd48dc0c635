package engine

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"cleave/kernels"
	"cleave/layout"
	"cleave/proto/programpb"
)

func toyLoad(p *programpb.Program) (*Engine, error) { return load(p, &toy{limit: 1 << 20}) }

func TestLoadRefusesBrokenPrograms(t *testing.T) {
	// The first rank of two: buffers own, given, mine, theirs, total; in accumulate
	// post, sum, send, wait, sum, sent.
	runOf := func(p *programpb.Program, i int) *programpb.Run { return p.Sections[1].Instructions[i].GetRun() }
	transfer := func(p *programpb.Program, i int) *programpb.Transfer {
		_, tr, _ := transferOf(p.Sections[1].Instructions[i])
		return tr
	}
	for name, c := range map[string]struct {
		damage func(p *programpb.Program)
		want   string
	}{
		"rank":               {func(p *programpb.Program) { p.Rank = 2 }, "rank 2 of 2 ranks"},
		"no ranks":           {func(p *programpb.Program) { p.Rank, p.Ranks = 0, 0 }, "rank 0 of 0 ranks"},
		"arena beyond int64": {func(p *programpb.Program) { p.ArenaBytes = math.MaxUint64 }, "arena of 18446744073709551615 bytes"},
		"arena too large":    {func(p *programpb.Program) { p.ArenaBytes = 1 << 40 }, "the device has 1048576 bytes"},
		"arena too small":    {func(p *programpb.Program) { p.ArenaBytes = 64 }, `buffer 1 "given": bytes 64 and on, 12 of them, are outside the arena of 64`},
		"buffer offset":      {func(p *programpb.Program) { p.Buffers[0].Offset = math.MaxUint64 - 4 }, "outside the arena"},
		"buffer alignment":   {func(p *programpb.Program) { p.Buffers[0].Offset = 2 }, "not aligned"},
		"buffer bytes":       {func(p *programpb.Program) { p.Buffers[0].Bytes = 11 }, `"own": 11 bytes for 3x1x1x1, which takes 12`},
		"buffer type":        {func(p *programpb.Program) { p.Buffers[0].Dtype = 9 }, "element type 9"},
		"buffer format":      {func(p *programpb.Program) { p.Buffers[0].Format = -1 }, "format -1"},
		"buffer box":         {func(p *programpb.Program) { p.Buffers[0].Box.Bounds = []uint32{0, 3} }, "2 bounds, not 8"},
		"buffer box empty":   {func(p *programpb.Program) { p.Buffers[0].Box.Bounds[1] = 0 }, "empty"},
		"buffer box missing": {func(p *programpb.Program) { p.Buffers[0].Box = nil }, "0 bounds"},
		"buffer box huge": {func(p *programpb.Program) {
			p.Buffers[0].Box = box(math.MaxInt32, math.MaxInt32, math.MaxInt32, math.MaxInt32)
		}, "too many elements"},
		"buffer box beyond": {func(p *programpb.Program) { p.Buffers[0].Box.Bounds[1] = math.MaxUint32 }, "beyond 2^31"},
		"buffer nil":        {func(p *programpb.Program) { p.Buffers[0] = nil }, `buffer 0 ""`},
		"section twice":     {func(p *programpb.Program) { p.Sections[0].Name = "accumulate" }, `two sections "accumulate"`},
		"predicted time":    {func(p *programpb.Program) { p.Sections[0].PredictedSeconds = math.NaN() }, "predicted time of NaN"},
		"instruction empty": {func(p *programpb.Program) { p.Sections[1].Instructions[1] = &programpb.Instruction{} }, `section "accumulate", instruction 1 (unknown)`},
		"instruction nil":   {func(p *programpb.Program) { p.Sections[1].Instructions[1] = nil }, `instruction 1 (unknown)`},
		"kernel nil":        {func(p *programpb.Program) { runOf(p, 1).Kernel = nil }, "no kernel"},
		"kernel name":       {func(p *programpb.Program) { runOf(p, 1).Kernel.Code = "sun" }, `there is no kernel "sun"`},
		"kernel invalid":    {func(p *programpb.Program) { runOf(p, 1).Kernel.Code = "invalid" }, `there is no kernel "invalid"`},
		"kernel window": {func(p *programpb.Program) {
			runOf(p, 1).Kernel.Window = &programpb.Window{Stride: []uint32{1}}
		}, "sum: window.stride has 1 numbers, not 2"},
		"kernel mean":         {func(p *programpb.Program) { runOf(p, 1).Kernel.Mean = make([]float64, 5) }, "mean has 5 numbers, not 4"},
		"kernel offset":       {func(p *programpb.Program) { runOf(p, 1).Kernel.Offset = math.MinInt64 }, "out of range"},
		"kernel not bound":    {func(p *programpb.Program) { runOf(p, 1).Kernel.Code = "lrn" }, "instruction 1 (lrn mine 3x1x1x1 from own 3x1x1x1, given 3x1x1x1): toy: no kernel lrn"},
		"workspace small":     {func(p *programpb.Program) { runOf(p, 1).WorkspaceBytes = 3 }, "a workspace of 3 bytes, it takes 4"},
		"workspace outside":   {func(p *programpb.Program) { runOf(p, 1).WorkspaceOffset = math.MaxUint64 - 3 }, "outside the arena"},
		"workspace on output": {func(p *programpb.Program) { runOf(p, 1).WorkspaceOffset = p.Buffers[2].Offset + 8 }, "the workspace lies over the output"},
		"workspace on input":  {func(p *programpb.Program) { runOf(p, 1).WorkspaceOffset = p.Buffers[1].Offset }, "the workspace lies over input 1"},
		"workspace alignment": {func(p *programpb.Program) { runOf(p, 1).WorkspaceOffset = 6 }, "not aligned"},
		"operand buffer":      {func(p *programpb.Program) { runOf(p, 1).In[1].Buffer = 99 }, "input 1: there is no buffer 99"},
		"operand outside":     {func(p *programpb.Program) { runOf(p, 1).In[1].Box = box(4, 1, 1, 1) }, `operand [0:4 0:1 0:1 0:1] is outside buffer "given", which holds [0:3 0:1 0:1 0:1]`},
		"operand missing":     {func(p *programpb.Program) { runOf(p, 1).Out = nil }, "output: an operand is missing"},
		"transfer nil": {func(p *programpb.Program) {
			p.Sections[1].Instructions[0] = &programpb.Instruction{Kind: &programpb.Instruction_Post{}}
		}, "a transfer is missing"},
		"transfer peer":    {func(p *programpb.Program) { transfer(p, 0).Peer = 2 }, "cannot exchange with rank 2"},
		"transfer self":    {func(p *programpb.Program) { transfer(p, 0).Peer = 0 }, "cannot exchange with rank 0"},
		"transfer buffer":  {func(p *programpb.Program) { transfer(p, 0).Buffer = math.MaxUint32 }, "there is no buffer 4294967295"},
		"transfer bytes":   {func(p *programpb.Program) { transfer(p, 0).Bytes = 13 }, "13 of them, are outside buffer \"theirs\" of 12"},
		"transfer none":    {func(p *programpb.Program) { transfer(p, 0).Bytes = 0 }, "has no bytes"},
		"transfer offset":  {func(p *programpb.Program) { transfer(p, 0).Offset = math.MaxUint64 }, "outside buffer"},
		"tag twice":        {func(p *programpb.Program) { p.Sections[1].Instructions[2] = p.Sections[1].Instructions[0] }, "tag 2 is used twice"},
		"tag not waited":   {func(p *programpb.Program) { p.Sections[1].Instructions = p.Sections[1].Instructions[:3] }, "is never waited for"},
		"tag waited twice": {func(p *programpb.Program) { p.Sections[1].Instructions[5] = p.Sections[1].Instructions[3] }, "tag 2 is waited for twice"},
		"tag not started": {func(p *programpb.Program) {
			p.Sections[1].Instructions = p.Sections[1].Instructions[3:]
		}, `instruction 0 (wait for rank 1, tag 2, 12 bytes of theirs): tag 2 is not started before in this section`},
		"tag elsewhere": {func(p *programpb.Program) {
			p.Sections[0].Instructions = append(p.Sections[0].Instructions, p.Sections[1].Instructions[0])
			p.Sections[1].Instructions = p.Sections[1].Instructions[1:]
		}, "not started before in this section"},
		"tag differs": {func(p *programpb.Program) {
			p.Sections[1].Instructions[3] = &programpb.Instruction{Kind: &programpb.Instruction_Wait{
				Wait: &programpb.Transfer{Tag: 2, Peer: 1, Buffer: 3, Bytes: 8},
			}}
		}, "another message"},
		"tag sent, not waited": {func(p *programpb.Program) {
			p.Sections[1].Instructions[3] = &programpb.Instruction{Kind: &programpb.Instruction_Sent{Sent: transfer(p, 3)}}
		}, "another message"},
		"input section":  {func(p *programpb.Program) { p.Inputs[0].Section = "x" }, `input "given" of section "x": there is no such section`},
		"input buffer":   {func(p *programpb.Program) { p.Inputs[0].Buffer = 99 }, "there is no buffer 99"},
		"input twice":    {func(p *programpb.Program) { p.Inputs = append(p.Inputs, p.Inputs[0]) }, "two of them"},
		"output section": {func(p *programpb.Program) { p.Outputs[0].Section = "x" }, "no such section"},
		"output buffer":  {func(p *programpb.Program) { p.Outputs[0].Buffer = 99 }, "there is no buffer 99"},
		"output twice":   {func(p *programpb.Program) { p.Outputs = append(p.Outputs, p.Outputs[0]) }, "two of them"},
		"output labels":  {func(p *programpb.Program) { p.Outputs[0].Labels = []string{"a"} }, "1 labels for 3 values"},
		"output type":    {func(p *programpb.Program) { p.Buffers[4].Dtype = programpb.DType_DTYPE_I32 }, "no vector of floats"},
	} {
		t.Run(name, func(t *testing.T) {
			p := allReduce(0, 2, 3)
			// Post and wait share a transfer where the test wrote the Program; not on the wire.
			p = proto.Clone(p).(*programpb.Program)
			c.damage(p)
			_, err := toyLoad(p)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
	if _, err := toyLoad(allReduce(0, 2, 3)); err != nil {
		t.Errorf("undamaged: %v", err)
	}
	if _, err := toyLoad(nil); err == nil {
		t.Error("no program at all was accepted")
	}
}

func TestLoadSurvivesABackendThatPanics(t *testing.T) {
	_, err := load(allReduce(0, 2, 3), &toy{limit: 1 << 20, panics: true})
	if err == nil || !strings.Contains(err.Error(), `section "init", instruction 0 (fill_const own 3x1x1x1)`) {
		t.Errorf("got %v", err)
	}
}

func TestDecodeKernelReadsEveryField(t *testing.T) {
	got, err := decodeKernel(&programpb.Kernel{
		Code:   "conv_forward",
		Window: &programpb.Window{Kernel: []uint32{1, 2}, Stride: []uint32{3, 4}, Dilation: []uint32{5, 6}, Pad: []uint32{7, 8, 9, 10}, CountPad: true},
		Groups: 11, EpilogueBias: true, EpilogueNorm: true, EpilogueAdd: true, EpilogueRelu: true,
		Lrn:   &programpb.LRN{N: 12, K: 13, Alpha: 14, Beta: 15, Offset: 16, GradOffset: 17},
		Count: 18, Eps: 19,
		Random: &programpb.Random{Key: 20, Origin: []uint32{21, 22, 23, 24}, Global: []uint32{25, 26, 27, 28}},
		P:      29, Offset: -30, Step: []uint32{31, 32}, Rate: 33, Unbias: 34, Mu: 35, Decay: 36, Value: 37, Std: 38,
		Mean: []float64{39, 40, 41, 42}, Dev: []float64{43, 44, 45, 46},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := kernels.Desc{
		Code:   kernels.ConvForward,
		Window: kernels.Window{Kernel: [2]int{1, 2}, Stride: [2]int{3, 4}, Dilation: [2]int{5, 6}, Pad: [4]int{7, 8, 9, 10}, CountPad: true},
		Groups: 11, Epilogue: kernels.Epilogue{Bias: true, Norm: true, Add: true, ReLU: true},
		LRN:   kernels.LRNDesc{N: 12, K: 13, Alpha: 14, Beta: 15, Offset: 16, GradOffset: 17},
		Count: 18, Eps: 19,
		Random: kernels.Random{Key: 20, Origin: [4]int{21, 22, 23, 24}, Global: layout.Shape{25, 26, 27, 28}},
		P:      29, Offset: -30, Step: [2]int{31, 32}, Rate: 33, Unbias: 34, Mu: 35, Decay: 36, Value: 37, Std: 38,
		Mean: [4]float64{39, 40, 41, 42}, Dev: [4]float64{43, 44, 45, 46},
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, c := range kernels.Codes() {
		d, err := decodeKernel(&programpb.Kernel{Code: c.String()})
		if err != nil || d.Code != c {
			t.Errorf("%v: %v, %v", c, d.Code, err)
		}
	}
}

func TestViewsAreLocalToTheirBuffer(t *testing.T) {
	w := newWriter(0, 1)
	b := w.floats("x", 4)
	w.p.Buffers[b].Box.Bounds = []uint32{10, 12, 4, 6, 0, 1, 0, 1}
	arena, err := loadBuffers(w.p, &toy{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := view(arena, &programpb.View{Buffer: b, Box: &programpb.Box{Bounds: []uint32{11, 12, 4, 6, 0, 1, 0, 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (layout.Box{{Lo: 1, Hi: 2}, {Lo: 0, Hi: 2}, {Lo: 0, Hi: 1}, {Lo: 0, Hi: 1}}); o.Box != want || o.Shape != (layout.Shape{2, 2, 1, 1}) {
		t.Errorf("box %v of %v, want %v", o.Box, o.Shape, want)
	}
}

// FuzzLoad feeds the loader with Programs as they might come over the wire.
func FuzzLoad(f *testing.F) {
	for rank := range 2 {
		b, err := proto.Marshal(allReduce(rank, 2, 3))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p programpb.Program
		if proto.Unmarshal(b, &p) != nil {
			return
		}
		toyLoad(&p) // must return
	})
}
