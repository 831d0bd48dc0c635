// Counter-based random numbers: package random's, bit for bit.
#pragma once
#include "dev.h"

struct Words {
  unsigned w[4];
};

// philox returns the four words of Philox4x32-10 for counter (block, stream) under key
// (Salmon et al. 2011).
DEV Words philox(unsigned long long key, unsigned long long stream, unsigned long long block) {
  unsigned c0 = (unsigned)block, c1 = (unsigned)(block >> 32), c2 = (unsigned)stream, c3 = (unsigned)(stream >> 32);
  unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
  for (int round = 0; round < 10; round++) {
    const unsigned hi0 = __umulhi(0xD2511F53u, c0), lo0 = 0xD2511F53u * c0;
    const unsigned hi1 = __umulhi(0xCD9E8D57u, c2), lo1 = 0xCD9E8D57u * c2;
    c0 = hi1 ^ c1 ^ k0;
    c1 = lo1;
    c2 = hi0 ^ c3 ^ k1;
    c3 = lo0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  Words r = {{c0, c1, c2, c3}};
  return r;
}

// horner evaluates a polynomial with coefficients from the highest power down; every product
// and every sum is rounded.
DEV double horner(const double (&c)[8], double x) {
  double s = c[0];
  for (int i = 1; i < 8; i++) s = __dadd_rn(__dmul_rn(s, x), c[i]);
  return s;
}

// logarithm returns the natural logarithm of x: random.Log.
DEV double logarithm(double x) {
  if (!(x > 0 && x <= 1.7976931348623157e308)) return x > 0 ? x : x == 0 ? -1 / 0.0 : 0 / 0.0;
  const long long bits = __double_as_longlong(x);
  int k = (int)(bits >> 52) - 1022;
  double frac = __longlong_as_double((bits & 0xfffffffffffffll) | 1022ll << 52);  // in [½, 1)
  if (frac < 0.70710678118654752440) {
    frac = __dadd_rn(frac, frac);
    k--;
  }
  const double f = __dsub_rn(frac, 1.0), s = __ddiv_rn(f, __dadd_rn(2.0, f)), s2 = __dmul_rn(s, s);
  double sum = 0;
  for (int n = 23; n >= 3; n -= 2) sum = __dmul_rn(__dadd_rn(sum, 1.0 / n), s2);
  const double series = __dmul_rn(2.0, __dadd_rn(s, __dmul_rn(s, sum)));
  return __dadd_rn(__dadd_rn(__dmul_rn(k, 1.90821492927058770002e-10), series), __dmul_rn(k, 6.93147180369123816490e-01));
}

// quantile is the inverse of the normal distribution function for p in (0, 1): Wichura's
// algorithm AS 241, routine PPND16, as random.quantile.
DEV double quantile(double p) {
  const double centre_num[8] = {2.5090809287301226727e+3, 3.3430575583588128105e+4, 6.7265770927008700853e+4, 4.5921953931549871457e+4,
                                1.3731693765509461125e+4, 1.9715909503065514427e+3, 1.3314166789178437745e+2, 3.3871328727963666080e+0};
  const double centre_den[8] = {5.2264952788528545610e+3, 2.8729085735721942674e+4, 3.9307895800092710610e+4, 2.1213794301586595867e+4,
                                5.3941960214247511077e+3, 6.8718700749205790830e+2, 4.2313330701600911252e+1, 1};
  const double middle_num[8] = {7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e+0,
                                3.64784832476320460504e+0, 5.76949722146069140550e+0, 4.63033784615654529590e+0, 1.42343711074968357734e+0};
  const double middle_den[8] = {1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
                                6.89767334985100004550e-1, 1.67638483018380384940e+0, 2.05319162663775882187e+0, 1};
  const double tail_num[8] = {2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
                              2.96560571828504891230e-1, 1.78482653991729133580e+0, 5.46378491116411436990e+0, 6.65790464350110377720e+0};
  const double tail_den[8] = {2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
                              1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1};
  const double q = __dsub_rn(p, 0.5);
  if (fabs(q) <= 0.425) {
    const double r = __dsub_rn(0.180625, __dmul_rn(q, q));
    return __ddiv_rn(__dmul_rn(q, horner(centre_num, r)), horner(centre_den, r));
  }
  double r = q > 0 ? __dsub_rn(1.0, p) : p;
  r = __dsqrt_rn(-logarithm(r));
  double z;
  if (r <= 5) {
    r = __dsub_rn(r, 1.6);
    z = __ddiv_rn(horner(middle_num, r), horner(middle_den, r));
  } else {
    r = __dsub_rn(r, 5.0);
    z = __ddiv_rn(horner(tail_num, r), horner(tail_den, r));
  }
  return q < 0 ? -fabs(z) : fabs(z);
}

// normal returns number index of a stream of numbers with mean 0 and deviation 1: random.Normal.
DEV double normal(unsigned long long key, unsigned long long stream, unsigned long long index) {
  const Words b = philox(key, stream, index / 2);
  const unsigned long long u = index % 2 ? (unsigned long long)b.w[3] << 32 | b.w[2] : (unsigned long long)b.w[1] << 32 | b.w[0];
  return quantile(__dmul_rn(__dadd_rn((double)(long long)(u >> 12), 0.5), 2.220446049250313080847263336181640625e-16));
}
