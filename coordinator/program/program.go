package program

import (
	"slices"

	"cleave/coordinator/plan"
	"cleave/kernels"
	"cleave/layout"
)

// Names of the sections. Init runs once, Accumulate and Update in every step, Eval for
// every batch of an evaluation.
const (
	Init       = "init"
	Accumulate = "accumulate"
	Update     = "update"
	Eval       = "eval"
)

// BufferID is a buffer's index in Program.Buffers.
type BufferID int32

// Buffer is a box of a tensor at a place of the rank's arena.
type Buffer struct {
	Name   string // of the tensor
	Use    kernels.Use
	DType  kernels.DType
	Format kernels.Format
	Box    layout.Box // what of the tensor it can hold, in global coordinates
	// Kept buffers have memory of their own in every section; the others share memory
	// where they are not live at the same time.
	Kept          bool
	Offset, Bytes int64
}

// Shape returns the buffer's extents.
func (b *Buffer) Shape() layout.Shape { return b.Box.Shape() }

// Region returns the buffer's place in the arena.
func (b *Buffer) Region() kernels.Region { return kernels.Region{Offset: b.Offset, Bytes: b.Bytes} }

// View is a region of a buffer, in the tensor's global coordinates.
type View struct {
	Buffer BufferID
	Box    layout.Box
}

// Kind is what an instruction does.
type Kind uint8

const (
	Run  Kind = iota // a kernel
	Post             // the peer may write the message's bytes from now on
	Send             // start sending the message
	Wait             // until the posted message has arrived
	Sent             // until the message has been sent and may be overwritten
)

var kindNames = [...]string{"run", "post", "send", "wait", "sent"}

func (k Kind) String() string { return kindNames[k] }

// Call is a kernel call.
type Call struct {
	Desc      kernels.Desc
	Out       View
	In        []View
	Workspace int64 // bytes of scratch memory that it needs
}

// Message is one transfer between two ranks, seen from one of them. The bytes lie Offset
// after the buffer's beginning; they are the view's elements in the buffer's format.
type Message struct {
	Tag           uint32
	Peer          layout.Rank
	View          View
	Offset, Bytes int64
}

// Instr is one instruction: a Call for Run, else a Message.
type Instr struct {
	Kind    Kind
	Call    *Call
	Message Message
	// exchange counts the exchanges of the job up to this instruction, in the one global
	// order; it never falls along a section as lowered.
	exchange int32
}

// Section is a list of instructions that runs from beginning to end.
type Section struct {
	Name    string
	Instrs  []Instr
	Seconds float64 // predicted
}

// Input is a buffer that the worker fills before it runs Section.
type Input struct {
	Name    string
	Buffer  BufferID
	Section string
}

// Output is a buffer that the worker reads after it has run Section.
type Output struct {
	Name    string
	Buffer  BufferID
	Section string
	Labels  []string
}

// Program is one rank's part of a job.
type Program struct {
	Rank       layout.Rank
	Ranks      int
	Model      string
	ArenaBytes int64
	Workspace  kernels.Region // scratch memory that all calls share
	Buffers    []Buffer
	Sections   []Section
	Inputs     []Input
	Outputs    []Output

	sizer kernels.Sizer
}

// Section returns the section called name, or nil.
func (p *Program) Section(name string) *Section {
	for i := range p.Sections {
		if p.Sections[i].Name == name {
			return &p.Sections[i]
		}
	}
	return nil
}

// Exchange is what one op made the ranks send each other of one tensor.
type Exchange struct {
	At       string // the layer that reads the tensor
	Kind     string // all-gather, broadcast, halo, redistribute, reduce-scatter, reduce, all-reduce
	Pass     string // input, forward, backward or update
	Section  string
	Tensor   string
	PerImage bool    // the tensor has a batch axis, so the bytes grow with the batch
	Received []int64 // payload bytes by rank
}

// Bundle is the Programs of all ranks of a job.
type Bundle struct {
	Model     string
	Policy    string
	Batch     int
	Programs  []*Program
	Exchanges []Exchange

	train *plan.Plan
	link  Link
}

// Received returns the payload bytes that each rank receives in one run of the sections.
func (b *Bundle) Received(sections ...string) []int64 {
	sum := make([]int64, len(b.Programs))
	for r, p := range b.Programs {
		for _, name := range sections {
			s := p.Section(name)
			if s == nil {
				continue
			}
			for i := range s.Instrs {
				if s.Instrs[i].Kind == Wait {
					sum[r] += s.Instrs[i].Message.Bytes
				}
			}
		}
	}
	return sum
}

// reads calls do with each view that the instruction reads.
func (n *Instr) reads(do func(View)) {
	switch n.Kind {
	case Run:
		for i, v := range n.Call.In {
			if !slices.Contains(n.Call.Desc.Code.Fills(), i) {
				do(v)
			}
		}
	case Send, Sent:
		do(n.Message.View)
	}
}

// writes calls do with each view that the instruction writes, or, for Post, that may be
// written from then on.
func (n *Instr) writes(do func(View)) {
	switch n.Kind {
	case Run:
		do(n.Call.Out)
		for _, i := range n.Call.Desc.Code.Updates() {
			do(n.Call.In[i])
		}
		for _, i := range n.Call.Desc.Code.Fills() {
			do(n.Call.In[i])
		}
	case Post, Wait:
		do(n.Message.View)
	}
}
