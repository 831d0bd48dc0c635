package random

import "math"

// Log returns the natural logarithm of x within 1 ulp or so, the same bits on every device:
// math.Log is assembly on some architectures and need not agree. For 0, infinities, NaN and
// negative numbers it returns what math.Log does; a subnormal x is not for it.
//
// With x = 2^k·(1+f) and 1+f in [√½, √2), log(1+f) = 2·atanh(s), s = f/(2+f), |s| < 0.1716.
func Log(x float64) float64 {
	if !(x > 0 && x <= math.MaxFloat64) {
		return math.Log(x)
	}
	frac, k := math.Frexp(x)
	if frac < math.Sqrt2/2 {
		frac += frac
		k--
	}
	f := frac - 1
	s := f / (2 + f)
	s2 := float64(s * s)
	var sum float64 // s²/3 + s⁴/5 + …
	for n := 23; n >= 3; n -= 2 {
		sum = float64((sum + 1/float64(n)) * s2)
	}
	series := 2 * float64(s+float64(s*sum))
	return float64(float64(k)*ln2Low) + series + float64(float64(k)*ln2High)
}

// ln 2 in two parts; k·ln2High is exact for |k| < 2048.
const (
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
)
