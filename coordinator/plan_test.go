package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"cleave/coordinator/program"
	"cleave/layout"

	"github.com/google/go-cmp/cmp"
)

// TestPlanKeys wants the keys of docs/formats.md, no others, and one figure a rank.
func TestPlanKeys(t *testing.T) {
	args := []string{"plan", "--workers", "3", "--batch", "9", "--policy", "data", "--format", "json"}
	code, stdout, stderr := call(args...)
	if code != 0 || stderr != "" {
		t.Fatalf("status %d: %s", code, stderr)
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	keys := func(what string, x any, want ...string) {
		t.Helper()
		got := slices.Sorted(maps.Keys(x.(map[string]any)))
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	first := func(key string) map[string]any { return r[key].([]any)[0].(map[string]any) }
	keys("report", r, "model", "policy", "workers", "batch", "layers", "exchanges", "ranks", "one_worker")
	keys("layer", first("layers"), "name", "op", "home", "local_shapes", "parameters", "macs")
	keys("exchange", first("exchanges"), "at", "kind", "pass", "bytes_received_per_image", "bytes_received_per_step")
	rank := []string{"peak_bytes", "weights_bytes", "gradients_bytes", "momentum_bytes", "activations_bytes", "workspace_bytes", "exchange_bytes", "predicted_ms"}
	keys("rank", first("ranks"), rank...)
	keys("one worker", r["one_worker"], rank...)
	if n := len(r["ranks"].([]any)); n != 3 {
		t.Errorf("%d ranks", n)
	}
	for _, e := range r["exchanges"].([]any) {
		if n := len(e.(map[string]any)["bytes_received_per_step"].([]any)); n != 3 {
			t.Errorf("%d ranks receive in %v", n, e)
		}
	}
	if code, stdout, stderr = call(append(args, "-v")...); code != 0 || stderr != "" {
		t.Fatalf("with -v status %d: %s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	keys("report with -v", r, "model", "policy", "workers", "batch", "layers", "exchanges", "ranks", "one_worker", "kernels")
	keys("kernels", first("kernels"), "ranks", "calls")
	keys("call", first("kernels")["calls"].([]any)[0], "layer", "pass", "local_shape", "kernel", "workspace_bytes", "predicted_ms")
}

// TestPlanVerbose wants the kernels of the processor that CLEAVE_CPU names, once for ranks
// that run the same, and only if asked for.
func TestPlanVerbose(t *testing.T) {
	t.Setenv("CLEAVE_CPU", "generic")
	args := []string{"plan", "--workers", "3", "--batch", "7", "--policy", "data", "--threads", "2"}
	code, stdout, stderr := call(append(args, "--verbose")...)
	if code != 0 || stderr != "" {
		t.Fatalf("status %d: %s", code, stderr)
	}
	plain, kernels, _ := strings.Cut(stdout, "\nkernels of rank 0\n")
	if _, got, _ := call(args...); got != plain {
		t.Errorf("without --verbose, and what comes before the kernels (-without +with):\n%s", cmp.Diff(got, plain))
	}
	one, two, _ := strings.Cut(kernels, "\nkernels of ranks 1, 2\n")
	for i, part := range []string{one, two} {
		var got []string
		for line := range strings.Lines(part) {
			if f := strings.Fields(line); len(f) > 5 && strings.HasPrefix(f[0], "conv") {
				got = append(got, strings.Join(f[:strings.Count(line, "gradient")+5], " "))
			}
		}
		batch := 3 - i
		want := []string{}
		for _, c := range []string{
			"conv1 forward 2x16x16x16 generic tile", "conv2 forward 2x32x8x8 generic tile", "conv3 forward 2x48x4x4 generic tile",
		} {
			want = append(want, strings.Replace(c, " 2x", fmt.Sprintf(" %dx", batch), 1))
		}
		if len(got) != 14 || !slices.Equal(got[:3], want) {
			t.Errorf("part %d has %d convolutions: %q", i, len(got), got)
		}
		for _, want := range []string{"filter gradient", "data gradient", "predicted ms", "KiB", "fc7 ", "generic dot 2x2 |"} {
			if !strings.Contains(part, want) {
				t.Errorf("%q is missing in:\n%s", want, part)
			}
		}
	}
	t.Setenv("CLEAVE_CPU", "none")
	if code, _, stderr := call(append(args, "-v")...); code != statusFailed || !strings.Contains(stderr, "CLEAVE_CPU=none") {
		t.Errorf("status %d for a processor that there is not: %s", code, stderr)
	}
}

func TestRanks(t *testing.T) {
	for want, list := range map[string][]int{
		"rank 3": {3}, "ranks 0, 1": {0, 1}, "ranks 0 to 2": {0, 1, 2}, "ranks 0, 2 to 5, 7, 8": {0, 2, 3, 4, 5, 7, 8},
	} {
		if got := ranks(list); got != want {
			t.Errorf("%v: %q, want %q", list, got, want)
		}
	}
}

func TestPlanFollowsFlags(t *testing.T) {
	read := func(args ...string) (r program.Report) {
		t.Helper()
		code, stdout, stderr := call(append([]string{"plan", "--format", "json"}, args...)...)
		if code != 0 {
			t.Fatalf("status %d: %s", code, stderr)
		}
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	output := func(r program.Report, layer string) layout.Shape {
		t.Helper()
		for _, l := range r.Layers {
			if l.Name == layer {
				return l.LocalShapes[0]
			}
		}
		t.Fatalf("no layer %s in %+v", layer, r.Layers)
		return layout.Shape{}
	}
	alone := read("--workers", "1", "--batch", "4", "--classes", "6", "--size", "48")
	if s := output(alone, "fc7"); s != (layout.Shape{4, 6, 1, 1}) {
		t.Errorf("logits %v", s)
	}
	if s := output(alone, "normalize"); s != (layout.Shape{4, 3, 48, 48}) {
		t.Errorf("images %v", s)
	}
	if alone.Ranks[0] != alone.OneWorker || len(alone.Exchanges) != 0 {
		t.Error("one worker is not one worker")
	}
	for _, e := range read("--workers", "2", "--batch", "8", "--policy", "data").Exchanges {
		if e.PerImage != nil {
			t.Errorf("policy data exchanges gradients and sums, but %v bytes an image at %s", e.PerImage, e.At)
		}
	}
	if s := output(read("--workers", "1", "--batch", "4", "--data", "random:40x36x1,7"), "normalize"); s != (layout.Shape{4, 1, 40, 36}) {
		t.Errorf("images of the data %v", s)
	}
}

func TestPlanTable(t *testing.T) {
	var out bytes.Buffer
	err := writePlan(&out, program.Report{
		Model: "net", Policy: "model", Workers: 2, Batch: 4,
		Layers: []program.LayerReport{
			{Name: "conv1", Op: "conv", Home: "channels 0:2|2:3", LocalShapes: []layout.Shape{{4, 2, 8, 8}, {4, 1, 8, 8}}, Parameters: 1234, MACs: 5_600_000},
			{Name: "loss", Op: "loss", Home: "replicated", LocalShapes: []layout.Shape{{1, 1, 1, 1}, {1, 1, 1, 1}}},
		},
		Exchanges: []program.ExchangeReport{
			{At: "fc6", Kind: "all-gather", Pass: "forward", PerImage: []float64{18432, 512}, PerStep: []int64{73728, 2048}},
			{At: "conv1", Kind: "reduce", Pass: "backward", PerStep: []int64{0, 80}},
		},
		Ranks:     []program.RankReport{{Peak: 3 << 30, PredictedMS: 1.25}, {Peak: 1 << 20, Weights: 1023}},
		OneWorker: program.RankReport{Peak: 5 << 30},
		Kernels: []program.KernelReport{{Ranks: []int{0, 1}, Calls: []program.CallReport{
			{Layer: "conv1", Pass: "forward", LocalShape: layout.Shape{4, 2, 8, 8}, Kernel: "tile 6x16 ×2 | jobs 4", Workspace: 2048, PredictedMS: 0.128},
			{Layer: "conv1", Pass: "filter gradient", LocalShape: layout.Shape{2, 3, 3, 3}, Kernel: "outer 4x24", PredictedMS: 12},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `net, batch 4, 2 workers, policy model

layer  op    home              local shape        parameters  multiply-adds
conv1  conv  channels 0:2|2:3  4x2x8x8 | 4x1x8x8        1234          5.6 M
loss   loss  replicated        1x1x1x1                     0              0
all                                                     1234          5.6 M

exchange at  kind        pass      received an image     received a step
fc6          all-gather  forward    18.0 KiB | 512 B  72.0 KiB | 2.0 KiB
conv1        reduce      backward                  -          0 B | 80 B
all                                 18.0 KiB | 512 B  72.0 KiB | 2.1 KiB

worker        peak  weights  momentum  gradients  activations  workspace  exchange  predicted ms
rank 0     3.0 GiB      0 B       0 B        0 B          0 B        0 B       0 B           1.2
rank 1     1.0 MiB   1023 B       0 B        0 B          0 B        0 B       0 B           0.0
one alone  5.0 GiB      0 B       0 B        0 B          0 B        0 B       0 B           0.0

kernels of ranks 0, 1

layer  pass             local shape  kernel                 workspace  predicted ms
conv1  forward          4x2x8x8      tile 6x16 ×2 | jobs 4    2.0 KiB          0.13
conv1  filter gradient  2x3x3x3      outer 4x24                   0 B         12.00
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if err := writePlan(broken{}, program.Report{}); err == nil {
		t.Error("a broken output is not noticed")
	}
}

// TestPlanTableOfMany wants lines of a width that a terminal has for many workers too.
func TestPlanTableOfMany(t *testing.T) {
	for _, policy := range []string{"alexnet2012", "data"} {
		code, stdout, stderr := call("plan", "--workers", "16", "--policy", policy)
		if code != 0 {
			t.Fatal(stderr)
		}
		for line := range strings.Lines(stdout) {
			if n := utf8.RuneCountInString(line); n > 130 {
				t.Errorf("policy %s: a line of %d characters: %s", policy, n, line)
			}
		}
	}
	for _, want := range []string{"batch 0:4|4:8|…|60:64", "0 B to "} {
		if _, stdout, _ := call("plan", "--batch", "64", "--workers", "16", "--policy", "data"); !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in:\n%s", want, stdout)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }
