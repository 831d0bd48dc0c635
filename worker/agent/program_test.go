package agent

import (
	"cleave/proto/jobpb"
	"cleave/proto/programpb"
)

const (
	testBatch = 4
	testData  = "random:4x4x1,3,n=10"
	testSeed  = 7
)

// buffers of the test Programs, 64 bytes apart.
const (
	bufImage = iota
	bufLabels
	bufStep
	bufSeed
	bufRate
	bufLoss
	bufHits
	bufSquares
	bufMine
	bufTheirs
)

// testProgram is the Program of a rank that keeps samples 1 to 3 of a batch of 4. Its loss
// is what seed and its peer say, its gradient_squares the rate.
func testProgram(rank, ranks uint32) *programpb.Program {
	p := &programpb.Program{Rank: rank, Ranks: ranks, Model: "test"}
	buffer := func(name string, d programpb.DType, bytes uint64, bounds ...uint32) {
		p.Buffers = append(p.Buffers, &programpb.Buffer{Name: name, Dtype: d, Offset: p.ArenaBytes, Bytes: bytes,
			Box: &programpb.Box{Bounds: bounds}})
		p.ArenaBytes += 64
	}
	buffer("image", programpb.DType_DTYPE_U8, 32, 1, 3, 0, 1, 0, 4, 0, 4)
	buffer("labels", programpb.DType_DTYPE_I32, 8, 1, 3, 0, 1, 0, 1, 0, 1)
	buffer("step", programpb.DType_DTYPE_I32, 4, 0, 1, 0, 1, 0, 1, 0, 1)
	for _, name := range []string{"seed", "rate", "loss"} {
		buffer(name, programpb.DType_DTYPE_F32, 4, 0, 1, 0, 1, 0, 1, 0, 1)
	}
	buffer("hits", programpb.DType_DTYPE_F32, 8, 0, 2, 0, 1, 0, 1, 0, 1)
	for _, name := range []string{"squares", "mine", "theirs"} {
		buffer(name, programpb.DType_DTYPE_F32, 4, 0, 1, 0, 1, 0, 1, 0, 1)
	}
	run := func(code string, value float64, out uint32, in ...uint32) *programpb.Instruction {
		r := &programpb.Run{Kernel: &programpb.Kernel{Code: code, Value: value}, Out: &programpb.View{Buffer: out, Box: p.Buffers[out].Box}}
		for _, b := range in {
			r.In = append(r.In, &programpb.View{Buffer: b, Box: p.Buffers[b].Box})
		}
		return &programpb.Instruction{Kind: &programpb.Instruction_Run{Run: r}}
	}
	section := func(name string, list ...*programpb.Instruction) {
		p.Sections = append(p.Sections, &programpb.Section{Name: name, Instructions: list})
	}
	section("init", run("fill_const", 1, bufMine), run("fill_const", 0, bufTheirs))
	var list []*programpb.Instruction
	if ranks == 2 {
		in := &programpb.Transfer{Tag: 1 - rank, Peer: 1 - rank, Buffer: bufTheirs, Bytes: 4}
		out := &programpb.Transfer{Tag: rank, Peer: 1 - rank, Buffer: bufMine, Bytes: 4}
		list = append(list,
			&programpb.Instruction{Kind: &programpb.Instruction_Post{Post: in}},
			&programpb.Instruction{Kind: &programpb.Instruction_Send{Send: out}},
			&programpb.Instruction{Kind: &programpb.Instruction_Wait{Wait: in}},
			&programpb.Instruction{Kind: &programpb.Instruction_Sent{Sent: out}})
	}
	section("accumulate", append(list,
		run("sum", 0, bufLoss, bufSeed, bufTheirs), run("fill_const", 1, bufHits))...)
	section("update", run("sum", 0, bufSquares, bufRate))
	section("eval", run("fill_const", 0.5, bufLoss), run("fill_const", 1, bufHits))
	input := func(section, name string, b uint32) {
		p.Inputs = append(p.Inputs, &programpb.Input{Section: section, Name: name, Buffer: b})
	}
	input("accumulate", "image", bufImage)
	input("accumulate", "labels", bufLabels)
	input("accumulate", "step", bufStep)
	input("accumulate", "seed", bufSeed)
	input("update", "rate", bufRate)
	input("eval", "image", bufImage)
	input("eval", "labels", bufLabels)
	for _, section := range []string{"accumulate", "eval"} {
		p.Outputs = append(p.Outputs, &programpb.Output{Section: section, Name: "loss", Buffer: bufLoss},
			&programpb.Output{Section: section, Name: "hits", Buffer: bufHits})
	}
	p.Outputs = append(p.Outputs, &programpb.Output{Section: "update", Name: "gradient_squares", Buffer: bufSquares, Labels: []string{"w"}})
	return p
}

func testLoad(rank uint32, peers ...string) *jobpb.Load {
	return &jobpb.Load{
		Program: testProgram(rank, uint32(len(peers))), Peers: peers, Job: 99,
		Data: testData, Seed: testSeed, Batch: testBatch, EvalBatch: testBatch,
	}
}
