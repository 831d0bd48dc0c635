package kerneltest

import (
	"fmt"

	"cleave/kernels"
	"cleave/layout"
	"cleave/random"
)

// operand describes one operand of a case.
type operand struct {
	shape layout.Shape // elements of the box
	fill  func(g *generator, i int) float64
	dtype kernels.DType
	use   kernels.Use
	order order // of the elements
	step  int   // every step-th channel of the box; 0 as 1
}

// order is how an operand's elements lie.
type order int

const (
	native order = iota // as the backend prefers
	planar              // kernels.NCHW
	inner               // kernels.NHWC
)

// kase is one kernel call; see the package comment for terms and roundings.
type kase struct {
	name      string
	desc      kernels.Desc
	out       operand
	in        []operand
	mutates   []int // inputs that are written too
	terms     int
	roundings float64
	only      int // of its placements, counted from 1; 0: all
}

// of returns an activation that holds such values.
func of(n layout.Shape, fill func(*generator, int) float64) operand {
	return operand{shape: n, fill: fill, use: kernels.Activation}
}

// vec returns n values along the first axis.
func vec(n int, fill func(*generator, int) float64) operand {
	return operand{shape: layout.Shape{n, 1, 1, 1}, fill: fill, use: kernels.Weights}
}

// ints returns n integers along the first axis.
func ints(n int, fill func(*generator, int) float64) operand {
	return operand{shape: layout.Shape{n, 1, 1, 1}, fill: fill, dtype: kernels.I32, use: kernels.Input}
}

// indices returns an activation of bytes.
func indices(n layout.Shape, fill func(*generator, int) float64) operand {
	return operand{shape: n, fill: fill, dtype: kernels.U8, use: kernels.Activation}
}

// result returns an output.
func result(n layout.Shape) operand { return operand{shape: n, use: kernels.Activation} }

// shapes are those that element-wise kernels are tried on.
var shapes = []layout.Shape{
	{1, 1, 1, 1}, {2, 3, 5, 7}, {1, 13, 1, 1}, {5, 7, 1, 1}, {3, 1, 4, 1}, {2, 5, 1, 13}, {2, 20, 6, 6}, {1, 3, 61, 53}, {7, 1, 1, 1}, {2, 300, 3, 3}, {2, 4200, 1, 1},
}

// perShape makes a case of each shape.
func perShape(make func(n layout.Shape) kase) []kase {
	var all []kase
	for _, n := range shapes {
		c := make(n)
		c.name += n.String()
		all = append(all, c)
	}
	return all
}

// perShapeAndLong makes a case of each shape and of one with 105000 elements a channel.
func perShapeAndLong(make func(n layout.Shape) kase) []kase {
	long := make(layout.Shape{2, 8, 250, 210})
	long.name += "long"
	return append(perShape(make), long)
}

func casesOf(code kernels.Code) []kase {
	all := makers[code](code)
	for i := range all {
		all[i].desc.Code = code
		all[i].terms = max(1, all[i].terms)
	}
	return all
}

var makers = map[kernels.Code]func(kernels.Code) []kase{
	kernels.ConvForward:      convCases,
	kernels.ConvDataGrad:     convCases,
	kernels.ConvFilterGrad:   convCases,
	kernels.Bias:             biasCases,
	kernels.BiasGrad:         sumCases,
	kernels.ReLU:             moveCases,
	kernels.ReLUGrad:         reluGradCases,
	kernels.Add:              addCases,
	kernels.MaxPool:          poolCases,
	kernels.MaxPoolIndex:     poolCases,
	kernels.MaxPoolIndexGrad: poolCases,
	kernels.MaxPoolGrad:      poolCases,
	kernels.AvgPool:          poolCases,
	kernels.AvgPoolGrad:      poolCases,
	kernels.LRN:              lrnCases,
	kernels.LRNGrad:          lrnCases,
	kernels.BNMean:           sumCases,
	kernels.BNVar:            bnCases,
	kernels.BNStats:          bnCases,
	kernels.BN:               bnCases,
	kernels.BNGammaGrad:      bnCases,
	kernels.BNSums:           bnCases,
	kernels.BNGrad:           bnCases,
	kernels.RunningStat:      statCases,
	kernels.Dropout:          dropoutCases,
	kernels.Flatten:          flattenCases,
	kernels.Unflatten:        flattenCases,
	kernels.Copy:             copyCases,
	kernels.Shuffle:          shuffleCases,
	kernels.Sum:              naryCases,
	kernels.Max:              naryCases,
	kernels.RowMax:           lossCases,
	kernels.ExpSum:           lossCases,
	kernels.CountAbove:       lossCases,
	kernels.Loss:             lossCases,
	kernels.Hits:             lossCases,
	kernels.LossGrad:         lossCases,
	kernels.SGD:              sgdCases,
	kernels.SumOfSquares:     squaresCases,
	kernels.FillConst:        fillCases,
	kernels.FillNormal:       fillCases,
	kernels.Normalize:        normalizeCases,
}

func moveCases(kernels.Code) []kase {
	return perShape(func(n layout.Shape) kase { return kase{out: result(n), in: []operand{of(n, signed)}} })
}

func reluGradCases(kernels.Code) []kase {
	return perShape(func(n layout.Shape) kase {
		return kase{out: result(n), in: []operand{of(n, relued), of(n, signed)}}
	})
}

func addCases(kernels.Code) []kase {
	var all []kase
	for _, relu := range []bool{false, true} {
		all = append(all, perShape(func(n layout.Shape) kase {
			return kase{name: fmt.Sprintf("relu=%v/", relu), desc: kernels.Desc{Epilogue: kernels.Epilogue{ReLU: relu}},
				out: result(n), in: []operand{of(n, signed), of(n, signed)}, roundings: 1}
		})...)
	}
	return all
}

func biasCases(kernels.Code) []kase {
	var all []kase
	for _, relu := range []bool{false, true} {
		all = append(all, perShape(func(n layout.Shape) kase {
			return kase{name: fmt.Sprintf("relu=%v/", relu), desc: kernels.Desc{Epilogue: kernels.Epilogue{ReLU: relu}},
				out: result(n), in: []operand{of(n, signed), vec(n[1], signed)}, roundings: 1}
		})...)
	}
	return all
}

// sumCases are those of BiasGrad and BNMean: sums over all axes but the channels.
func sumCases(kernels.Code) []kase {
	return perShapeAndLong(func(n layout.Shape) kase {
		each := n[0] * n[2] * n[3]
		return kase{desc: kernels.Desc{Count: float64(each + 3)}, out: vec(n[1], nil), in: []operand{of(n, signed)}, terms: each, roundings: 2}
	})
}

func naryCases(code kernels.Code) []kase {
	var all []kase
	for count := 1; count <= 5; count += 2 {
		all = append(all, perShape(func(n layout.Shape) kase {
			c := kase{name: fmt.Sprintf("%dof", count), out: result(n), terms: 1}
			fill := signed
			if code == kernels.Sum && count > 1 {
				fill = positive // what is left where summands cancel is their rounding
				c.terms, c.roundings = count, 1
			}
			for range count {
				c.in = append(c.in, of(n, fill))
			}
			return c
		})...)
	}
	return all
}

func squaresCases(kernels.Code) []kase {
	all := perShape(func(n layout.Shape) kase {
		return kase{out: vec(1, nil), in: []operand{of(n, signed)}, terms: n.Volume(), roundings: 2}
	})
	n := layout.Shape{3, 200, 11, 13}
	return append(all, kase{name: "long", out: vec(1, nil), in: []operand{of(n, signed)}, terms: n.Volume(), roundings: 2})
}

func statCases(kernels.Code) []kase {
	return perShape(func(n layout.Shape) kase {
		return kase{desc: kernels.Desc{Rate: 0.1, Unbias: 49.0 / 48}, out: result(n), in: []operand{of(n, signed), of(n, positive)}, roundings: 5}
	})
}

func sgdCases(kernels.Code) []kase {
	var all []kase
	for _, decay := range []float64{0, 5e-4} {
		all = append(all, perShape(func(n layout.Shape) kase {
			return kase{name: fmt.Sprintf("decay=%v/", decay), desc: kernels.Desc{Mu: 0.9, Decay: decay}, mutates: []int{1}, roundings: 8,
				// The summands of m have one sign, so that none is lost in another's rounding.
				out: result(n), in: []operand{of(n, positive), of(n, positive), of(n, positive), vec(1, constant(0.01))}}
		})...)
	}
	return all
}

// part places a box at odd numbers of a larger tensor.
func part(n layout.Shape, name string) kernels.Random {
	return kernels.Random{Key: random.Key(7, name), Origin: [4]int{1, 3, 2, 0}, Global: layout.Shape{n[0] + 2, n[1] + 3, n[2] + 3, n[3] + 1}}
}

func dropoutCases(kernels.Code) []kase {
	var all []kase
	for _, whole := range []bool{false, true} {
		all = append(all, perShape(func(n layout.Shape) kase {
			r := part(n, "dropout")
			if whole {
				r = kernels.Random{Key: r.Key, Global: n}
			}
			return kase{name: fmt.Sprintf("whole=%v/", whole), desc: kernels.Desc{P: 0.4, Random: r}, roundings: 2,
				out: result(n), in: []operand{of(n, signed), ints(1, constant(41))}}
		})...)
	}
	return all
}

func fillCases(code kernels.Code) []kase {
	return perShape(func(n layout.Shape) kase {
		c := kase{desc: kernels.Desc{Value: 0.1, Std: 0.02, Random: part(n, "fill")}, out: result(n)}
		if code == kernels.FillNormal {
			c.roundings = 2
		}
		return c
	})
}

// normalizeCases read images as the host fills them, which is planar, and as the backend
// would have them.
func normalizeCases(kernels.Code) []kase {
	var all []kase
	for _, o := range []order{native, planar} {
		all = append(all, perShape(func(n layout.Shape) kase {
			return kase{name: fmt.Sprintf("order%d/", o), out: result(n), in: []operand{{shape: n, fill: pixel, dtype: kernels.U8, use: kernels.Input, order: o}}, roundings: 6,
				desc: kernels.Desc{Mean: [4]float64{0.4, 0.5, 0.6, 0.1}, Dev: [4]float64{0.2, 0.25, 0.3, 0.5}}}
		})...)
	}
	return all
}

func flattenCases(code kernels.Code) []kase {
	var all []kase
	for _, n := range append(shapes[:len(shapes):len(shapes)], layout.Shape{3, 21, 9, 5}) {
		features := n[1] * n[2] * n[3]
		for _, s := range []layout.Span{{Lo: 0, Hi: features}, {Lo: features / 3, Hi: features}, {Lo: features / 4, Hi: (features + 1) / 2}} {
			if s.Len() == 0 {
				continue
			}
			flat := layout.Shape{n[0], s.Len(), 1, 1}
			c := kase{name: fmt.Sprintf("%v/%v", n, s), desc: kernels.Desc{Offset: s.Lo}, out: result(flat), in: []operand{of(n, signed)}}
			if code == kernels.Unflatten {
				c.out, c.in = result(n), []operand{of(flat, signed)}
			}
			all = append(all, c)
		}
	}
	return all
}

func shuffleCases(kernels.Code) []kase {
	var all []kase
	for _, s := range []struct {
		n      layout.Shape
		groups int
	}{{layout.Shape{2, 60, 5, 7}, 3}, {layout.Shape{2, 60, 5, 7}, 20}, {layout.Shape{1, 27, 3, 1}, 3}, {layout.Shape{1, 27, 3, 1}, 9}, {layout.Shape{3, 9, 1, 1}, 3},
		{layout.Shape{2, 12, 4, 4}, 3}, {layout.Shape{2, 48, 9, 1}, 2}, {layout.Shape{2, 48, 9, 1}, 24}, {layout.Shape{1, 40, 3, 3}, 8}, {layout.Shape{1, 35, 3, 3}, 5},
		{layout.Shape{2, 7, 3, 3}, 1}, {layout.Shape{2, 7, 3, 3}, 7}, {layout.Shape{2, 1, 3, 3}, 1}, {layout.Shape{1, 240, 28, 28}, 3}, {layout.Shape{1, 240, 28, 28}, 80}} {
		all = append(all, kase{name: fmt.Sprintf("%v/%d", s.n, s.groups), desc: kernels.Desc{Groups: s.groups}, out: result(s.n), in: []operand{of(s.n, signed)}})
	}
	return all
}

func copyCases(kernels.Code) []kase {
	var all []kase
	odd := layout.Shape{2, 43, 5, 17} // nothing is a multiple of a vector
	for _, n := range append(shapes[:10:10], odd) {
		steps := [][2]int{{}, {1, 3}, {2, 1}}
		if n == odd {
			steps = append(steps, [2]int{1, 2}, [2]int{3, 1}, [2]int{4, 1}, [2]int{1, 4}, [2]int{3, 2}, [2]int{1, 8})
		}
		for i := range 9 {
			from, to := order(i%3), order(i/3)
			if n != odd && from != native && to != native {
				continue
			}
			for _, step := range steps {
				for _, d := range []kernels.DType{kernels.F32, kernels.U8, kernels.I32} {
					fill := signed
					if d != kernels.F32 {
						fill = pixel
					}
					src := operand{shape: n, fill: fill, dtype: d, use: kernels.Activation, order: from, step: step[0]}
					dst := operand{shape: n, dtype: d, use: kernels.Staging, order: to, step: step[1]}
					all = append(all, kase{name: fmt.Sprintf("%v/order%d-%d/step%v/type%d", n, from, to, step, d),
						desc: kernels.Desc{Step: step}, out: dst, in: []operand{src}})
				}
			}
		}
	}
	return all
}
