package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// Parameters and multiply-adds of the papers: Ioannou et al. 2017, table of NIN on CIFAR-10
// (9.67, 4.55 and 2.45 ·10⁵; 2.22, 1.23 and 0.93 ·10⁸); Zhang et al. 2018, table 2 (137 M);
// AlexNet and ResNeXt as in package catalog.
func TestNets(t *testing.T) {
	want := map[string][2]float64{
		"alexnet": {60965224, 724.4e6}, "resnext50-32x4d": {25028904, 4.23e9}, "resnext29-8x64d": {34426698, 5.39e9},
		"nin-1g": {9.67e5, 2.22e8}, "nin-4g": {4.55e5, 1.23e8}, "nin-16g": {2.45e5, 0.93e8}, "shufflenet-3g": {1.87e6, 137e6},
	}
	for _, s := range steps() {
		n, err := s.build(true)
		if err != nil {
			t.Fatal(err)
		}
		w, ok := want[s.name]
		if got := [2]float64{float64(n.Parameters()), float64(n.MACs())}; ok && (!near(got[0], w[0]) || !near(got[1], w[1])) {
			t.Errorf("%s has %v parameters and multiply-adds, want %v", s.name, got, w)
		}
	}
}

func near(a, b float64) bool { return max(a/b, b/a) < 1.01 }

// One line is answered by one line; a fault is told and the next request goes on.
func TestServe(t *testing.T) {
	requests := []string{"run 0", "layer depthwise-14x14-512 forward", "run 0", "layer none forward", "run 0", "layer depthwise-14x14-512 sideways", "step none", "run x", "dance", "", "list"}
	var out strings.Builder
	d, err := newDevice("cpu", 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := serve(strings.NewReader(strings.Join(requests, "\n")), &out, d); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(requests) {
		t.Fatalf("%d answers to %d requests", len(lines), len(requests))
	}
	fails := []bool{true, false, false, true, true, true, true, true, true, true, false}
	for i, line := range lines {
		var a struct {
			Error   string
			Seconds float64
			Runs    int
			Layers  []layerInfo
			Steps   []stepInfo
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		if (a.Error != "") != fails[i] {
			t.Errorf("%q is answered by %s", requests[i], line)
		}
		if i == 2 && !(a.Seconds > 0 && a.Runs == 1) {
			t.Errorf("a run took %v s, %d runs", a.Seconds, a.Runs)
		}
		if i == 10 && (len(a.Layers) < 20 || len(a.Steps) < 9) {
			t.Errorf("%d layers and %d steps", len(a.Layers), len(a.Steps))
		}
	}
	if _, err := newDevice("cpu", 0); err == nil {
		t.Error("no threads are accepted")
	}
}

// A training step runs through planner, Program and engine, and may be repeated.
func TestStep(t *testing.T) {
	tiny := trainee{name: "nin", batch: 2, size: 8, classes: 10, construct: steps()[6].construct}
	d, err := newDevice("cpu", 2)
	if err != nil {
		t.Fatal(err)
	}
	s, err := tiny.open(d)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if took, err := s.run(); err != nil || took <= 0 {
			t.Errorf("a step took %v: %v", took, err)
		}
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// The loops do work that can be measured, also where there is no assembly.
func TestPeaks(t *testing.T) {
	one := measurePeaks(1)
	if !(one.FLOPs > 1e8 && one.Bytes > 1e7) {
		t.Errorf("peaks %+v", one)
	}
	multiplyAddGo(10)
	readGo(make([]byte, 64))
}
