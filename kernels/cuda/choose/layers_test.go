package choose

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"cleave/kernels/kernelbench"

	"github.com/google/go-cmp/cmp"
)

var updateGolden = flag.Bool("update", false, "write testdata/layers.txt")

// TestLayers holds what is chosen for the layers that scripts/bench-gpu measures, and the
// workspace that it takes.
func TestLayers(t *testing.T) {
	const file = "testdata/layers.txt"
	var b strings.Builder
	for _, l := range kernelbench.GPULayers() {
		fmt.Fprintf(&b, "%s, batch %d\n", l.Name, l.Batch)
		for _, p := range kernelbench.Passes() {
			d, out, in, err := l.Call(p)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "  %-15s %s | %d KiB\n", p, Sizer{}.Kernel(d, out, in), Sizer{}.Workspace(d, out, in)>>10)
		}
	}
	if *updateGolden {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
