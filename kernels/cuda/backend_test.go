//go:build gpu

package cuda

import (
	"strings"
	"testing"

	"cleave/kernels"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	needGPU(t)
	for unit, want := range map[string]string{
		"99": "there is no GPU 99: the driver knows",
		"x":  `"x" is no number of a GPU`,
		"-1": `"-1" is no number of a GPU`,
	} {
		if _, err := Open(unit); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q): %v, want %q", unit, err, want)
		}
	}
}

func TestMisuse(t *testing.T) {
	needGPU(t)
	b := open(t)
	if _, err := b.Export(kernels.Region{Bytes: 4}); err == nil {
		t.Error("an export before Alloc succeeded")
	}
	if err := b.Alloc(1024); err != nil {
		t.Fatal(err)
	}
	if err := b.Alloc(1024); err == nil {
		t.Error("a second Alloc succeeded")
	}
	for _, r := range []kernels.Region{{Offset: 1020, Bytes: 8}, {Offset: -4, Bytes: 4}, {Offset: 1 << 62, Bytes: 1 << 62}} {
		if _, err := b.Import(r); err == nil {
			t.Errorf("import of %v succeeded", r)
		}
		if _, err := b.Export(r); err == nil {
			t.Errorf("export of %v succeeded", r)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if err := b.Sync(); err == nil {
		t.Error("Sync after Close succeeded")
	}
}

func TestTooMuchMemory(t *testing.T) {
	needGPU(t)
	b := open(t)
	defer b.Close()
	err := b.Alloc(1 << 50)
	if err == nil || !strings.Contains(err.Error(), "CUDA_ERROR_OUT_OF_MEMORY: the plan takes 1.0 PiB, free on GPU 0 are") {
		t.Errorf("got %v", err)
	}
}

// A transfer of several chunks, with a part of its own: bytes come back as they went.
func TestTransfersInChunks(t *testing.T) {
	needGPU(t)
	const size = 5<<19 + 12
	b := open(t)
	defer b.Close()
	if err := b.Alloc(size + 64); err != nil {
		t.Fatal(err)
	}
	r := kernels.Region{Offset: 64, Bytes: size}
	in, err := b.Import(r)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.Export(r)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		if err := in.Start(); err != nil {
			t.Fatal(err)
		}
		mem := in.Bytes()
		for i := range mem {
			mem[i] = byte(i*7 + i>>8 + round)
			if i%300001 == 0 {
				if err := in.Filled(int64(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := in.Finish(); err != nil {
			t.Fatal(err)
		}
		if err := out.Start(); err != nil {
			t.Fatal(err)
		}
		for have := int64(0); have < size; {
			now, err := out.Copied(have)
			if err != nil || now <= have || now > size {
				t.Fatalf("copied %d after %d: %v", now, have, err)
			}
			for i := have; i < now; i++ {
				if want := byte(int(i)*7 + int(i)>>8 + round); out.Bytes()[i] != want {
					t.Fatalf("round %d, byte %d is %d, want %d", round, i, out.Bytes()[i], want)
				}
			}
			have = now
		}
	}
}

func TestMeasuring(t *testing.T) {
	needGPU(t)
	b := open(t).(watched)
	defer b.Close()
	if err := b.Alloc(1 << 16); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	flops, bytes, err := b.Peaks()
	if err != nil || !(flops > 1e6) || !(bytes > 1e6) {
		t.Errorf("peaks of %v multiply-adds and %v bytes a second: %v", flops, bytes, err)
	}
}
