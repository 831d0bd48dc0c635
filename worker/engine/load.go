package engine

import (
	"fmt"
	"math"
	"time"

	"cleave/kernels"
	"cleave/proto/programpb"
)

// minDeadline and deadlineFactor give the longest time that one exchange may take: a peer
// that is slow for a reason (it pages, it shares its cores) must not end the job, one that
// hangs must.
const (
	minDeadline    = 60 * time.Second
	deadlineFactor = 20
)

// load checks the whole Program before it reserves the arena, then binds it.
func load(p *programpb.Program, b kernels.Backend) (e *Engine, err error) {
	// The checks below are meant to be complete; a fault that slips through them into a
	// backend's sizer or binding is still the Program's, not this process's end.
	defer func() {
		if r := recover(); r != nil {
			e, err = nil, fmt.Errorf("it is broken: %v", r)
		}
	}()
	if p == nil {
		return nil, fmt.Errorf("there is none")
	}
	if p.Rank >= p.Ranks {
		return nil, fmt.Errorf("rank %d of %d ranks", p.Rank, p.Ranks)
	}
	arena, err := loadBuffers(p, b)
	if err != nil {
		return nil, err
	}
	e = &Engine{program: p, backend: b, sections: make(map[string]*section, len(p.Sections))}
	msgs := &messages{rank: p.Rank, ranks: p.Ranks, arena: arena, byTag: make(map[uint32]*message)}

	// First pass: everything that needs no device.
	calls := make([][]kernels.Call, len(p.Sections))
	for i, s := range p.Sections {
		if e.sections[s.GetName()] != nil {
			return nil, fmt.Errorf("there are two sections %q", s.GetName())
		}
		d, err := exchangeDeadline(s.GetPredictedSeconds())
		if err != nil {
			return nil, fmt.Errorf("section %q: %w", s.GetName(), err)
		}
		e.sections[s.GetName()] = &section{index: i, name: s.GetName(), deadline: d}
		calls[i] = make([]kernels.Call, len(s.GetInstructions()))
		for j, n := range s.GetInstructions() {
			if err := check(arena, msgs, i, n, p.ArenaBytes, &calls[i][j]); err != nil {
				return nil, e.at(i, j, err)
			}
		}
	}
	if e.slots, err = msgs.finish(p); err != nil {
		return nil, err
	}
	ins, err := loadInputs(e, arena)
	if err != nil {
		return nil, err
	}
	outs, err := loadOutputs(e, arena)
	if err != nil {
		return nil, err
	}

	// Second pass: on the device.
	if err := b.Alloc(int64(p.ArenaBytes)); err != nil {
		return nil, fmt.Errorf("arena of %d bytes: %w", p.ArenaBytes, err)
	}
	if err := msgs.bind(e.slots, b); err != nil {
		return nil, err
	}
	for i, s := range p.Sections {
		steps := make([]step, 0, len(calls[i]))
		for j := 0; j < len(calls[i]); {
			n, v, err := bind(b, msgs, s.GetInstructions()[j:], calls[i][j:])
			if err != nil {
				return nil, e.at(i, j, err)
			}
			v.first = j
			steps = append(steps, v)
			j += n
		}
		e.sections[s.GetName()].steps = steps
	}
	for _, in := range ins {
		if err := in.bind(b); err != nil {
			return nil, err
		}
	}
	for _, out := range outs {
		if err := out.bind(b); err != nil {
			return nil, err
		}
	}
	e.loadEarly(arena)
	return e, nil
}

func exchangeDeadline(predicted float64) (time.Duration, error) {
	if math.IsNaN(predicted) || predicted < 0 || predicted > 1e6 {
		return 0, fmt.Errorf("a predicted time of %v seconds", predicted)
	}
	return max(minDeadline, time.Duration(deadlineFactor*predicted*float64(time.Second))), nil
}

// transferOf returns what an instruction that is no run does, and its transfer.
func transferOf(n *programpb.Instruction) (action, *programpb.Transfer, bool) {
	switch k := n.GetKind().(type) {
	case *programpb.Instruction_Post:
		return post, k.Post, true
	case *programpb.Instruction_Send:
		return send, k.Send, true
	case *programpb.Instruction_Wait:
		return wait, k.Wait, true
	case *programpb.Instruction_Sent:
		return sent, k.Sent, true
	}
	return run, nil, false
}

// check checks one instruction against the buffers; of a run it fills c.
func check(arena []buffer, msgs *messages, section int, n *programpb.Instruction, size uint64, c *kernels.Call) error {
	if a, t, ok := transferOf(n); ok {
		_, err := msgs.add(section, a, t)
		return err
	}
	r := n.GetRun()
	if r == nil {
		return fmt.Errorf("an instruction of no known kind")
	}
	var err error
	if c.Desc, err = decodeKernel(r.Kernel); err != nil {
		return err
	}
	if c.Out, err = view(arena, r.Out); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	c.In = make([]kernels.Operand, len(r.In))
	for i, v := range r.In {
		if c.In[i], err = view(arena, v); err != nil {
			return fmt.Errorf("input %d: %w", i, err)
		}
	}
	if !within(r.WorkspaceOffset, r.WorkspaceBytes, size) {
		return fmt.Errorf("workspace of %d bytes at %d is outside the arena of %d", r.WorkspaceBytes, r.WorkspaceOffset, size)
	}
	if r.WorkspaceOffset%uint64(kernels.F32.Size()) != 0 {
		return fmt.Errorf("workspace at %d is not aligned", r.WorkspaceOffset)
	}
	c.Workspace = kernels.Region{Offset: int64(r.WorkspaceOffset), Bytes: int64(r.WorkspaceBytes)}
	if overlap(c.Workspace, c.Out.Region) {
		return fmt.Errorf("the workspace lies over the output")
	}
	for i := range c.In {
		if overlap(c.Workspace, c.In[i].Region) {
			return fmt.Errorf("the workspace lies over input %d", i)
		}
	}
	return nil
}

func overlap(a, b kernels.Region) bool {
	return a.Bytes > 0 && b.Bytes > 0 && a.Offset < b.Offset+b.Bytes && b.Offset < a.Offset+a.Bytes
}

// bind prepares the first of some checked instructions, or the first n of them if the device
// runs these at once.
func bind(b kernels.Backend, msgs *messages, code []*programpb.Instruction, calls []kernels.Call) (n int, s step, err error) {
	if a, t, ok := transferOf(code[0]); ok {
		g := msgs.byTag[t.Tag]
		return 1, step{action: a, in: g.in, out: g.out, tag: g.slot.Tag, peer: g.slot.Peer}, nil
	}
	if batcher, ok := b.(kernels.Batcher); ok {
		if alike := independent(code, calls); alike > 1 {
			n, launch, err := batcher.BindBatch(calls[:alike])
			if err != nil || n > 0 {
				return n, step{action: run, launch: launch}, err
			}
		}
	}
	launch, err := bindKernel(b, &calls[0])
	return 1, step{action: run, launch: launch}, err
}

// independent counts the calls from the first on that run the same kernel and read nothing
// that one of them writes, but for what they update in place.
func independent(code []*programpb.Instruction, calls []kernels.Call) int {
	for i := range calls {
		if code[i].GetRun() == nil || calls[i].Desc.Code != calls[0].Desc.Code {
			return i
		}
		for k := range i {
			for _, a := range writes(&calls[k]) {
				for _, o := range calls[i].In {
					if overlap(a, o.Region) {
						return i
					}
				}
			}
		}
	}
	return len(calls)
}

// writes lists the regions that a call writes.
func writes(c *kernels.Call) []kernels.Region {
	all := []kernels.Region{c.Out.Region}
	for _, i := range append(c.Desc.Code.Updates(), c.Desc.Code.Fills()...) {
		if i < len(c.In) {
			all = append(all, c.In[i].Region)
		}
	}
	return all
}

// bindKernel lets the backend check the call before its workspace is asked for: a sizer
// may count on a call that makes sense.
func bindKernel(b kernels.Backend, c *kernels.Call) (launch kernels.Launch, err error) {
	defer func() {
		if r := recover(); r != nil {
			launch, err = nil, fmt.Errorf("the device cannot make sense of it: %v", r)
		}
	}()
	launch, err = b.Bind(c.Desc, c.Out, c.In, c.Workspace)
	if err != nil {
		return nil, err
	}
	if launch == nil {
		return nil, fmt.Errorf("the device has no such kernel")
	}
	shapes := shapesOf(c.In)
	if need := b.Workspace(c.Desc, c.Out.Box.Shape(), shapes); c.Workspace.Bytes < need {
		return nil, fmt.Errorf("a workspace of %d bytes, it takes %d", c.Workspace.Bytes, need)
	}
	return launch, nil
}
