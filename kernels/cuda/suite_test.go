//go:build gpu

package cuda

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"cleave/kernels"
	"cleave/kernels/cuda/choose"
	"cleave/kernels/kerneltest"
)

// needGPU skips a test where there is no GPU, real or emulated; with CLEAVE_TEST_GPU set it
// fails instead.
func needGPU(t *testing.T) {
	t.Helper()
	if _, err := devices(); err != nil {
		if os.Getenv("CLEAVE_TEST_GPU") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// launched is what the tests of this process have bound, which the suite then launches.
var launched struct {
	sync.Mutex
	kernels map[string]bool
}

// watched is a backend that notes its kernels.
type watched struct{ *Backend }

func (w watched) Close() error {
	launched.Lock()
	defer launched.Unlock()
	if launched.kernels == nil {
		launched.kernels = map[string]bool{}
	}
	for name := range w.functions {
		launched.kernels[name] = true
	}
	return w.Backend.Close()
}

func open(t *testing.T) kernels.Backend {
	t.Helper()
	b, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	return watched{b.(*Backend)}
}

func TestConformance(t *testing.T) {
	needGPU(t)
	kerneltest.Run(t, open)
}

// variant is a backend that runs convolutions in one of the ways there are, best first, and
// leaves them out if there are fewer.
type variant struct {
	watched
	index int
}

func (v variant) Bind(d kernels.Desc, out kernels.Operand, in []kernels.Operand, workspace kernels.Region) (kernels.Launch, error) {
	all, err := choose.Variants(d, out, in, workspace)
	if err != nil {
		return nil, err
	}
	if len(all) > mostVariants {
		return nil, fmt.Errorf("%d ways to run %s, the test tries %d", len(all), d.Code, mostVariants)
	}
	if v.index >= len(all) {
		return nil, kerneltest.ErrLeftOut
	}
	return v.bind(all[v.index].Launches, d.Code.String)
}

// mostVariants is how many ways there are of any call.
const mostVariants = 11

func TestEveryVariant(t *testing.T) {
	needGPU(t)
	if testing.Short() {
		t.Skip("slow")
	}
	for i := range mostVariants {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			kerneltest.Run(t, func(t *testing.T) kernels.Backend { return variant{open(t).(watched), i} },
				kernels.ConvForward, kernels.ConvDataGrad, kernels.ConvFilterGrad)
		})
	}
}

// Every kernel that is compiled is launched by the tests before this one.
func TestEveryKernelIsLaunched(t *testing.T) {
	needGPU(t)
	if testing.Short() {
		t.Skip("the suite is not whole")
	}
	launched.Lock()
	defer launched.Unlock()
	if len(launched.kernels) == 0 {
		t.Skip("the suite did not run")
	}
	var missing []string
	for name := range choose.Kernels {
		if !launched.kernels[name] {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("never launched: %v", missing)
	}
}
