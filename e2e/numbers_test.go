package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"cleave/data/datatest"

	"github.com/google/go-cmp/cmp"
)

// matrix is a set of runs whose numbers must agree with one worker's.
type matrix struct {
	net      string
	loss     float64 // relative, of every step
	first    float64 // relative, of the first step's loss
	gradient float64 // relative, of each gradient norm of the first step
	policies []string
	workers  []int
	threads  []int
	data     string
	batch    int
	steps    int
}

// TestSameNumbers trains the same net under every policy, over several numbers of workers
// and threads, at a learning rate at which rounding does not grow, and compares losses and
// gradient norms with one worker's. With -full it is the whole matrix on CIFAR-10:
//
//	go test ./e2e -run TestSameNumbers -full -timeout 60m
func TestSameNumbers(t *testing.T) {
	if testing.Short() {
		t.Skip("trains several nets")
	}
	small := []matrix{
		{"alexnet-mini", 2e-5, 1e-6, 1e-4, []string{"alexnet2012", "model", "data"}, []int{2, 3}, []int{1}, "patterns:n=200", 12, 4},
		{"resnext29-2x4d", 1e-4, 1e-6, 5e-2, []string{"model", "data"}, []int{2}, []int{2}, "patterns:n=200", 8, 3},
	}
	if *full {
		cifar := "cifar10:" + filepath.Join(datatest.Dir(t), "cifar10")
		policies := []string{"alexnet2012", "model", "data"}
		small = []matrix{
			{"alexnet-cifar", 2e-5, 1e-6, 1e-4, policies, []int{1, 2, 3, 4}, []int{1, 2}, cifar, 48, 6},
			{"resnext29-4x16d", 1e-4, 1e-6, 5e-2, policies, []int{1, 2, 3, 4}, []int{1, 2}, cifar, 48, 6},
		}
	}
	for _, m := range small {
		one := m.train(t, "model", 1, 1)
		for _, policy := range m.policies {
			for _, workers := range m.workers {
				for _, threads := range m.threads {
					t.Run(fmt.Sprintf("%s/%s/workers=%d/threads=%d", m.net, policy, workers, threads), func(t *testing.T) {
						m.compare(t, one, m.train(t, policy, workers, threads))
					})
				}
			}
		}
	}
}

func (m matrix) train(t *testing.T, policy string, workers, threads int, more ...string) []event {
	return only(train(t, append([]string{"--model", m.net, "--data", m.data, "--batch", strconv.Itoa(m.batch), "--steps", strconv.Itoa(m.steps),
		"--lr", "0.001", "--policy", policy, "--local", strconv.Itoa(workers), "--threads", strconv.Itoa(threads), "--metrics-tensors"}, more...)...), "step")
}

func (m matrix) compare(t *testing.T, want, got []event) {
	t.Helper()
	if len(got) != m.steps || len(want) != m.steps {
		t.Fatalf("%d and %d steps, want %d", len(want), len(got), m.steps)
	}
	worst, worstNorm := 0.0, 0.0
	for i := range want {
		limit := m.loss
		if i == 0 {
			limit = m.first
		}
		d := math.Abs(got[i].Loss-want[i].Loss) / math.Abs(want[i].Loss)
		worst = max(worst, d)
		if !(d <= limit) {
			t.Errorf("step %d: loss %.9g, one worker's is %.9g: relative difference %.2g > %.2g", i+1, got[i].Loss, want[i].Loss, d, limit)
		}
	}
	if len(want[0].Norms) == 0 {
		t.Fatal("no gradient norms at step 1")
	}
	for name, w := range want[0].Norms {
		g, ok := got[0].Norms[name]
		d := math.Abs(g-w) / w
		if w == 0 {
			d = math.Abs(g)
		}
		worstNorm = max(worstNorm, d)
		if !ok || !(d <= m.gradient) {
			t.Errorf("gradient of %s: norm %.9g, one worker's is %.9g", name, g, w)
		}
	}
	t.Logf("worst relative difference: loss %.2g, gradient norm %.2g", worst, worstNorm)
}

// TestRepeats trains twice with the same number of workers, policy and threads: every
// number must be the same, bit for bit.
func TestRepeats(t *testing.T) {
	if testing.Short() {
		t.Skip("trains two nets")
	}
	for _, policy := range []string{"model", "data"} {
		args := []string{"--model", "alexnet-mini", "--data", "patterns:n=200", "--batch", "12", "--steps", "5", "--lr", "0.02", "--policy", policy, "--local", "2", "--threads", "2", "--metrics-tensors"}
		first, second := only(train(t, args...), "step"), only(train(t, args...), "step")
		if d := cmp.Diff(first, second); d != "" || len(first) != 5 {
			t.Errorf("policy %s, %d steps: two runs differ:\n%s", policy, len(first), d)
		}
	}
}

// TestRealImages trains on CIFAR-10 and Fashion-MNIST to the accuracy that PyTorch gives
// the same net within a margin. It takes minutes: set CLEAVE_TEST_SLOW.
func TestRealImages(t *testing.T) {
	dir := datatest.Dir(t)
	if os.Getenv("CLEAVE_TEST_SLOW") == "" {
		t.Skip("takes minutes: set CLEAVE_TEST_SLOW=1")
	}
	for _, c := range []struct {
		name, data string
		epochs     string
		want       float64
	}{
		{"cifar10", "cifar10:" + filepath.Join(dir, "cifar10"), "3", 0.52},
		{"fashion-mnist", "idx:" + filepath.Join(dir, "fashion-mnist"), "1", 0.82},
	} {
		t.Run(c.name, func(t *testing.T) {
			evals := only(train(t, "--local", "2", "--model", "alexnet-cifar", "--data", c.data, "--batch", "64", "--lr", "0.02",
				"--schedule", "cosine", "--weight-decay", "5e-4", "--epochs", c.epochs), "eval")
			if len(evals) == 0 {
				t.Fatal("no evaluation")
			}
			last := evals[len(evals)-1]
			t.Logf("top-1 %.4f over %d images after %s epochs", last.Top1, last.Images, c.epochs)
			if last.Top1 < c.want {
				t.Errorf("top-1 %.4f, want at least %.2f", last.Top1, c.want)
			}
		})
	}
}
