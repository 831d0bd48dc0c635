package cpu

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cleave/kernels"
	"cleave/kernels/kernelbench"
	"cleave/layout"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// eachCall runs f on the passes of all of kernelbench's layers.
func eachCall(t *testing.T, f func(name string, d kernels.Desc, out layout.Shape, in []layout.Shape)) {
	t.Helper()
	for _, l := range append(kernelbench.Layers(), kernelbench.Others()...) {
		for _, p := range kernelbench.Passes() {
			d, out, in, err := l.Call(p)
			if err != nil {
				t.Fatal(err)
			}
			f(l.Name+" "+string(p), d, out, in)
		}
	}
}

// TestChoice compares what runs each layer on each tier with what it was when somebody
// last read it.
func TestChoice(t *testing.T) {
	var got strings.Builder
	eachCall(t, func(name string, d kernels.Desc, out layout.Shape, in []layout.Shape) {
		fmt.Fprintln(&got, name)
		for _, tier := range tiers {
			for threads := 1; threads <= 2; threads++ {
				fmt.Fprintf(&got, "  %-7s %d  %s\n", tier.name, threads, describe(d, out, in, tier, threads))
			}
		}
	})
	path := filepath.Join("testdata", "choice.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// A choice follows from its arguments alone: not from the tier of this machine's backends,
// nor from whether the machine has the instructions of the tier that is asked for.
func TestChoiceIsPure(t *testing.T) {
	for _, asked := range []string{"", "generic", "none"} {
		t.Setenv("CLEAVE_CPU", asked)
		eachCall(t, func(name string, d kernels.Desc, out layout.Shape, in []layout.Shape) {
			for _, tier := range tiers {
				bare := *tier
				bare.name = tier.name + "-without-instructions"
				bare.tiles, bare.lanesTile.run = append([]tile(nil), tier.tiles...), nil
				for i := range bare.tiles {
					bare.tiles[i].run = nil
				}
				want := describe(d, out, in, tier, 2)
				for _, like := range append(tiers[:0:0], tier, inGo(tier), &bare) {
					if got := describe(d, out, in, like, 2); got != want {
						t.Errorf("%s, %s: %q, want %q", name, like.name, got, want)
					}
				}
			}
		})
	}
}

// What Bind runs is what describe says, for whole buffers and for channels of larger ones.
func TestChoiceOfBind(t *testing.T) {
	for _, extra := range []int{0, 5} {
		eachCall(t, func(name string, d kernels.Desc, out layout.Shape, in []layout.Shape) {
			g, ok := convGeometry(d, out, in)
			if !ok {
				t.Fatalf("%s: shapes do not fit together", name)
			}
			part := func(s layout.Shape) view {
				buffer := s
				buffer[1] += extra
				st, err := strides(kernels.NHWC, buffer)
				if err != nil {
					t.Fatal(err)
				}
				return view{n: s, st: st}
			}
			xs, _, ys := convShapes(d, out, in)
			x, y := part(xs), part(ys)
			b := &Backend{Sizer: Sizer{Threads: 2}, tier: &avx2}
			c, _, _ := (&call{b: b, d: d}).choose(&g, &x, &y)
			if want := describe(d, out, in, &avx2, 2); c.String() != want {
				t.Errorf("%s: Bind takes %q, want %q", name, c.String(), want)
			}
		})
	}
}

// A thread's panel fits in the second-level cache that a choice is made for, and smaller
// caches change choices.
func TestChoiceFollowsCaches(t *testing.T) {
	differ := 0
	eachCall(t, func(name string, d kernels.Desc, out layout.Shape, in []layout.Shape) {
		g, _ := convGeometry(d, out, in)
		for _, tier := range tiers {
			var lines []string
			for _, share := range []int{1, 4} {
				small := *tier
				small.caches = caches{first: tier.caches.first / share, second: tier.caches.second / share}
				c := g.choose(d.Code, &small, 2)
				panel := c.blocking.panel()
				if c.filterGrad != nil {
					x, dy, _ := c.filterGrad.scratch()
					panel = x + dy
					if share == 1 { // there are two; in tiny caches one may be all that fits
						panel *= 2
					}
				}
				if c.narrowGrad != nil {
					x, dy := c.narrowGrad.scratch()
					panel = x + dy
				}
				if c.linear == nil && c.linearGrad == nil && 4*panel > small.caches.second {
					t.Errorf("%s, %s: a panel of %d bytes for %+v", name, tier.name, 4*panel, small.caches)
				}
				lines = append(lines, c.String())
			}
			if lines[0] != lines[1] {
				differ++
			}
		}
	})
	if differ == 0 {
		t.Error("no choice depends on the caches")
	}
}

func TestKernel(t *testing.T) {
	l, _ := kernelbench.Find("alexnet-conv3")
	d, out, in, err := l.Call(kernelbench.Forward)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("CLEAVE_CPU", "generic")
	if got := (Sizer{}).Kernel(d, out, in); !strings.HasPrefix(got, "generic tile 2x4 ×") {
		t.Errorf("%q", got)
	}
	if got := (Sizer{}).Kernel(d, out, in[:1]); got != "generic conv_forward" {
		t.Errorf("%q for a call without filters", got)
	}
	if got := (Sizer{}).Kernel(kernels.Desc{Code: kernels.ReLU}, out, in[:1]); got != "generic relu" {
		t.Errorf("%q for ReLU", got)
	}
	t.Setenv("CLEAVE_CPU", "none")
	if got := (Sizer{}).Kernel(d, out, in); !strings.Contains(got, "CLEAVE_CPU=none") {
		t.Errorf("%q for a tier that there is not", got)
	}
}
