//go:build amd64 && !purego

package cpu

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd _gen && go run . -out ../micro_amd64.s -stubs ../micro_amd64.go -pkg cpu"

func init() {
	if x := &cpu.X86; x.HasAVX2 && x.HasFMA {
		avx2.set(functions{
			tiles: []tileFunc{tileAVX2_8x8, tileAVX2_6x16, tileAVX2_4x24},
			lanes: lanesAVX2_8x8,
			direct: []directFunc{
				directAVX2_1by1_7, directAVX2_1by1_8,
				directAVX2_1by2_7, directAVX2_1by2_8,
				directAVX2_2by1_7, directAVX2_2by1_8,
				directAVX2_2by2_7, directAVX2_2by2_8,
				directAVX2_4by1_7, directAVX2_4by1_8,
				directAVX2_4by2_7, directAVX2_4by2_8,
				directAVX2_8by1_7, directAVX2_8by1_8,
				directAVX2_8by2_7, directAVX2_8by2_8,
			},
			directGrads: []directGradFunc{
				directGradAVX2_1, directGradAVX2_2, directGradAVX2_4, directGradAVX2_8,
			},
			squares: []squareFunc{squareAVX2_2x4},
			planars: []planarFunc{planarAVX2_6x16, planarAVX2_5x16, planarAVX2_4x24},
			outers:  []outerFunc{outerAVX2_12x8, outerAVX2_6x16, outerAVX2_4x24},
			narrows: []narrowFunc{narrowAVX2_1_3x3, narrowAVX2_1_1x12, narrowAVX2_1_1x4, narrowAVX2_2_1x3, narrowAVX2_4_1x3, narrowAVX2_8_1x3},
			deal:    dealEights,
			dots:    []dotFunc{dotAVX2_4x3, dotAVX2_1x8},
		})
		if x.HasAVX512F && x.HasAVX512VL && x.HasAVX512DQ {
			avx512.set(functions{
				tiles: []tileFunc{tileAVX512_8x16, tileAVX512_8x32, tileAVX512_8x48},
				lanes: lanesAVX512_8x16,
				direct: []directFunc{
					directAVX512_1by1_7, directAVX512_1by1_8,
					directAVX512_1by2_7, directAVX512_1by2_8,
					directAVX512_2by1_7, directAVX512_2by1_8,
					directAVX512_2by2_7, directAVX512_2by2_8,
					directAVX512_4by1_7, directAVX512_4by1_8,
					directAVX512_4by2_7, directAVX512_4by2_8,
					directAVX512_8by1_7, directAVX512_8by1_14,
					directAVX512_8by2_7, directAVX512_8by2_14,
					directWideAVX512_16by1_7, directWideAVX512_16by1_8, directWideAVX512_16by1_14, directWideAVX512_16by1_16,
					directWideAVX512_32by1_7, directWideAVX512_32by1_8,
					directWideAVX512_16by2_7, directWideAVX512_16by2_8, directWideAVX512_16by2_14, directWideAVX512_16by2_16,
					directWideAVX512_32by2_7, directWideAVX512_32by2_8,
				},
				squares: []squareFunc{squareAVX512_2x4, squareAVX512_3x7},
				dealts: []dealtFunc{
					dealtAVX512_2by1_7, dealtAVX512_2by1_8, dealtAVX512_2by1_14,
					dealtAVX512_2by2_7, dealtAVX512_2by2_8, dealtAVX512_2by2_14,
					dealtAVX512_4by1_7, dealtAVX512_4by1_8, dealtAVX512_4by1_14,
					dealtAVX512_4by2_7, dealtAVX512_4by2_8, dealtAVX512_4by2_14,
					dealtAVX512_8by1_7, dealtAVX512_8by1_8, dealtAVX512_8by1_14,
					dealtAVX512_8by2_7, dealtAVX512_8by2_8, dealtAVX512_8by2_14,
				},
				directGrads: []directGradFunc{
					directGradAVX512_1, directGradAVX512_2, directGradAVX512_4, directGradAVX512_8, directGradWideAVX512,
				},
				planars: []planarFunc{planarAVX512_12x32, planarAVX512_10x32, planarAVX512_8x48, planarAVX512_6x64},
				outers:  []outerFunc{outerAVX512_12x16, outerAVX512_12x32, outerAVX512_8x48},
				narrows: []narrowFunc{narrowAVX512_1_3x3, narrowAVX512_1_1x12, narrowAVX512_1_1x4, narrowAVX512_2_3x3by1, narrowAVX512_2_3x3, narrowAVX512_2_1x3, narrowAVX512_4_3x3by1, narrowAVX512_4_3x3, narrowAVX512_4_1x3, narrowAVX512_8_1x3by2, narrowAVX512_8_1x3, narrowAVX512_16_1x3},
				deal:    dealSixteens,
				dots:    []dotFunc{dotAVX512_5x5, dotAVX512_4x3, dotAVX512_1x8},
			})
		}
	}
}

// functions run a tier's tiles, in their order.
type functions struct {
	tiles       []tileFunc
	lanes       tileFunc
	direct      []directFunc
	directGrads []directGradFunc
	planars     []planarFunc
	squares     []squareFunc
	dealts      []dealtFunc
	outers      []outerFunc
	narrows     []narrowFunc
	deal        dealFunc
	dots        []dotFunc
}

func (t *tier) set(f functions) {
	for i := range f.tiles {
		t.tiles[i].run = f.tiles[i]
	}
	t.lanesTile.run = f.lanes
	for i := range f.direct {
		t.direct[i].run = f.direct[i]
	}
	for i := range f.directGrads {
		t.directGrads[i].run = f.directGrads[i]
	}
	for i := range f.planars {
		t.planars[i].run = f.planars[i]
	}
	for i := range f.squares {
		t.squares[i].run = f.squares[i]
	}
	for i := range f.dealts {
		t.dealts[i].run = f.dealts[i]
	}
	for i := range f.outers {
		t.outers[i].run = f.outers[i]
	}
	for i := range f.narrows {
		t.narrows[i].run = f.narrows[i]
	}
	t.deal = f.deal
	for i := range f.dots {
		t.dots[i].run = f.dots[i]
	}
	t.rows = avx2Rows // 16 lanes would wait for memory as eight do
}

// dealEights deals to vectors of eight lanes whose channels keep their order.
func dealEights(_ int, to, from []float32, rows, cols, channels, toRow, toVector, fromRow, fromCol int) {
	vectors := dealtVectors(8, to, from, rows, cols, channels, toRow, toVector, fromRow, fromCol)
	dealAVX2(to, from, rows, cols, vectors, channels-(vectors-1)*8, toRow, toVector, fromRow, fromCol)
}

// dealSixteens deals to vectors of sixteen lanes.
func dealSixteens(per int, to, from []float32, rows, cols, channels, toRow, toVector, fromRow, fromCol int) {
	vectors := dealtVectors(16, to, from, rows, cols, channels, toRow, toVector, fromRow, fromCol)
	last := channels - (vectors-1)*16
	if order := dealOrders[per]; order != nil {
		dealAVX512Ordered(to, from, order, rows, cols, vectors, last, toRow, toVector, fromRow, fromCol)
	} else {
		dealAVX512(to, from, rows, cols, vectors, last, toRow, toVector, fromRow, fromCol)
	}
}
