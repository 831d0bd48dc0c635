package job

import "testing"

func TestCheckMemory(t *testing.T) {
	const gib = 1 << 30
	limited := func(limits ...int64) []Worker {
		var ws []Worker
		for i, l := range limits {
			ws = append(ws, Worker{Name: string(rune('a' + i)), MemoryLimit: l})
		}
		return ws
	}
	for _, c := range []struct {
		workers []Worker
		needs   []int64
		want    string
	}{
		{limited(0, 0), []int64{9 * gib, 9 * gib}, ""},
		{limited(gib, 2*gib), []int64{gib, 2 * gib}, ""},
		{limited(2*gib, 0), []int64{3*gib + gib/8, gib}, "a: batch 256 needs 3.1 GiB, its limit is 2.0 GiB: 1.1 GiB missing; use more workers, a smaller --batch or a larger --memory-limit"},
		{limited(gib, gib), []int64{gib + 1<<20, gib + 3<<20}, "b: batch 256 needs 1.0 GiB, its limit is 1.0 GiB: 3.0 MiB missing (others lack memory too: 1); use more workers, a smaller --batch or a larger --memory-limit"},
	} {
		got := ""
		if err := checkMemory(256, c.workers, c.needs); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v of %v: %q, want %q", c.needs, c.workers, got, c.want)
		}
	}
}
