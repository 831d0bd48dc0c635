package engine

// copying is a send whose bytes are on their way from the device. The transport learns which
// have arrived while the engine launches what follows; before it waits for a peer it waits
// for its own copies, which need no peer, so that ranks that wait for each other go on.
type copying struct {
	*step
	have int64
}

// send starts the copy of a region to the host and, when the first bytes are there, its way
// to the peer.
func (e *Engine) send(n *step) error {
	if err := n.out.Start(); err != nil {
		return err
	}
	have, err := n.out.Copied(-1)
	if err != nil {
		return err
	}
	bytes := n.out.Bytes()
	if have == int64(len(bytes)) {
		return e.transport.Send(n.tag, bytes)
	}
	if err := e.transport.Begin(n.tag, bytes); err != nil {
		return err
	}
	e.copies = append(e.copies, copying{step: n})
	return e.handOver(false)
}

// handOver tells the transport of the bytes that have been copied from the device, and if
// all waits for those that have not.
func (e *Engine) handOver(all bool) error {
	for len(e.copies) > 0 {
		c := &e.copies[0]
		least := int64(-1)
		if all {
			least = c.have
		}
		have, err := c.out.Copied(least)
		if err != nil {
			return err
		}
		if have > c.have {
			c.have = have
			if err := e.transport.Ready(c.tag, have); err != nil {
				return err
			}
		}
		if have < int64(len(c.out.Bytes())) {
			if !all {
				return nil
			}
			continue
		}
		e.copies = append(e.copies[:0], e.copies[1:]...)
	}
	return nil
}
