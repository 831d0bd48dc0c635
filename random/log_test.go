package random

import (
	"math"
	"testing"
)

func TestLog(t *testing.T) {
	for x := 0x1p-53; x < 3; x *= 1.0007 {
		if got, want := Log(x), math.Log(x); math.Abs(got-want) > 4e-16*max(math.Abs(want), math.Abs(x-1)) {
			t.Fatalf("log %v: got %v, want %v", x, got, want)
		}
	}
}

func TestLogOfOddNumbers(t *testing.T) {
	for _, x := range []float64{0, math.Copysign(0, -1), -1, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, 0x1p-1022} {
		if got, want := Log(x), math.Log(x); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("log %v: got %v, want %v", x, got, want)
		}
	}
}
