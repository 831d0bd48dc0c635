package engine

import (
	"fmt"
	"math"
	"math/bits"

	"cleave/kernels"
	"cleave/layout"
	"cleave/proto/programpb"
)

// byName maps the names that Programs use to the kernels.
var byName = func() map[string]kernels.Code {
	m := make(map[string]kernels.Code)
	for _, c := range kernels.Codes() {
		m[c.String()] = c
	}
	return m
}()

// maxVolume bounds the elements of a buffer, so that sizes in bytes fit an int64 with room
// for a backend's padding.
const maxVolume = 1 << 48

// decodeBox reads a box that holds at least one element.
func decodeBox(b *programpb.Box) (layout.Box, error) {
	var box layout.Box
	v := b.GetBounds()
	if len(v) != 2*len(box) {
		return box, fmt.Errorf("a box has %d bounds, not %d", len(v), 2*len(box))
	}
	volume := uint64(1)
	for i := range box {
		if v[2*i] > math.MaxInt32 || v[2*i+1] > math.MaxInt32 {
			return box, fmt.Errorf("axis %d of a box reaches beyond 2^31", i)
		}
		box[i] = layout.Span{Lo: int(v[2*i]), Hi: int(v[2*i+1])}
		if box[i].Len() == 0 {
			return box, fmt.Errorf("box %v is empty", box)
		}
		hi, lo := bits.Mul64(volume, uint64(box[i].Len()))
		if hi != 0 || lo > maxVolume {
			return box, fmt.Errorf("box %v has too many elements", box)
		}
		volume = lo
	}
	return box, nil
}

// decodeKernel reads a kernel call, field by field as program.proto has them.
func decodeKernel(k *programpb.Kernel) (kernels.Desc, error) {
	var d kernels.Desc
	if k == nil {
		return d, fmt.Errorf("a run has no kernel")
	}
	code, ok := byName[k.Code]
	if !ok {
		return d, fmt.Errorf("there is no kernel %q", k.Code)
	}
	d = kernels.Desc{
		Code:     code,
		Groups:   int(k.Groups),
		Epilogue: kernels.Epilogue{Bias: k.EpilogueBias, Norm: k.EpilogueNorm, Add: k.EpilogueAdd, ReLU: k.EpilogueRelu},
		Count:    k.Count,
		Eps:      k.Eps,
		P:        k.P,
		Rate:     k.Rate,
		Unbias:   k.Unbias,
		Mu:       k.Mu,
		Decay:    k.Decay,
		Value:    k.Value,
		Std:      k.Std,
	}
	if int64(int32(k.Offset)) != k.Offset {
		return d, fmt.Errorf("%v: offset %d is out of range", code, k.Offset)
	}
	d.Offset = int(k.Offset)
	if l := k.Lrn; l != nil {
		d.LRN = kernels.LRNDesc{
			N: int(l.N), K: l.K, Alpha: l.Alpha, Beta: l.Beta,
			Offset: int(l.Offset), GradOffset: int(l.GradOffset),
		}
	}
	d.Random.Key = k.GetRandom().GetKey()
	d.Window.CountPad = k.GetWindow().GetCountPad()

	w, r := k.GetWindow(), k.GetRandom()
	var errs [9]error
	errs[0] = fill(d.Window.Kernel[:], w.GetKernel(), "window.kernel")
	errs[1] = fill(d.Window.Stride[:], w.GetStride(), "window.stride")
	errs[2] = fill(d.Window.Dilation[:], w.GetDilation(), "window.dilation")
	errs[3] = fill(d.Window.Pad[:], w.GetPad(), "window.pad")
	errs[4] = fill(d.Random.Origin[:], r.GetOrigin(), "random.origin")
	errs[5] = fill(d.Random.Global[:], r.GetGlobal(), "random.global")
	errs[6] = fill(d.Step[:], k.Step, "step")
	errs[7] = copyAll(d.Mean[:], k.Mean, "mean")
	errs[8] = copyAll(d.Dev[:], k.Dev, "dev")
	for _, err := range errs {
		if err != nil {
			return d, fmt.Errorf("%v: %w", code, err)
		}
	}
	return d, nil
}

// fill copies a repeated field that is either absent or as long as dst.
func fill(dst []int, src []uint32, field string) error {
	if len(src) != 0 && len(src) != len(dst) {
		return fmt.Errorf("%s has %d numbers, not %d", field, len(src), len(dst))
	}
	for i, v := range src {
		if v > math.MaxInt32 {
			return fmt.Errorf("%s has %d, beyond 2^31", field, v)
		}
		dst[i] = int(v)
	}
	return nil
}

func copyAll(dst, src []float64, field string) error {
	if len(src) != 0 && len(src) != len(dst) {
		return fmt.Errorf("%s has %d numbers, not %d", field, len(src), len(dst))
	}
	copy(dst, src)
	return nil
}
