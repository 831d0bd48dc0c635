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
