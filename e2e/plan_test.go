package e2e

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// planned is what `coordinator plan --format json` prints.
type planned struct {
	Model     string `json:"model"`
	Exchanges []struct {
		At       string    `json:"at"`
		Kind     string    `json:"kind"`
		Pass     string    `json:"pass"`
		PerImage []float64 `json:"bytes_received_per_image"`
		PerStep  []int64   `json:"bytes_received_per_step"`
	} `json:"exchanges"`
	Ranks     []plannedRank `json:"ranks"`
	OneWorker plannedRank   `json:"one_worker"`
}

type plannedRank struct {
	Peak int64 `json:"peak_bytes"`
}

func planOf(t *testing.T, args ...string) planned {
	t.Helper()
	r := coordinator(t, append([]string{"plan", "--format", "json"}, args...)...)
	if r.status != 0 {
		t.Fatalf("plan %v: status %d: %s", args, r.status, r.stderr)
	}
	var p planned
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPaperExchanges checks the split of Krizhevsky et al. 2012, figure 2: going forward,
// the two GPUs exchange the inputs of conv3 and of the three fully connected layers, and
// nothing else but what the loss needs: 118.5 KiB an image.
func TestPaperExchanges(t *testing.T) {
	p := planOf(t, "--model", "alexnet", "--workers", "2", "--batch", "128", "--policy", "alexnet2012")
	want := map[string]float64{"conv3": 86528, "fc6": 18432, "fc7": 8192, "fc8": 8192}
	total := 0.0
	seen := map[string]int{}
	for _, e := range p.Exchanges {
		if e.Pass != "forward" {
			continue
		}
		seen[e.At]++
		for r, b := range e.PerImage {
			if e.At == "loss" {
				if b > 32 {
					t.Errorf("the loss exchanges %g bytes an image", b)
				}
				continue
			}
			if b != want[e.At] {
				t.Errorf("%s: rank %d receives %g bytes an image, want %g", e.At, r, b, want[e.At])
			}
			if r == 0 {
				total += b
			}
		}
	}
	for at, n := range seen {
		if n != 1 || want[at] == 0 && at != "loss" {
			t.Errorf("%d forward exchanges at %s", n, at)
		}
	}
	if len(seen) != 5 || total != 121344 {
		t.Errorf("forward exchanges at %v, %g bytes an image, want 118.5 KiB", seen, total)
	}
}

// TestCountedBytesEqualPlanned compares the bytes that a run's workers received with the
// plan's, to the byte.
func TestCountedBytesEqualPlanned(t *testing.T) {
	if testing.Short() {
		t.Skip("trains several nets")
	}
	for _, c := range []struct {
		net, policy string
		workers     int
	}{{"alexnet-mini", "alexnet2012", 2}, {"alexnet-mini", "data", 3}, {"resnext29-2x4d", "model", 3}} {
		args := []string{"--model", c.net, "--batch", "12", "--policy", c.policy}
		p := planOf(t, append(args, "--workers", itoa(c.workers), "--data", "patterns:n=100")...)
		want := int64(0)
		for _, e := range p.Exchanges {
			for _, b := range e.PerStep {
				want += b
			}
		}
		steps := only(train(t, append(args, "--local", itoa(c.workers), "--steps", "3", "--data", "patterns:n=100", "--threads", "1")...), "step")
		for _, e := range steps {
			if e.Bytes != want || want == 0 {
				t.Errorf("%s, %s, %d workers, step %d: received %d bytes, planned %d", c.net, c.policy, c.workers, e.Step, e.Bytes, want)
			}
		}
	}
}

// TestMemoryLimit trains a batch with two workers that one worker refuses, for lack of
// memory, with a line that says how much is missing.
func TestMemoryLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a net")
	}
	args := []string{"--model", "alexnet-cifar", "--batch", "64", "--data", "random:32x32x3,10"}
	one := planOf(t, append(args, "--workers", "1")...).OneWorker.Peak
	limit := itoa(int(math.Floor(0.6*float64(one)))) + "B"
	args = append(args, "--steps", "2", "--memory-limit", limit)
	if events := only(train(t, append(args, "--local", "2")...), "step"); len(events) != 2 {
		t.Errorf("%d steps with two workers", len(events))
	}
	r := coordinator(t, append([]string{"train", "--no-progress", "--local", "1"}, args...)...)
	if r.status == 0 || !regexp.MustCompile(`[0-9.]+ [MKG]i?B (are )?missing`).MatchString(r.stderr) {
		t.Errorf("one worker: status %d, want a refusal that says how much memory is missing:\n%s", r.status, r.stderr)
	}
}
