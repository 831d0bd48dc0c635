package program

import "cleave/kernels"

// clocks guesses, while a rank's section is being scheduled, when its messages arrive. It
// knows this rank alone, so it takes the others to be as far as this one: a message comes
// when this rank has sent its own of the same exchange, or, if it sends none, when it has
// got to the exchange. A wrong guess costs time, never correctness.
type clocks struct {
	code    []Instr
	epoch   []int     // of each instruction: how many exchanges of the rank there were
	seconds []float64 // of each instruction: how long a kernel runs, or a message travels
	now     float64
	begun   []float64 // by exchange of the rank
	sent    map[uint32]float64
}

func newClocks(code []Instr, epoch []int, sizer kernels.Sizer, link Link) *clocks {
	c := &clocks{
		code:    code,
		epoch:   epoch,
		seconds: make([]float64, len(code)),
		begun:   make([]float64, epoch[len(epoch)-1]+1),
		sent:    map[uint32]float64{},
	}
	bytes, of := int64(0), 0 // that arrived before in the same exchange
	for i := range code {
		switch n := &code[i]; n.Kind {
		case Run:
			out, in := shapes(n.Call)
			c.seconds[i] = sizer.Seconds(n.Call.Desc, out, in)
		case Wait:
			if of != epoch[i] {
				bytes, of = 0, epoch[i]
			}
			bytes += n.Message.Bytes
			c.seconds[i] = link.Latency + float64(bytes)/link.BytesPerSecond
		case Sent:
			c.seconds[i] = link.Latency + float64(n.Message.Bytes)/link.BytesPerSecond
		}
	}
	return c
}

// ran notes that instruction i has run.
func (c *clocks) ran(i int) {
	switch n := &c.code[i]; n.Kind {
	case Run:
		c.now += c.seconds[i]
	case Send:
		c.begun[c.epoch[i]] = c.now
		c.sent[n.Message.Tag] = c.now
	default:
		c.now = max(c.now, c.end(i))
	}
}

// entered notes that all before an exchange has run.
func (c *clocks) entered(epoch int) { c.begun[epoch] = max(c.begun[epoch], c.now) }

// end is when the wait or sent i has nothing left to wait for.
func (c *clocks) end(i int) float64 {
	switch n := &c.code[i]; n.Kind {
	case Wait:
		return c.begun[c.epoch[i]] + c.seconds[i]
	case Sent:
		return c.sent[n.Message.Tag] + c.seconds[i]
	}
	return 0
}

// over reports whether the wait or sent i would not hold anything up.
func (c *clocks) over(i int) bool { return c.end(i) <= c.now }
