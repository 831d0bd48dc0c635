package cpu

// The vector tiers. Their tiles' shapes are known everywhere; the functions are set where
// the build and the machine have them.
var (
	avx2 = tier{
		name:  "avx2",
		lanes: 8,
		tiles: []tile{{mr: 6, nr: 16}, {mr: 4, nr: 24}, {mr: 2, nr: 32}, {mr: 1, nr: 64}},
		dots:  []dotTile{{mr: 4, nr: 3}, {mr: 1, nr: 8}},
	}
	avx512 = tier{
		name:  "avx512",
		lanes: 16,
		tiles: []tile{{mr: 12, nr: 32}, {mr: 8, nr: 48}, {mr: 4, nr: 64}, {mr: 2, nr: 64}, {mr: 1, nr: 128}},
		dots:  []dotTile{{mr: 5, nr: 5}, {mr: 4, nr: 3}, {mr: 1, nr: 8}},
	}
)
