package e2e

import (
	"os"
	"strings"
	"testing"
)

// needGPUs skips a test unless CLEAVE_TEST_BIN holds a worker that sees so many GPUs, real
// or emulated; with CLEAVE_TEST_GPU set it fails instead.
func needGPUs(t *testing.T, n int) {
	t.Helper()
	r := run(t, "worker", "devices")
	if strings.Count(r.stdout, "\ncuda:") < n || strings.Contains(r.stdout, "cuda: none") {
		if os.Getenv("CLEAVE_TEST_GPU") != "" {
			t.Fatalf("too few GPUs: %s%s", r.stdout, r.stderr)
		}
		t.Skipf("too few GPUs, or CLEAVE_TEST_BIN does not name binaries for them: %s", r.stdout)
	}
}

// TestGPUsGiveTheSameNumbers trains on two GPUs, and on a processor with a GPU, and compares
// losses and gradient norms with two processors'.
func TestGPUsGiveTheSameNumbers(t *testing.T) {
	if testing.Short() {
		t.Skip("trains several nets")
	}
	needGPUs(t, 2)
	for _, m := range []matrix{
		{"alexnet-mini", 2e-5, 1e-6, 1e-4, []string{"alexnet2012"}, nil, nil, "patterns:n=200", 12, 6},
		{"resnext29-2x4d", 1e-4, 1e-6, 5e-2, []string{"model", "data"}, nil, nil, "patterns:n=200,size=16", 4, 6},
	} {
		for _, policy := range m.policies {
			want := m.train(t, policy, 2, 1)
			for _, devices := range []string{"cuda", "cpu,cuda:0", "cuda:1,cuda:1"} {
				t.Run(m.net+"/"+policy+"/"+devices, func(t *testing.T) {
					m.compare(t, want, m.train(t, policy, 2, 1, "--device", devices))
				})
			}
		}
	}
}
