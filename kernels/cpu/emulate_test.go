package cpu

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
)

// emulatedTiers returns the vector tiers with an interpreter of the committed assembly in
// place of the processor, for machines that lack one: wide registers and their arithmetic
// are simple, what goes wrong is addresses, loops and registers used twice.
func emulatedTiers(t *testing.T) []*tier {
	t.Helper()
	src, err := os.ReadFile("micro_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	routines := parseAssembly(t, string(src))
	var out []*tier
	for _, real := range []*tier{&avx2, &avx512} {
		e := *real
		e.name, e.rows = real.name+"-emulated", genericRows
		e.tiles, e.outers, e.narrows, e.dots = slices.Clone(real.tiles), slices.Clone(real.outers), slices.Clone(real.narrows), slices.Clone(real.dots)
		set := func(vector int) string { return map[int]string{8: "AVX2", 16: "AVX512"}[vector] }
		for i, k := range e.tiles {
			e.tiles[i].run = emulateTile(t, routines, fmt.Sprintf("tile%s_%dx%d", set(k.vector), k.positions, k.width))
		}
		e.lanesTile.run = emulateTile(t, routines, fmt.Sprintf("lanes%s_%dx%d", set(e.lanes), e.lanesTile.positions, e.lanesTile.width))
		e.direct = slices.Clone(real.direct)
		for i := range e.direct {
			e.direct[i].run = emulateDirect(t, routines, e.direct[i].function(set(e.lanes)))
		}
		e.directGrads = slices.Clone(real.directGrads)
		for i := range e.directGrads {
			name := fmt.Sprintf("directGrad%s_%d", set(e.lanes), e.directGrads[i].per)
			if e.directGrads[i].per == 0 {
				name = "directGradWide" + set(e.lanes)
			}
			e.directGrads[i].run = emulateDirectGrad(t, routines, name)
		}
		e.planars = slices.Clone(real.planars)
		for i, k := range e.planars {
			e.planars[i].run = emulatePlanar(t, routines, fmt.Sprintf("planar%s_%dx%d", set(e.lanes), k.outputs, k.vectors*k.lanes))
		}
		e.squares = slices.Clone(real.squares)
		for i, k := range e.squares {
			e.squares[i].run = emulateSquare(t, routines, fmt.Sprintf("square%s_%dx%d", set(e.lanes), k.rows, k.outputs))
		}
		e.deal = dealInReference(real)
		e.dealts = slices.Clone(real.dealts)
		for i, k := range e.dealts {
			e.dealts[i].run = emulateDealt(t, routines, fmt.Sprintf("dealt%s_%dby%d_%d", set(e.lanes), k.per, k.stride, k.outputs))
		}
		for i, k := range e.outers {
			e.outers[i].run = emulateOuter(t, routines, fmt.Sprintf("outer%s_%dx%d", set(k.vector), k.rows, k.width))
		}
		for i, k := range e.narrows {
			name := fmt.Sprintf("narrow%s_%d_%dx%d", set(k.lanes), k.per, k.taps, k.rows)
			if k.stride > 0 {
				name += fmt.Sprintf("by%d", k.stride)
			}
			e.narrows[i].run = emulateNarrow(t, routines, name)
		}
		for i, k := range e.dots {
			e.dots[i].run = emulateDot(t, routines, fmt.Sprintf("dot%s_%dx%d", set(e.lanes), k.mr, k.nr))
		}
		if real.half != nil {
			e.half = out[0]
		}
		out = append(out, &e)
	}
	return out
}

// function names a tile's function of the assembly.
func (d *directTile) function(set string) string {
	if d.per == 0 {
		return fmt.Sprintf("directWide%s_%dby%d_%d", set, d.width(), d.stride, d.outputs)
	}
	return fmt.Sprintf("direct%s_%dby%d_%d", set, d.per, d.stride, d.outputs)
}

func emulateTile(t *testing.T, routines map[string]*routine, name string) tileFunc {
	return func(w, x []float32, runs, at []int, y []float32, to []int, start []float32, last int, next []float32, step int, low float32) {
		m := newMachine(t)
		m.slice("w", 1, w)
		m.slice("x", 2, x)
		m.sliceOfInts("runs", 3, runs)
		m.sliceOfInts("at", 4, at)
		m.slice("y", 5, y)
		m.sliceOfInts("to", 6, to)
		m.slice("start", 7, start)
		m.slice("next", 8, next)
		m.parameters(map[string]int{"last": last, "step": step})
		m.scalars["low"] = low
		m.run(name, routines[name])
	}
}

func emulateDirect(t *testing.T, routines map[string]*routine, name string) directFunc {
	return func(w, x []float32, rows, xRow, xCol, xUnit, channels int, y []float32, yRow, yCol int, start []float32, units, ends int, low float32) {
		m := newMachine(t)
		m.slice("w", 1, w)
		m.slice("x", 2, x)
		m.slice("y", 3, y)
		m.slice("start", 4, start)
		m.parameters(map[string]int{"rows": rows, "xRow": xRow, "xCol": xCol, "xUnit": xUnit, "channels": channels, "yRow": yRow, "yCol": yCol, "units": units, "ends": ends})
		m.scalars["low"] = low
		m.run(name, routines[name])
	}
}

func emulateSquare(t *testing.T, routines map[string]*routine, name string) squareFunc {
	return func(w, x []float32, xRow, xCol int, y []float32, yRow, yCol int, start []float32, units, ends int, low float32) {
		m := newMachine(t)
		m.slice("w", 1, w)
		m.slice("x", 2, x)
		m.slice("y", 3, y)
		m.slice("start", 4, start)
		m.parameters(map[string]int{"xRow": xRow, "xCol": xCol, "yRow": yRow, "yCol": yCol, "units": units, "ends": ends})
		m.scalars["low"] = low
		m.run(name, routines[name])
	}
}

func emulateDirectGrad(t *testing.T, routines map[string]*routine, name string) directGradFunc {
	return func(w, dy []float32, rows, dyRow, dyCol, dyUnit, channels int, dx []float32, dxRow, dxCol int, units, ends int) {
		m := newMachine(t)
		m.slice("w", 1, w)
		m.slice("dy", 2, dy)
		m.slice("dx", 3, dx)
		m.parameters(map[string]int{"rows": rows, "dyRow": dyRow, "dyCol": dyCol, "dyUnit": dyUnit, "channels": channels, "dxRow": dxRow, "dxCol": dxCol, "units": units, "ends": ends})
		m.run(name, routines[name])
	}
}

func emulatePlanar(t *testing.T, routines map[string]*routine, name string) planarFunc {
	return func(w, x []float32, taps []int, channels, plane int, at []int, y []float32, to []int, yPlane int, start []float32, low float32, next []float32, step int) {
		m := newMachine(t)
		m.slice("w", 1, w)
		m.slice("x", 2, x)
		m.sliceOfInts("taps", 3, taps)
		m.sliceOfInts("at", 4, at)
		m.slice("y", 5, y)
		m.sliceOfInts("to", 6, to)
		m.slice("start", 7, start)
		m.slice("next", 8, next)
		m.parameters(map[string]int{"channels": channels, "plane": plane, "yPlane": yPlane, "step": step})
		m.scalars["low"] = low
		m.run(name, routines[name])
	}
}

func emulateDealt(t *testing.T, routines map[string]*routine, name string) dealtFunc {
	return func(w, x []float32, rows, xRow int, y []float32, yRow, yCol int, order []int32, start []float32, low float32, next []float32, step int, to, from []float32, into []int32, deal []int) {
		m := newMachine(t)
		m.slice("to", 7, to)
		m.slice("from", 8, from)
		m.slice("into", 10, bitsOf(into))
		m.sliceOfInts("deal", 11, deal)
		m.slice("w", 1, w)
		m.slice("x", 2, x)
		m.slice("y", 3, y)
		m.slice("start", 4, start)
		m.slice("next", 5, next)
		m.slice("order", 6, bitsOf(order))
		m.parameters(map[string]int{"rows": rows, "xRow": xRow, "yRow": yRow, "yCol": yCol, "step": step})
		m.scalars["low"] = low
		m.run(name, routines[name])
	}
}

// bitsOf returns integers as a vector holds them.
func bitsOf(x []int32) []float32 {
	bits := make([]float32, len(x))
	for i, v := range x {
		bits[i] = math.Float32frombits(uint32(v))
	}
	return bits
}

func emulateOuter(t *testing.T, routines map[string]*routine, name string) outerFunc {
	return func(dy, x []float32, strips, images, rows, cols, dyImage, dyRow, dyCol, xImage, xRow, xCol int, sums, next []float32, step int, to, from []float32, copies []int) {
		m := newMachine(t)
		m.slice("dy", 1, dy)
		m.slice("x", 2, x)
		m.slice("sums", 3, sums)
		m.slice("next", 4, next)
		m.slice("to", 5, to)
		m.slice("from", 6, from)
		m.sliceOfInts("copies", 7, copies)
		m.parameters(map[string]int{"step": step, "strips": strips, "images": images, "rows": rows, "cols": cols, "dyImage": dyImage, "dyRow": dyRow, "dyCol": dyCol, "xImage": xImage, "xRow": xRow, "xCol": xCol})
		m.run(name, routines[name])
	}
}

func emulateNarrow(t *testing.T, routines map[string]*routine, name string) narrowFunc {
	return func(dy, x []float32, strips, rows, cols, dyRow, dyCol, xRow, xCol, xTap int, sums, to, from []float32, order []int32, deal []int) {
		m := newMachine(t)
		m.slice("dy", 1, dy)
		m.slice("x", 2, x)
		m.slice("sums", 3, sums)
		m.slice("to", 4, to)
		m.slice("from", 5, from)
		m.slice("order", 6, bitsOf(order))
		m.sliceOfInts("deal", 7, deal)
		m.parameters(map[string]int{"strips": strips, "rows": rows, "cols": cols, "dyRow": dyRow, "dyCol": dyCol, "xRow": xRow, "xCol": xCol, "xTap": xTap})
		m.run(name, routines[name])
	}
}

func emulateDot(t *testing.T, routines map[string]*routine, name string) dotFunc {
	return func(a []float32, offA []int, b []float32, offB []int, n, segments, stepA, stepB int, sums []float32) {
		m := newMachine(t)
		m.slice("a", 1, a)
		m.sliceOfInts("offA", 2, offA)
		m.slice("b", 3, b)
		m.sliceOfInts("offB", 4, offB)
		m.slice("sums", 5, sums)
		m.parameters(map[string]int{"n": n, "segments": segments, "stepA": stepA, "stepB": stepB})
		m.run(name, routines[name])
	}
}
