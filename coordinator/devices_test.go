package main

import (
	"slices"
	"strings"
	"testing"

	"cleave/coordinator/job"
)

func TestDeviceList(t *testing.T) {
	for _, c := range []struct {
		list string
		n    int
		want []string
		err  string
	}{
		{"cpu", 2, []string{"cpu", "cpu"}, ""},
		{"cuda", 3, []string{"cuda:0", "cuda:1", "cuda:2"}, ""},
		{"cuda", 1, []string{"cuda:0"}, ""},
		{"cuda:1", 2, []string{"cuda:1", "cuda:1"}, ""},
		{"cpu,cuda:0", 2, []string{"cpu", "cuda:0"}, ""},
		{"cpu,cuda:0", 3, nil, "2 devices for 3 workers"},
		{"cuda:", 1, nil, `unknown device "cuda:"`},
		{"cpu:1", 1, nil, `unknown device "cpu:1"`},
		{"", 1, nil, `unknown device ""`},
	} {
		got, err := deviceList(c.list, c.n)
		if c.err == "" && (err != nil || !slices.Equal(got, c.want)) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q for %d: got %v, %v", c.list, c.n, got, err)
		}
	}
}

func TestSharing(t *testing.T) {
	lines := sharing([]job.Worker{
		{Name: "a", Address: "10.0.0.1:7", Device: "cuda"}, {Name: "b", Address: "10.0.0.2:7", Device: "cuda:0"},
		{Name: "c", Address: "10.0.0.1:8", Device: "cuda:0"}, {Name: "d", Address: "10.0.0.1:9", Device: "cuda:1"},
		{Name: "e", Address: "10.0.0.1:10", Device: "cpu"}, {Name: "f", Address: "10.0.0.1:11", Device: "cpu"},
	})
	want := []string{"warning: a, c share GPU 0 of 10.0.0.1: each gets a part of its time and memory"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}
