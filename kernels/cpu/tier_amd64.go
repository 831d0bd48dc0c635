//go:build amd64 && !purego

package cpu

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd _gen && go run . -out ../micro_amd64.s -stubs ../micro_amd64.go -pkg cpu"

func init() {
	if x := &cpu.X86; x.HasAVX2 && x.HasFMA {
		avx2.set([]tileFunc{tileAVX2_6x16, tileAVX2_4x24, tileAVX2_2x32, tileAVX2_1x64}, []dotFunc{dotAVX2_4x3, dotAVX2_1x8})
		if x.HasAVX512F && x.HasAVX512VL && x.HasAVX512DQ {
			avx512.set([]tileFunc{tileAVX512_12x32, tileAVX512_8x48, tileAVX512_4x64, tileAVX512_2x64, tileAVX512_1x128}, []dotFunc{dotAVX512_5x5, dotAVX512_4x3, dotAVX512_1x8})
		}
	}
}

// set gives the tiles of t, in order, the functions that run them.
func (t *tier) set(tiles []tileFunc, dots []dotFunc) {
	for i, f := range tiles {
		t.tiles[i].run = f
	}
	for i, f := range dots {
		t.dots[i].run = f
	}
	t.rows = avx2Rows // 16 lanes would wait for memory as eight do
}
