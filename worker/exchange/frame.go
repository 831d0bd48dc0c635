package exchange

import (
	"encoding/binary"
	"fmt"

	"cleave/layout"
)

// Every message of a stream is one frame: a header of 27 bytes and a payload, numbers in
// little-endian order.
//
//	 0  uint8   type
//	 1  uint16  version of this protocol, in every frame
//	 3  uint32  tag
//	 7  uint64  sequence number of the message within its tag, from 1
//	15  uint64  offset of the payload within the message
//	23  uint32  length of the payload
//
// With the 5 bytes that gRPC puts before each message the header has 32, so payloads stay
// aligned. Payloads:
//
//	hello     job uint64, from uint32, to uint32, digest [32]byte, messages uint32 and bytes
//	          int64 from the lower rank to the higher, the same two back. The dialling rank
//	          speaks first; each side sends one.
//	data      a piece of at most 1 MiB of a message, in order; an empty message is one empty
//	          piece. It is sent only after the credit of the same tag and number.
//	credit    records of 12 bytes, tag uint32 and number uint64: these messages are posted
//	bye       nothing more will be sent but a byeSeen. Empty, or the rank (uint32) whose
//	          loss made the sender leave, and the reason
//	byeSeen   everything before the bye has arrived
//
// All fields that a type does not use are zero.
type frameType uint8

const (
	frameHello frameType = 1 + iota
	frameData
	frameCredit
	frameBye
	frameByeSeen
)

const (
	protocolVersion = 1
	headerBytes     = 27
	chunkBytes      = 1 << 20   // payload of a full data frame
	smallBytes      = 1024      // payloads up to this size are copied
	creditBytes     = 12        // of one record
	reasonBytes     = 512       // of the reason in a bye, at most
	helloBytes      = 72        // payload of a hello
	windowBytes     = 16 << 20  // flow control, of a stream and of a connection
	ioBufferBytes   = 256 << 10 // gRPC's read and write buffers
)

// header is the fixed part of a frame.
type header struct {
	Type   frameType
	Tag    Tag
	Number uint64
	Offset uint64
	Length uint32
}

func (h header) encode(b []byte) {
	_ = b[headerBytes-1]
	b[0] = byte(h.Type)
	binary.LittleEndian.PutUint16(b[1:], protocolVersion)
	binary.LittleEndian.PutUint32(b[3:], uint32(h.Tag))
	binary.LittleEndian.PutUint64(b[7:], h.Number)
	binary.LittleEndian.PutUint64(b[15:], h.Offset)
	binary.LittleEndian.PutUint32(b[23:], h.Length)
}

// decodeHeader reads the header of a frame whose payload has the given size.
func decodeHeader(b []byte, payload int) (header, error) {
	if len(b) < headerBytes {
		return header{}, fmt.Errorf("frame of %d bytes is shorter than its header", len(b))
	}
	if v := binary.LittleEndian.Uint16(b[1:]); v != protocolVersion {
		return header{}, fmt.Errorf("frame of version %d, this is version %d", v, protocolVersion)
	}
	h := header{
		Type:   frameType(b[0]),
		Tag:    Tag(binary.LittleEndian.Uint32(b[3:])),
		Number: binary.LittleEndian.Uint64(b[7:]),
		Offset: binary.LittleEndian.Uint64(b[15:]),
		Length: binary.LittleEndian.Uint32(b[23:]),
	}
	if h.Type < frameHello || h.Type > frameByeSeen {
		return header{}, fmt.Errorf("frame of unknown type %d", h.Type)
	}
	if int64(h.Length) != int64(payload) {
		return header{}, fmt.Errorf("frame of type %d announces %d bytes and has %d", h.Type, h.Length, payload)
	}
	return h, nil
}

// hello is the first frame of each side.
type hello struct {
	Job      uint64
	From, To layout.Rank
	Terms    terms
}

func (h hello) encode() []byte {
	b := make([]byte, 0, helloBytes)
	b = binary.LittleEndian.AppendUint64(b, h.Job)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.From))
	b = binary.LittleEndian.AppendUint32(b, uint32(h.To))
	b = append(b, h.Terms.Digest[:]...)
	for _, t := range []tally{h.Terms.Up, h.Terms.Down} {
		b = binary.LittleEndian.AppendUint32(b, t.Messages)
		b = binary.LittleEndian.AppendUint64(b, uint64(t.Bytes))
	}
	return b
}

func decodeHello(b []byte) (hello, error) {
	if len(b) != helloBytes {
		return hello{}, fmt.Errorf("hello of %d bytes, not %d", len(b), helloBytes)
	}
	h := hello{
		Job:  binary.LittleEndian.Uint64(b[0:]),
		From: layout.Rank(int32(binary.LittleEndian.Uint32(b[8:]))),
		To:   layout.Rank(int32(binary.LittleEndian.Uint32(b[12:]))),
	}
	copy(h.Terms.Digest[:], b[16:])
	for i, t := range []*tally{&h.Terms.Up, &h.Terms.Down} {
		t.Messages = binary.LittleEndian.Uint32(b[48+12*i:])
		t.Bytes = int64(binary.LittleEndian.Uint64(b[52+12*i:]))
	}
	return h, nil
}

// farewell is the payload of a bye; Lost < 0 means that nothing is wrong.
type farewell struct {
	Lost   layout.Rank
	Reason string
}

func (f farewell) encode() []byte {
	if f.Lost < 0 {
		return nil
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(f.Lost))
	return append(b, f.Reason[:min(len(f.Reason), reasonBytes)]...)
}

func decodeFarewell(b []byte) (farewell, error) {
	switch {
	case len(b) == 0:
		return farewell{Lost: -1}, nil
	case len(b) < 4 || len(b) > 4+reasonBytes:
		return farewell{}, fmt.Errorf("goodbye of %d bytes", len(b))
	}
	lost := int32(binary.LittleEndian.Uint32(b))
	if lost < 0 {
		return farewell{}, fmt.Errorf("goodbye names rank %d", lost)
	}
	return farewell{Lost: layout.Rank(lost), Reason: string(b[4:])}, nil
}
