package kerneltest

import (
	"math"

	"cleave/kernels"
)

// scale is LRN's K + Alpha·Σx² around channel c of x.
func scale(d kernels.LRNDesc, x *tensor, n, c, h, w int) float64 {
	var s float64
	for j := max(0, c-d.N/2); j <= min(x.n[1]-1, c+d.N/2); j++ {
		s += *x.at(n, j, h, w) * *x.at(n, j, h, w)
	}
	return d.K + d.Alpha*s
}

func refLRN(d kernels.Desc, y *tensor, in []*tensor) {
	y.fill(func(n, c, h, w int) float64 {
		c += d.LRN.Offset
		return *in[0].at(n, c, h, w) * math.Pow(scale(d.LRN, in[0], n, c, h, w), -d.LRN.Beta)
	})
}

func refLRNGrad(d kernels.Desc, dx *tensor, in []*tensor) {
	x, dy, l := in[0], in[1], d.LRN
	dx.fill(func(n, c, h, w int) float64 {
		c += l.Offset
		var s float64
		for j := max(l.GradOffset, c-l.N/2); j <= min(l.GradOffset+dy.n[1]-1, c+l.N/2); j++ {
			s += *dy.at(n, j-l.GradOffset, h, w) * *x.at(n, j, h, w) * math.Pow(scale(l, x, n, j, h, w), -l.Beta-1)
		}
		return *dy.at(n, c-l.GradOffset, h, w)*math.Pow(scale(l, x, n, c, h, w), -l.Beta) - 2*l.Alpha*l.Beta**x.at(n, c, h, w)*s
	})
}

func refBNMean(d kernels.Desc, mean *tensor, in []*tensor) {
	clear(mean.v)
	in[0].each(func(_, c, _, _ int, v *float64) { mean.v[c] += *v / d.Count })
}

func refBNVar(d kernels.Desc, variance *tensor, in []*tensor) {
	clear(variance.v)
	in[0].each(func(_, c, _, _ int, v *float64) { variance.v[c] += (*v - in[1].v[c]) * (*v - in[1].v[c]) / d.Count })
}

func refBNStats(d kernels.Desc, variance *tensor, in []*tensor) {
	refBNMean(d, in[1], in)
	refBNVar(d, variance, in)
}

func refBN(d kernels.Desc, y *tensor, in []*tensor) {
	mean, variance, gamma, beta := in[1].v, in[2].v, in[3].v, in[4].v
	y.fill(func(n, c, h, w int) float64 {
		v := (*in[0].at(n, c, h, w)-mean[c])/math.Sqrt(variance[c]+d.Eps)*gamma[c] + beta[c]
		if d.Epilogue.Add {
			v += *in[5].at(n, c, h, w)
		}
		return relu(d.Epilogue.ReLU, v)
	})
}

func refBNGammaGrad(d kernels.Desc, dgamma *tensor, in []*tensor) {
	x, mean, variance, dy := in[0], in[1].v, in[2].v, in[3]
	clear(dgamma.v)
	x.each(func(n, c, h, w int, v *float64) {
		dgamma.v[c] += (*v - mean[c]) / math.Sqrt(variance[c]+d.Eps) * *dy.at(n, c, h, w)
	})
}

func refBNSums(d kernels.Desc, dgamma *tensor, in []*tensor) {
	x, mean, variance, gamma, beta, dbeta := in[0], in[1], in[2], in[3], in[4], in[6]
	dy := passed(d, x, mean, variance, gamma, beta, in[5])
	refBNGammaGrad(d, dgamma, []*tensor{x, mean, variance, dy})
	refBiasGrad(d, dbeta, []*tensor{dy})
}

// passed is dy where batch norm's ReLU, if there is one, let x pass, else 0.
func passed(d kernels.Desc, x, mean, variance, gamma, beta, dy *tensor) *tensor {
	if !d.Epilogue.ReLU {
		return dy
	}
	y, masked := newTensor(x.n), newTensor(x.n)
	refBN(d, y, []*tensor{x, mean, variance, gamma, beta})
	refReLUGrad(d, masked, []*tensor{y, dy})
	return masked
}

func refBNGrad(d kernels.Desc, dx *tensor, in []*tensor) {
	x, mean, variance, gamma, dgamma, dbeta, dy := in[0], in[1].v, in[2].v, in[3].v, in[4].v, in[5].v, in[6]
	if d.Epilogue.ReLU {
		dy = passed(d, x, in[1], in[2], in[3], in[7], dy)
	}
	dx.fill(func(n, c, h, w int) float64 {
		deviation := math.Sqrt(variance[c] + d.Eps)
		normal := (*x.at(n, c, h, w) - mean[c]) / deviation
		return gamma[c] / deviation * (*dy.at(n, c, h, w) - dbeta[c]/d.Count - normal*dgamma[c]/d.Count)
	})
}
