package choose

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestKernels reads the generated list.
func TestKernels(t *testing.T) {
	for name, k := range Kernels {
		if k.Source == "" || strings.Trim(k.Params, "pilfd") != "" || k.Threads < 1 || k.Threads > MaxThreads || k.Shared > MaxShared {
			t.Errorf("%s: %+v", name, k)
		}
	}
}

// TestCheck changes a launch that may run in each way that check looks for.
func TestCheck(t *testing.T) {
	defer func(all map[string]Kernel) { Kernels = all }(Kernels)
	Kernels = map[string]Kernel{"axpy": {"axpy", "ppilfd", 256, 1024}}
	fits := func() Launch {
		return Launch{
			Kernel: "axpy", Grid: [3]int{7, 65535, 1}, Block: [3]int{32, 8, 1}, Shared: MaxShared - 1024,
			Args: []Arg{at(256), null(), num(-1), long(1 << 40), float(0.5), double(0.5)},
		}
	}
	if err := fits().check(); err != nil {
		t.Fatal(err)
	}
	wrong := map[string]func(l *Launch){
		"there is no kernel": func(l *Launch) { l.Kernel = "axpby" },
		"5 arguments":        func(l *Launch) { l.Args = l.Args[:5] },
		"argument 0":         func(l *Launch) { l.Args[0] = long(256) },
		"argument 2":         func(l *Launch) { l.Args[2] = null() },
		"argument 4":         func(l *Launch) { l.Args[4] = double(0.5) },
		"a grid":             func(l *Launch) { l.Grid[0] = 0 },
		"a grid of [7 65536": func(l *Launch) { l.Grid[1]++ },
		"blocks of [32 9":    func(l *Launch) { l.Block[1]++ },
		"blocks of [0":       func(l *Launch) { l.Block[0] = 0 },
		"shared memory":      func(l *Launch) { l.Shared++ },
		"-1 bytes of shared": func(l *Launch) { l.Shared = -1 },
	}
	for _, want := range slices.Sorted(maps.Keys(wrong)) {
		l := fits()
		wrong[want](&l)
		if err := l.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not what check says: %v", want, err)
		}
	}
}
