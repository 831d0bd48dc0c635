package random

import "math"

// Normal returns a number of mean 0 and deviation 1. It uses half a block: words 2·(index%2)
// and the next of block index/2, so a stream should serve either Normal or Bits.
func Normal(key, stream, index uint64) float64 {
	u := pair(Block(key, stream, index/2), index%2)
	return quantile(float64(float64(u>>12)+0.5) * 0x1p-52)
}

// quantile is the inverse of the normal distribution function for p in (0, 1): Wichura's
// algorithm AS 241 (Applied Statistics 37, 1988), routine PPND16, relative error 1e-16
// apart from rounding.
func quantile(p float64) float64 {
	q := p - 0.5
	if math.Abs(q) <= 0.425 {
		r := 0.180625 - float64(q*q)
		return float64(q*horner(&centreNum, r)) / horner(&centreDen, r)
	}
	r := p
	if q > 0 {
		r = 1 - p
	}
	r = math.Sqrt(-Log(r))
	var z float64
	if r <= 5 {
		z = horner(&middleNum, r-1.6) / horner(&middleDen, r-1.6)
	} else {
		z = horner(&tailNum, r-5) / horner(&tailDen, r-5)
	}
	return math.Copysign(z, q)
}

// horner evaluates a polynomial; the coefficients are from the highest power down.
func horner(c *[8]float64, x float64) float64 {
	s := c[0]
	for _, v := range c[1:] {
		s = float64(s*x) + v
	}
	return s
}

// Coefficients of AS 241, highest power first.
var (
	centreNum = [8]float64{
		2.5090809287301226727e+3, 3.3430575583588128105e+4, 6.7265770927008700853e+4, 4.5921953931549871457e+4,
		1.3731693765509461125e+4, 1.9715909503065514427e+3, 1.3314166789178437745e+2, 3.3871328727963666080e+0,
	}
	centreDen = [8]float64{
		5.2264952788528545610e+3, 2.8729085735721942674e+4, 3.9307895800092710610e+4, 2.1213794301586595867e+4,
		5.3941960214247511077e+3, 6.8718700749205790830e+2, 4.2313330701600911252e+1, 1,
	}
	middleNum = [8]float64{
		7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e+0,
		3.64784832476320460504e+0, 5.76949722146069140550e+0, 4.63033784615654529590e+0, 1.42343711074968357734e+0,
	}
	middleDen = [8]float64{
		1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
		6.89767334985100004550e-1, 1.67638483018380384940e+0, 2.05319162663775882187e+0, 1,
	}
	tailNum = [8]float64{
		2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
		2.96560571828504891230e-1, 1.78482653991729133580e+0, 5.46378491116411436990e+0, 6.65790464350110377720e+0,
	}
	tailDen = [8]float64{
		2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
		1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1,
	}
)
