package exchange

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// codec hands frames to gRPC without protobuf and, on large payloads, without a copy.
type codec struct{}

// receiver takes one frame; data is valid only during the call.
type receiver interface {
	receive(data mem.BufferSlice) error
}

func (codec) Name() string { return "cleave-exchange" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	c, ok := v.(*chunk)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T", v)
	}
	return c.parts[:c.n:c.n], nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(receiver)
	if !ok {
		return fmt.Errorf("cannot receive into a %T", v)
	}
	return r.receive(data)
}

// chunk is one frame on its way out. gRPC owns it from SendMsg until it calls Put, which
// may be on any goroutine, and long after SendMsg has returned; then the link uses it again.
// Put never comes for what was under way when a connection was lost: such chunks, and the
// memory they point to, are left to the garbage collector.
type chunk struct {
	link   *link
	slot   *slot  // whose memory body is part of; nil if the frame was copied
	number uint64 // of the message

	head  [headerBytes]byte
	body  []byte // part of a message, read in place
	small []byte // header and payload of a copied frame
	first mem.Buffer
	parts [2]mem.Buffer
	n     int // parts in use
}

// smallCapacity is more than 1 KiB: gRPC never gives smaller buffers back.
const smallCapacity = 2048

func newChunk(l *link) *chunk {
	c := &chunk{link: l, small: make([]byte, 0, smallCapacity)}
	c.first = mem.SliceBuffer(c.head[:])
	return c
}

// copied makes c a frame with a copy of the payload, which has at most smallBytes.
func (c *chunk) copied(h header, payload []byte) *chunk {
	h.Length = uint32(len(payload))
	c.slot = nil
	c.small = c.small[:headerBytes]
	h.encode(c.small)
	c.small = append(c.small, payload...)
	c.parts[0] = mem.NewBuffer(&c.small, c)
	c.n = 1
	return c
}

// inPlace makes c a frame whose payload stays where it is. It must have more than 1 KiB.
func (c *chunk) inPlace(h header, s *slot, payload []byte) *chunk {
	h.Length = uint32(len(payload))
	c.slot, c.number = s, h.Number
	h.encode(c.head[:])
	c.body = payload
	c.parts[0] = c.first
	c.parts[1] = mem.NewBuffer(&c.body, c)
	c.n = 2
	return c
}

// Get is there because a chunk is the mem.BufferPool of its own buffer; gRPC only calls Put.
func (c *chunk) Get(length int) *[]byte {
	b := make([]byte, length)
	return &b
}

// Put is gRPC's word that nothing reads the frame any more.
func (c *chunk) Put(*[]byte) { c.link.released(c) }

// copyPayload copies what follows the header in data to dst, which has its size.
func copyPayload(dst []byte, data mem.BufferSlice) {
	skip := headerBytes
	for _, b := range data {
		part := b.ReadOnlyData()
		if skip >= len(part) {
			skip -= len(part)
			continue
		}
		dst = dst[copy(dst, part[skip:]):]
		skip = 0
	}
}
