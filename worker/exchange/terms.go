package exchange

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"cleave/layout"
)

// terms sums up the messages between two ranks as one of them declares them. Both compute
// the same value if and only if they mean the same messages.
type terms struct {
	Digest   [sha256.Size]byte // over tag, direction and size of all messages, by tag
	Up, Down tally             // from the lower rank to the higher, and back
}

// tally counts messages and their bytes.
type tally struct {
	Messages uint32
	Bytes    int64
}

// termsOf returns what rank self declares about its messages with a peer.
func termsOf(slots []slot, self, peer layout.Rank) terms {
	var own []Slot
	for i := range slots {
		if slots[i].Peer == peer {
			own = append(own, slots[i].Slot)
		}
	}
	slices.SortFunc(own, func(a, b Slot) int { return int(int64(a.Tag) - int64(b.Tag)) })
	var t terms
	h := sha256.New()
	for _, s := range own {
		var rec [13]byte
		binary.LittleEndian.PutUint32(rec[0:], uint32(s.Tag))
		binary.LittleEndian.PutUint64(rec[4:], uint64(s.Bytes))
		to := &t.Down
		if s.Send == (self < peer) {
			to = &t.Up
			rec[12] = 1
		}
		to.Messages++
		to.Bytes += s.Bytes
		h.Write(rec[:])
	}
	h.Sum(t.Digest[:0])
	return t
}

func (t terms) String() string {
	return fmt.Sprintf("%d messages of %d bytes up, %d of %d bytes down (digest %x)",
		t.Up.Messages, t.Up.Bytes, t.Down.Messages, t.Down.Bytes, t.Digest[:4])
}

// disagree is the error of two ranks that declare different messages between them.
func disagree(a layout.Rank, ta terms, b layout.Rank, tb terms) error {
	if b < a {
		a, ta, b, tb = b, tb, a, ta
	}
	return fmt.Errorf("ranks %d and %d declare different messages: rank %d has %v, rank %d has %v", a, b, a, ta, b, tb)
}
