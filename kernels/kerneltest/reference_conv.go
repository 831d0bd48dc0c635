package kerneltest

import (
	"math"

	"cleave/kernels"
)

// products calls f for every product of a convolution: the elements of x, w and y that
// take part in it.
func products(d kernels.Desc, x, w, y *tensor, f func(x, w, y *float64)) {
	win := d.Window
	perGroup := w.n[0] / d.Groups
	y.each(func(n, k, oh, ow int, out *float64) {
		for c := range w.n[1] {
			for r := range w.n[2] {
				for s := range w.n[3] {
					h := oh*win.Stride[0] - win.Pad[0] + r*win.Dilation[0]
					v := ow*win.Stride[1] - win.Pad[2] + s*win.Dilation[1]
					if h >= 0 && h < x.n[2] && v >= 0 && v < x.n[3] {
						f(x.at(n, k/perGroup*w.n[1]+c, h, v), w.at(k, c, r, s), out)
					}
				}
			}
		}
	})
}

func refConvForward(d kernels.Desc, y *tensor, in []*tensor) {
	clear(y.v)
	products(d, in[0], in[1], y, func(x, w, y *float64) { *y += *x * *w })
	bias, mean, z := d.Epilogue.ConvInputs()
	y.each(func(n, k, h, w int, v *float64) {
		if d.Epilogue.Bias {
			*v += in[bias].v[k]
		}
		if d.Epilogue.Norm {
			*v = (*v-in[mean].v[k])/math.Sqrt(in[mean+1].v[k]+d.Eps)*in[mean+2].v[k] + in[mean+3].v[k]
		}
		if d.Epilogue.Add {
			*v += *in[z].at(n, k, h, w)
		}
		*v = relu(d.Epilogue.ReLU, *v)
	})
}

func refConvDataGrad(d kernels.Desc, dx *tensor, in []*tensor) {
	clear(dx.v)
	products(d, dx, in[1], in[0], func(dx, w, dy *float64) { *dx += *dy * *w })
	z, y := d.Epilogue.GradInputs()
	dx.each(func(n, c, h, w int, v *float64) {
		if d.Epilogue.Add {
			*v += *in[z].at(n, c, h, w)
		}
		if d.Epilogue.ReLU && !(*in[y].at(n, c, h, w) > 0) {
			*v = 0
		}
	})
}

func refConvFilterGrad(d kernels.Desc, dw *tensor, in []*tensor) {
	clear(dw.v)
	products(d, in[0], dw, in[1], func(x, dw, dy *float64) { *dw += *x * *dy })
}

func refBias(d kernels.Desc, y *tensor, in []*tensor) {
	y.fill(func(n, c, h, w int) float64 { return relu(d.Epilogue.ReLU, *in[0].at(n, c, h, w)+in[1].v[c]) })
}

func refBiasGrad(_ kernels.Desc, db *tensor, in []*tensor) {
	clear(db.v)
	in[0].each(func(_, c, _, _ int, v *float64) { db.v[c] += *v })
}

// window calls f for the elements of x under the pool's window at oh, ow, in row-major
// order.
func window(win kernels.Window, x *tensor, n, c, oh, ow int, f func(v *float64, at int)) {
	for r := range win.Kernel[0] {
		for s := range win.Kernel[1] {
			h, w := oh*win.Stride[0]-win.Pad[0]+r, ow*win.Stride[1]-win.Pad[2]+s
			if h >= 0 && h < x.n[2] && w >= 0 && w < x.n[3] {
				f(x.at(n, c, h, w), x.index(n, c, h, w))
			}
		}
	}
}

func refMaxPool(d kernels.Desc, y *tensor, in []*tensor) {
	y.fill(func(n, c, h, w int) float64 {
		m := math.Inf(-1)
		window(d.Window, in[0], n, c, h, w, func(v *float64, _ int) { m = max(m, *v) })
		return m
	})
}

func refMaxPoolGrad(d kernels.Desc, dx *tensor, in []*tensor) {
	clear(dx.v)
	in[1].each(func(n, c, h, w int, y *float64) {
		first := -1
		window(d.Window, in[0], n, c, h, w, func(v *float64, at int) {
			if first < 0 && *v == *y {
				first = at
			}
		})
		dx.v[first] += *in[2].at(n, c, h, w)
	})
}

// underWindow is where in x the window of output (oh, ow) has its pixel i.
func underWindow(win kernels.Window, oh, ow, i int) (h, w int) {
	return oh*win.Stride[0] - win.Pad[0] + i/win.Kernel[1], ow*win.Stride[1] - win.Pad[2] + i%win.Kernel[1]
}

func refMaxPoolIndex(d kernels.Desc, y *tensor, in []*tensor) {
	refMaxPool(d, y, in)
	in[1].fill(func(n, c, h, w int) float64 {
		for i := range d.Window.Kernel[0] * d.Window.Kernel[1] {
			r, s := underWindow(d.Window, h, w, i)
			if r >= 0 && r < in[0].n[2] && s >= 0 && s < in[0].n[3] && *in[0].at(n, c, r, s) == *y.at(n, c, h, w) {
				return float64(i)
			}
		}
		return -1
	})
}

func refMaxPoolIndexGrad(d kernels.Desc, dx *tensor, in []*tensor) {
	clear(dx.v)
	in[0].each(func(n, c, h, w int, dy *float64) {
		r, s := underWindow(d.Window, h, w, int(*in[1].at(n, c, h, w)))
		*dx.at(n, c, r, s) += *dy
	})
}

// divisor counts the positions under a window: those of x, or of the padded x.
func divisor(win kernels.Window, x *tensor, oh, ow int) float64 {
	count := 0
	for r := range win.Kernel[0] {
		for s := range win.Kernel[1] {
			h, w := oh*win.Stride[0]-win.Pad[0]+r, ow*win.Stride[1]-win.Pad[2]+s
			inside := h >= 0 && h < x.n[2] && w >= 0 && w < x.n[3]
			padded := h < x.n[2]+win.Pad[1] && w < x.n[3]+win.Pad[3]
			if inside || win.CountPad && padded {
				count++
			}
		}
	}
	return float64(count)
}

func refAvgPool(d kernels.Desc, y *tensor, in []*tensor) {
	y.fill(func(n, c, h, w int) float64 {
		var s float64
		window(d.Window, in[0], n, c, h, w, func(v *float64, _ int) { s += *v })
		return s / divisor(d.Window, in[0], h, w)
	})
}

func refAvgPoolGrad(d kernels.Desc, dx *tensor, in []*tensor) {
	clear(dx.v)
	in[0].each(func(n, c, h, w int, dy *float64) {
		share := *dy / divisor(d.Window, dx, h, w)
		window(d.Window, dx, n, c, h, w, func(v *float64, _ int) { *v += share })
	})
}
