package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// failing finds the kernel whose launch the emulated driver makes fail.
var failing = regexp.MustCompile(`cuemu: launch \d+, of (\w+), fails`)

// What can go wrong with a GPU is one line that names it, on the emulated driver: it fails as
// CLEAVE_EMU_ variables say.
func TestGPUFailures(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes")
	}
	if os.Getenv("CLEAVE_EMU_DEVICES") == "" {
		t.Skip("there is no emulated driver: see scripts/test-gpu-emulated")
	}
	needGPUs(t, 2)
	for _, c := range []struct {
		name, variable, value, device string
		want                          string // a regular expression of a line
	}{
		{"no driver", "LD_LIBRARY_PATH", "", "cuda:0", `open device cuda:0: no CUDA driver: libcuda.so.1: cannot open shared object file`},
		{"no GPU", "CLEAVE_EMU_DEVICES", "0", "cuda:0", `open device cuda:0: the CUDA driver does not start: cuInit: error 100: no CUDA-capable device is detected$`},
		{"driver too old", "CLEAVE_EMU_DRIVER", "11080", "cuda:0", `open device cuda:0: the driver is too old: it supports CUDA 11.8, needs 12.1 at least \(driver 530 or newer\)`},
		{"GPU too old", "CLEAVE_EMU_CAPABILITY", "50", "cuda:0", `GPU 0 \(emulated GPU\) has compute capability 5.0, needs 6.0 at least`},
		{"no such GPU", "", "", "cuda:7", `open device cuda:7: there is no GPU 7: the driver knows 2, from 0 on \(see worker devices\)`},
		{"device lost", "CLEAVE_EMU_FAIL", "lost:900", "cuda", "CUDA_ERROR_UNKNOWN in "},
		{"kernel fails", "CLEAVE_EMU_FAIL", "launch:400", "cuda", "CUDA_ERROR_LAUNCH_FAILED in "},
		{"illegal address", "CLEAVE_EMU_FAIL", "address:400", "cuda", "CUDA_ERROR_ILLEGAL_ADDRESS in "},
		{"out of memory", "CLEAVE_EMU_FAIL", "alloc:1", "cuda", `CUDA_ERROR_OUT_OF_MEMORY: the plan takes 1\.\d MiB, free on GPU \d are 8.0 GiB$`},
		{"little memory", "CLEAVE_EMU_MEMORY", "1048576", "cuda", `the program takes 1\.\d MiB, \d+ KiB more than the device's memory of 1.0 MiB$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.variable != "" {
				t.Setenv(c.variable, c.value)
			}
			r := coordinator(t, "train", "--no-progress", "--steps", "6", "--batch", "12", "--data", "patterns:n=200", "--device", c.device)
			if r.status == 0 {
				t.Fatalf("it ended well:\n%s%s", r.stdout, r.stderr)
			}
			lines, want := strings.Split(strings.TrimSpace(r.stderr), "\n"), regexp.MustCompile(c.want)
			said := 0
			for _, line := range lines {
				if want.MatchString(line) {
					said++
				}
			}
			if said == 0 || len(lines) > 5 {
				t.Errorf("want a line with %q in\n%s", c.want, r.stderr)
			}
			// A launch fails long before the host sees it: the error names that launch's kernel.
			if m := failing.FindStringSubmatch(r.stderr); m != nil && !strings.Contains(lines[len(lines)-1], " in "+m[1]+" for ") {
				t.Errorf("the driver failed a launch of %s, the last line does not name it:\n%s", m[1], r.stderr)
			} else if m == nil && (strings.HasPrefix(c.value, "launch") || strings.HasPrefix(c.value, "address")) {
				t.Errorf("the driver failed no launch:\n%s", r.stderr)
			}
		})
	}
	r := coordinator(t, "train", "--no-progress", "--steps", "2", "--batch", "12", "--data", "patterns:n=200", "--device", "cuda:1")
	if want := "warning: worker-0, worker-1 share GPU 1 of 127.0.0.1"; r.status != 0 || !strings.Contains(r.stderr, want) {
		t.Errorf("two workers on a GPU: status %d, want a line with %q in\n%s", r.status, want, r.stderr)
	}
}
