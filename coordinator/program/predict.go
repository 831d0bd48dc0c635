package program

// Link is the model of the network between workers. A message starts when it is sent,
// posted, and both ranks' lines are free: each rank sends one message at a time and
// receives one at a time. It takes Bytes/BytesPerSecond, and arrives Latency later.
type Link struct {
	Latency        float64 // seconds
	BytesPerSecond float64 // each way
}

// DefaultLink is gRPC between two processes of one machine: half a ping-pong, and the rate
// at which it moves large messages.
var DefaultLink = Link{Latency: 60e-6, BytesPerSecond: 1e9}

// message is what the abstract run knows of a tag.
type message struct {
	posted, sent bool
	postedAt     float64
	sentAt       float64
	from, to     int
	bytes        int64
	done         bool
	freeAt       float64 // when the sender may overwrite its bytes
	arrivesAt    float64
}

// predict runs every section of all ranks on paper and notes when each rank is done.
func predict(b *Bundle) {
	for _, name := range []string{Init, Accumulate, Update, Eval} {
		ends, _ := simulate(b, name, true)
		for r, p := range b.Programs {
			if s := p.Section(name); s != nil {
				s.Seconds = ends[r]
			}
		}
	}
}

// simulate runs a section of all ranks together: a send needs nothing, a wait needs its
// send, a sent needs its post. It returns each rank's clock at the end (0 if not timed)
// and how many instructions each rank could run: all of them, unless ranks wait for each
// other in a circle.
func simulate(b *Bundle, section string, timed bool) (clock []float64, ran []int) {
	ranks := len(b.Programs)
	clock, ran = make([]float64, ranks), make([]int, ranks)
	out, in := make([]float64, ranks), make([]float64, ranks) // when the lines are free
	messages := map[uint32]*message{}
	get := func(tag uint32) *message {
		m := messages[tag]
		if m == nil {
			m = &message{}
			messages[tag] = m
		}
		return m
	}
	start := func(m *message) {
		if !m.posted || !m.sent || m.done {
			return
		}
		m.done = true
		if timed {
			t := max(m.postedAt, m.sentAt, out[m.from], in[m.to])
			m.freeAt = t + float64(m.bytes)/b.link.BytesPerSecond
			out[m.from], in[m.to] = m.freeAt, m.freeAt
			m.arrivesAt = m.freeAt + b.link.Latency
		}
	}
	step := func(r int, p *Program, n *Instr) bool {
		switch n.Kind {
		case Run:
			if timed {
				o, i := shapes(n.Call)
				clock[r] += p.sizer.Seconds(n.Call.Desc, o, i)
			}
		case Post:
			m := get(n.Message.Tag)
			m.posted, m.postedAt, m.to = true, clock[r], r
			start(m)
		case Send:
			m := get(n.Message.Tag)
			m.sent, m.sentAt, m.from, m.bytes = true, clock[r], r, n.Message.Bytes
			start(m)
		case Wait:
			m := get(n.Message.Tag)
			if !m.done {
				return false
			}
			clock[r] = max(clock[r], m.arrivesAt)
		case Sent:
			m := get(n.Message.Tag)
			if !m.done {
				return false
			}
			clock[r] = max(clock[r], m.freeAt)
		}
		return true
	}
	// The rank that is furthest behind goes first, so lines are given in the order of time.
	stuck := make([]bool, ranks) // at a message that has not started
	for {
		r := -1
		for k, p := range b.Programs {
			if s := p.Section(section); s != nil && ran[k] < len(s.Instrs) && !stuck[k] && (r < 0 || clock[k] < clock[r]) {
				r = k
			}
		}
		if r < 0 {
			return clock, ran
		}
		p := b.Programs[r]
		code := p.Section(section).Instrs
		for ran[r] < len(code) && code[ran[r]].Kind == Run && !timed {
			ran[r]++
		}
		if ran[r] == len(code) {
			continue
		}
		n := &code[ran[r]]
		if !step(r, p, n) {
			stuck[r] = true
			continue
		}
		if n.Kind == Post || n.Kind == Send {
			stuck[n.Message.Peer] = false
		}
		ran[r]++
	}
}
