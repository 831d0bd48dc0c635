package cpu_test

import (
	"runtime"
	"testing"
	"time"

	"cleave/kernels/cpu"
	"cleave/kernels/kernelbench"
)

// BenchmarkConv runs the layers of kernelbench, three passes each, on the tier that
// CLEAVE_CPU asks for and as many threads as GOMAXPROCS (-cpu). The rate is that of the
// fastest run, in thousand millions of operations a second.
func BenchmarkConv(b *testing.B) {
	for _, l := range append(kernelbench.Layers(), kernelbench.Others()...) {
		for _, p := range kernelbench.Passes() {
			b.Run(l.Name+"/"+string(p), func(b *testing.B) {
				be := cpu.New(runtime.GOMAXPROCS(0))
				defer be.Close()
				launch, err := kernelbench.Bind(be, l, p)
				if err != nil {
					b.Fatal(err)
				}
				best := time.Hour
				for b.Loop() {
					begin := time.Now()
					if err := launch(); err != nil {
						b.Fatal(err)
					}
					best = min(best, time.Since(begin))
				}
				b.ReportMetric(l.FLOPs()/best.Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
