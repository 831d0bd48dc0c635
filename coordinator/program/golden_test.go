package program_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"cleave/coordinator/program"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden compares the text and the report of small bundles with what they were when
// somebody last read them.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		net, policy string
		ranks       int
	}{{"alex", "alexnet2012", 2}, {"shuffled", "model", 2}, {"residual", "data", 2}} {
		name := fmt.Sprintf("%s-%s-%d", c.net, c.policy, c.ranks)
		t.Run(name, func(t *testing.T) {
			f := load(t, c.net)
			b := build(t, planned(t, f.train, c.policy, c.ranks), planned(t, f.eval, c.policy, c.ranks), program.Options{Seed: 5})
			golden(t, name+".txt", []byte(b.Text()))
			one := build(t, planned(t, f.train, c.policy, 1), nil, program.Options{Seed: 5})
			var report bytes.Buffer
			e := json.NewEncoder(&report)
			e.SetIndent("", " ")
			if err := e.Encode(b.Report(one)); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", report.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}
