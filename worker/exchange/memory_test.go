package exchange

import (
	"context"
	"testing"
)

func TestMemoryDoesNotAllocate(t *testing.T) {
	ms := NewMemory(2)
	openAll(t, []Transport{ms[0], ms[1]}, one(4096))
	src, dst := make([]byte, 4096), make([]byte, 4096)
	ctx := context.Background()
	n := testing.AllocsPerRun(100, func() {
		must(t, ms[0].Send(1, src))
		must(t, ms[1].Post(1, dst))
		must(t, ms[0].Sent(ctx, 1))
		must(t, ms[1].Wait(ctx, 1))
	})
	if n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// Both ends start a message at once: the receiver's start moves it, and the receiver has
// all it waited for and leaves before the sender's own start looks.
func TestMemorySenderMeetsRankThatLeft(t *testing.T) {
	ms := NewMemory(2)
	openAll(t, []Transport{ms[0], ms[1]}, one(8))
	ms[0].mu.Lock()
	_, err := ms[0].startLocked(1, make([]byte, 8), true)
	ms[0].mu.Unlock()
	must(t, err)
	must(t, ms[1].Post(1, make([]byte, 8)))
	must(t, ms[1].Wait(context.Background(), 1))
	must(t, ms[1].Close())
	must(t, ms[0].world.meet(1, ms[0], ms[1], ms[0]))
	must(t, ms[0].Sent(context.Background(), 1))
	must(t, ms[0].Close())
}
