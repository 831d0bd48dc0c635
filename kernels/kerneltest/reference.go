package kerneltest

import (
	"math"

	"cleave/kernels"
	"cleave/random"
)

// references are the kernels in double precision over whole boxes. An output element that
// is left as it comes (NaN) is not the kernel's to write.
var references = map[kernels.Code]func(d kernels.Desc, out *tensor, in []*tensor){
	kernels.ConvForward:      refConvForward,
	kernels.ConvDataGrad:     refConvDataGrad,
	kernels.ConvFilterGrad:   refConvFilterGrad,
	kernels.Bias:             refBias,
	kernels.BiasGrad:         refBiasGrad,
	kernels.ReLU:             refReLU,
	kernels.ReLUGrad:         refReLUGrad,
	kernels.Add:              refAdd,
	kernels.MaxPool:          refMaxPool,
	kernels.MaxPoolIndex:     refMaxPoolIndex,
	kernels.MaxPoolIndexGrad: refMaxPoolIndexGrad,
	kernels.MaxPoolGrad:      refMaxPoolGrad,
	kernels.AvgPool:          refAvgPool,
	kernels.AvgPoolGrad:      refAvgPoolGrad,
	kernels.LRN:              refLRN,
	kernels.LRNGrad:          refLRNGrad,
	kernels.BNMean:           refBNMean,
	kernels.BNVar:            refBNVar,
	kernels.BNStats:          refBNStats,
	kernels.BN:               refBN,
	kernels.BNGammaGrad:      refBNGammaGrad,
	kernels.BNSums:           refBNSums,
	kernels.BNGrad:           refBNGrad,
	kernels.RunningStat:      refRunningStat,
	kernels.Dropout:          refDropout,
	kernels.Flatten:          refFlatten,
	kernels.Unflatten:        refUnflatten,
	kernels.Copy:             refCopy,
	kernels.Shuffle:          refShuffle,
	kernels.Sum:              refSum,
	kernels.Max:              refMax,
	kernels.RowMax:           refRowMax,
	kernels.ExpSum:           refExpSum,
	kernels.CountAbove:       refCountAbove,
	kernels.Loss:             refLoss,
	kernels.Hits:             refHits,
	kernels.LossGrad:         refLossGrad,
	kernels.SGD:              refSGD,
	kernels.SumOfSquares:     refSumOfSquares,
	kernels.FillConst:        refFillConst,
	kernels.FillNormal:       refFillNormal,
	kernels.Normalize:        refNormalize,
}

func relu(on bool, v float64) float64 {
	if on {
		return max(v, 0)
	}
	return v
}

func refReLU(_ kernels.Desc, y *tensor, in []*tensor) {
	for i := range y.v {
		y.v[i] = max(in[0].v[i], 0)
	}
}

func refReLUGrad(_ kernels.Desc, dx *tensor, in []*tensor) {
	for i := range dx.v {
		dx.v[i] = 0
		if in[0].v[i] > 0 {
			dx.v[i] = in[1].v[i]
		}
	}
}

func refAdd(d kernels.Desc, y *tensor, in []*tensor) {
	for i := range y.v {
		y.v[i] = relu(d.Epilogue.ReLU, in[0].v[i]+in[1].v[i])
	}
}

func refSum(_ kernels.Desc, y *tensor, in []*tensor) {
	for i := range y.v {
		y.v[i] = 0
		for _, x := range in {
			y.v[i] += x.v[i]
		}
	}
}

func refMax(_ kernels.Desc, y *tensor, in []*tensor) {
	for i := range y.v {
		y.v[i] = math.Inf(-1)
		for _, x := range in {
			y.v[i] = max(y.v[i], x.v[i])
		}
	}
}

func refCopy(_ kernels.Desc, y *tensor, in []*tensor) { copy(y.v, in[0].v) }

func refShuffle(d kernels.Desc, y *tensor, in []*tensor) {
	per := y.n[1] / d.Groups
	in[0].each(func(n, c, h, w int, v *float64) { *y.at(n, c%per*d.Groups+c/per, h, w) = *v })
}

func refFlatten(d kernels.Desc, y *tensor, in []*tensor) {
	features := in[0].n[1] * in[0].n[2] * in[0].n[3]
	y.fill(func(n, f, _, _ int) float64 { return in[0].v[n*features+d.Offset+f] })
}

func refUnflatten(d kernels.Desc, x *tensor, in []*tensor) {
	features := x.n[1] * x.n[2] * x.n[3]
	in[0].each(func(n, f, _, _ int, v *float64) { x.v[n*features+d.Offset+f] = *v })
}

func refSGD(d kernels.Desc, out *tensor, in []*tensor) {
	w, m, g, rate := in[0], in[1], in[2], in[3].v[0]
	for i := range out.v {
		m.v[i] = d.Mu*m.v[i] + g.v[i] + d.Decay*w.v[i]
		out.v[i] = w.v[i] - rate*m.v[i]
	}
}

func refRunningStat(d kernels.Desc, out *tensor, in []*tensor) {
	for i := range out.v {
		out.v[i] = in[0].v[i] + d.Rate*(d.Unbias*in[1].v[i]-in[0].v[i])
	}
}

func refSumOfSquares(_ kernels.Desc, out *tensor, in []*tensor) {
	out.v[0] = 0
	for _, v := range in[0].v {
		out.v[0] += v * v
	}
}

func refFillConst(d kernels.Desc, out *tensor, _ []*tensor) {
	out.fill(func(_, _, _, _ int) float64 { return float64(float32(d.Value)) })
}

// global returns the index of an element of out in the whole tensor.
func global(r kernels.Random, n, c, h, w int) uint64 {
	o, g := r.Origin, r.Global
	return uint64((((n+o[0])*g[1]+c+o[1])*g[2]+h+o[2])*g[3] + w + o[3])
}

func refFillNormal(d kernels.Desc, out *tensor, _ []*tensor) {
	out.fill(func(n, c, h, w int) float64 {
		return d.Std * random.Normal(d.Random.Key, 0, global(d.Random, n, c, h, w))
	})
}

func refDropout(d kernels.Desc, y *tensor, in []*tensor) {
	step := uint64(in[1].v[0])
	y.fill(func(n, c, h, w int) float64 {
		if random.Uniform(random.Bits(d.Random.Key, step, global(d.Random, n, c, h, w))) < d.P {
			return 0
		}
		return *in[0].at(n, c, h, w) / (1 - d.P)
	})
}

func refNormalize(d kernels.Desc, y *tensor, in []*tensor) {
	y.fill(func(n, c, h, w int) float64 {
		return (*in[0].at(n, c, h, w)/255 - d.Mean[min(c, 3)]) / d.Dev[min(c, 3)]
	})
}
