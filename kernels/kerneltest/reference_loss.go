package kerneltest

import (
	"math"

	"cleave/kernels"
)

func refRowMax(_ kernels.Desc, top *tensor, in []*tensor) {
	top.fill(func(n, _, _, _ int) float64 {
		m := math.Inf(-1)
		for k := range in[0].n[1] {
			m = max(m, *in[0].at(n, k, 0, 0))
		}
		return m
	})
}

func refExpSum(d kernels.Desc, es *tensor, in []*tensor) {
	logits, labels, top := in[0], in[1].v, in[2].v
	for n := range logits.n[0] {
		var s, own float64
		for k := range logits.n[1] {
			v := *logits.at(n, k, 0, 0) - top[n]
			s += math.Exp(v)
			if k+d.Offset == int(labels[n]) {
				own = v
			}
		}
		*es.at(n, 0, 0, 0), *es.at(n, 1, 0, 0) = s, own
	}
}

func refCountAbove(d kernels.Desc, above *tensor, in []*tensor) {
	logits, labels, top, es := in[0], in[1].v, in[2].v, in[3]
	for n := range logits.n[0] {
		above.v[n] = 0
		for k := range logits.n[1] {
			v, own := *logits.at(n, k, 0, 0)-top[n], *es.at(n, 1, 0, 0)
			if labels[n] >= 0 && (v > own || v == own && k+d.Offset < int(labels[n])) {
				above.v[n]++
			}
		}
	}
}

func refLoss(d kernels.Desc, loss *tensor, in []*tensor) {
	loss.v[0] = 0
	for n, label := range in[0].v {
		if label >= 0 {
			loss.v[0] += (math.Log(*in[1].at(n, 0, 0, 0)) - *in[1].at(n, 1, 0, 0)) / d.Count
		}
	}
}

func refHits(_ kernels.Desc, hits *tensor, in []*tensor) {
	clear(hits.v)
	for n, label := range in[0].v {
		if label >= 0 && in[1].v[n] < 1 {
			hits.v[0]++
		}
		if label >= 0 && in[1].v[n] < 5 {
			hits.v[1]++
		}
	}
}

func refLossGrad(d kernels.Desc, dlogits *tensor, in []*tensor) {
	logits, labels, top, es, seed := in[0], in[1].v, in[2].v, in[3], in[4].v[0]
	dlogits.fill(func(n, k, _, _ int) float64 {
		if labels[n] < 0 {
			return 0
		}
		p := math.Exp(*logits.at(n, k, 0, 0)-top[n]) / *es.at(n, 0, 0, 0)
		if k+d.Offset == int(labels[n]) {
			p--
		}
		return seed * p / d.Count
	})
}
