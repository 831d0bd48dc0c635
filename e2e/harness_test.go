// Package e2e tests cleave as its users run it: the built binaries, over real processes
// and sockets.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var full = flag.Bool("full", false, "run the whole matrix of nets, policies, workers and threads")

// bin is the folder of the built binaries; built makes them when first asked.
var (
	bin   string
	build sync.Once
)

func TestMain(m *testing.M) {
	flag.Parse()
	status := m.Run()
	os.RemoveAll(bin)
	os.Exit(status)
}

// built returns the path of a command, coordinator or worker: in the folder CLEAVE_TEST_BIN
// if that is set, such as binaries for GPUs.
func built(t *testing.T, name string) string {
	t.Helper()
	if dir := os.Getenv("CLEAVE_TEST_BIN"); dir != "" {
		return filepath.Join(dir, name)
	}
	build.Do(func() {
		dir, err := os.MkdirTemp("", "cleave-e2e-")
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "cleave/coordinator", "cleave/worker").CombinedOutput()
		if err != nil {
			t.Fatalf("build the binaries: %v\n%s", err, out)
		}
		bin = dir
	})
	if bin == "" {
		t.Fatal("the binaries could not be built")
	}
	return filepath.Join(bin, name)
}

// result is what a finished command left.
type result struct {
	status         int
	stdout, stderr string
	took           time.Duration
}

// coordinator runs the coordinator to its end.
func coordinator(t *testing.T, args ...string) result {
	t.Helper()
	return run(t, "coordinator", args...)
}

func run(t *testing.T, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, built(t, name), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(began)}
}

// event is a line of a metrics file.
type event struct {
	Event    string             `json:"event"`
	Step     int                `json:"step"`
	Epoch    int                `json:"epoch"`
	Loss     float64            `json:"loss"`
	Top1     float64            `json:"top1"`
	Top5     float64            `json:"top5"`
	Images   int                `json:"images"`
	GradNorm float64            `json:"grad_norm"`
	Bytes    int64              `json:"exchange_bytes"`
	Norms    map[string]float64 `json:"gradient_norms"`
}

// train runs a training to its end, which must be good, and returns its metrics.
func train(t *testing.T, args ...string) []event {
	t.Helper()
	metrics := filepath.Join(t.TempDir(), "metrics.jsonl")
	all := append([]string{"train", "--no-progress", "--metrics", metrics}, args...)
	if r := coordinator(t, all...); r.status != 0 {
		t.Fatalf("coordinator %s: status %d\n%s%s", strings.Join(all, " "), r.status, r.stdout, r.stderr)
	}
	return readMetrics(t, metrics)
}

func readMetrics(t *testing.T, path string) []event {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var events []event
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v in %q", path, err, lines.Text())
		}
		events = append(events, e)
	}
	return events
}

// only returns the events of one kind.
func only(events []event, kind string) []event {
	var some []event
	for _, e := range events {
		if e.Event == kind {
			some = append(some, e)
		}
	}
	return some
}

// done is the last line of a metrics file.
type done struct {
	Event  string  `json:"event"`
	Reason string  `json:"reason"`
	Bytes  int64   `json:"exchange_bytes"`
	Peaks  []int64 `json:"peak_bytes"`
}

func readDone(t *testing.T, path string) done {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	var d done
	if err := json.Unmarshal(lines[len(lines)-1], &d); err != nil || d.Event != "done" {
		t.Fatalf("%s ends with %q, want the event done", path, lines[len(lines)-1])
	}
	return d
}
