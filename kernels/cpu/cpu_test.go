package cpu

import (
	"fmt"
	"testing"

	"cleave/kernels"
	"cleave/kernels/kerneltest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opener opens backends of one tier.
func opener(t *tier, threads int) func(*testing.T) kernels.Backend {
	return func(*testing.T) kernels.Backend { return newBackend(threads, t, nil) }
}

// available lists the tiers that this machine runs.
func available() []*tier {
	var ts []*tier
	for _, t := range tiers {
		if t.tiles[0].run != nil {
			ts = append(ts, t)
		}
	}
	return ts
}

func TestConformance(t *testing.T) {
	for _, tier := range available() {
		for _, threads := range []int{1, 2, 3} {
			if testing.Short() && threads != 2 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", tier.name, threads), func(t *testing.T) { kerneltest.Run(t, opener(tier, threads)) })
		}
	}
}

func TestThreadsDoNotMatter(t *testing.T) {
	for _, tier := range available() {
		for _, threads := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s/%d", tier.name, threads), func(t *testing.T) { kerneltest.Same(t, opener(tier, 1), opener(tier, threads)) })
		}
	}
}
