//go:build linux

package e2e

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a worker may hold beside its arena: the Go runtime, code, the Program and gRPC's
// buffers, and three batches of pixels (one in use, one read ahead, one being made).
const (
	runtimeBytes = 64 << 20
	heldBatches  = 3
)

// TestFullSizeNet trains AlexNet on one batch of full-size images, again and again, over two
// workers: the loss must fall, the workers' arenas must be the planned ones, and their
// resident memory must stay within the plan and what a process needs besides.
func TestFullSizeNet(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a large net")
	}
	const batch, steps = 16, 8
	metrics := filepath.Join(t.TempDir(), "metrics.jsonl")
	args := []string{"--model", "alexnet", "--data", "random:224x224x3,1000,n=" + itoa(batch), "--batch", itoa(batch)}
	p := planOf(t, append(args, "--workers", "2")...)

	c := start(t, "coordinator", append([]string{"train", "--local", "2", "--threads", "1", "--steps", itoa(steps),
		"--lr", "0.0003", "--no-progress", "--metrics", metrics}, args...)...)
	resident := map[string]int64{} // of each worker, the most that was seen
	for deadline := time.Now().Add(5 * time.Minute); ; {
		for _, pid := range childrenOf(t, c.cmd.Process.Pid) {
			resident[pid] = max(resident[pid], peakResident(pid))
		}
		select {
		case <-c.ended:
		case <-time.After(100 * time.Millisecond):
			if time.Now().Before(deadline) {
				continue
			}
		}
		break
	}
	if status, _ := c.waitEnd(t, time.Second); status != 0 {
		t.Fatalf("status %d:\n%s", status, c.text())
	}

	events := only(readMetrics(t, metrics), "step")
	if len(events) != steps {
		t.Fatalf("%d steps, want %d", len(events), steps)
	}
	losses := make([]float64, steps)
	for i, e := range events {
		losses[i] = e.Loss
	}
	if first, last := losses[0], losses[steps-1]; !(last < first-1) {
		t.Errorf("the loss of a repeated batch fell from %.4f to %.4f only, in steps %v", first, last, losses)
	}
	var planned []int64
	for _, r := range p.Ranks {
		planned = append(planned, r.Peak)
	}
	if d := readDone(t, metrics); d.Reason != "finished" || !slices.Equal(d.Peaks, planned) {
		t.Errorf("the run %s with arenas of %v bytes, planned %v", d.Reason, d.Peaks, planned)
	}
	limit := slices.Max(planned) + runtimeBytes + heldBatches*batch*224*224*3
	if len(resident) != 2 {
		t.Fatalf("saw %d workers, want 2", len(resident))
	}
	for pid, bytes := range resident {
		t.Logf("worker %s held at most %d MiB, its arena has %d MiB", pid, bytes>>20, slices.Max(planned)>>20)
		if bytes > limit {
			t.Errorf("worker %s held %d bytes, more than %d", pid, bytes, limit)
		}
		if bytes < slices.Min(planned)/2 {
			t.Errorf("worker %s held %d bytes: is the arena of %v bytes not what it computes in?", pid, bytes, planned)
		}
	}
	t.Logf("losses %v", losses)
}

// peakResident returns the most memory that a process has held so far, 0 if it has ended.
func peakResident(pid string) int64 {
	f, err := os.Open("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
