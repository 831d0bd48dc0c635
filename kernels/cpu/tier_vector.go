package cpu

// The vector tiers. Their tiles' shapes are known everywhere; the functions are set where
// the build and the machine have them.
var (
	avx2 = tier{
		name:      "avx2",
		beyond:    true,
		lanes:     8,
		tiles:     []tile{{positions: 8, width: 8, vector: 8}, {positions: 6, width: 16, vector: 8}, {positions: 4, width: 24, vector: 8}},
		lanesTile: tile{positions: 8, width: 8, vector: 8},
		spread:    4,
		direct: []directTile{
			{lanes: 8, per: 1, vectors: 1, stride: 1, outputs: 7}, {lanes: 8, per: 1, vectors: 1, stride: 1, outputs: 8},
			{lanes: 8, per: 1, vectors: 1, stride: 2, outputs: 7}, {lanes: 8, per: 1, vectors: 1, stride: 2, outputs: 8},
			{lanes: 8, per: 2, vectors: 1, stride: 1, outputs: 7}, {lanes: 8, per: 2, vectors: 1, stride: 1, outputs: 8},
			{lanes: 8, per: 2, vectors: 1, stride: 2, outputs: 7}, {lanes: 8, per: 2, vectors: 1, stride: 2, outputs: 8},
			{lanes: 8, per: 4, vectors: 1, stride: 1, outputs: 7}, {lanes: 8, per: 4, vectors: 1, stride: 1, outputs: 8},
			{lanes: 8, per: 4, vectors: 1, stride: 2, outputs: 7}, {lanes: 8, per: 4, vectors: 1, stride: 2, outputs: 8},
			{lanes: 8, per: 8, vectors: 1, stride: 1, outputs: 7}, {lanes: 8, per: 8, vectors: 1, stride: 1, outputs: 8},
			{lanes: 8, per: 8, vectors: 1, stride: 2, outputs: 7}, {lanes: 8, per: 8, vectors: 1, stride: 2, outputs: 8},
		},
		squares:     []squareTile{{lanes: 8, rows: 2, outputs: 4}},
		planars:     []planarTile{{outputs: 6, vectors: 2, lanes: 8}, {outputs: 5, vectors: 2, lanes: 8}, {outputs: 4, vectors: 3, lanes: 8}},
		directGrads: []directGradTile{{lanes: 8, per: 1, positions: 2}, {lanes: 8, per: 2, positions: 2}, {lanes: 8, per: 4, positions: 2}, {lanes: 8, per: 8, positions: 2}},
		outers:      []outerTile{{rows: 12, width: 8, vector: 8}, {rows: 6, width: 16, vector: 8}, {rows: 4, width: 24, vector: 8}},
		narrows: []narrowTile{
			{per: 1, block: 1, taps: 3, rows: 3, lanes: 8}, {per: 1, block: 1, taps: 1, rows: 12, lanes: 8}, {per: 1, block: 1, taps: 1, rows: 4, lanes: 8},
			{per: 2, block: 2, taps: 1, rows: 3, lanes: 8}, {per: 4, block: 4, taps: 1, rows: 3, lanes: 8}, {per: 8, block: 4, taps: 1, rows: 3, lanes: 8},
		},
		dots:   []dotTile{{mr: 4, nr: 3}, {mr: 1, nr: 8}},
		caches: usualCaches,
	}
	avx512 = tier{
		name:      "avx512",
		beyond:    true,
		lanes:     16,
		half:      &avx2,
		tiles:     []tile{{positions: 8, width: 16, vector: 16}, {positions: 8, width: 32, vector: 16}, {positions: 8, width: 48, vector: 16}},
		lanesTile: tile{positions: 8, width: 16, vector: 16},
		spread:    4,
		direct: []directTile{
			{lanes: 16, per: 1, vectors: 1, stride: 1, outputs: 7}, {lanes: 16, per: 1, vectors: 1, stride: 1, outputs: 8},
			{lanes: 16, per: 1, vectors: 1, stride: 2, outputs: 7}, {lanes: 16, per: 1, vectors: 1, stride: 2, outputs: 8},
			{lanes: 16, per: 2, vectors: 1, stride: 1, outputs: 7}, {lanes: 16, per: 2, vectors: 1, stride: 1, outputs: 8},
			{lanes: 16, per: 2, vectors: 1, stride: 2, outputs: 7}, {lanes: 16, per: 2, vectors: 1, stride: 2, outputs: 8},
			{lanes: 16, per: 4, vectors: 1, stride: 1, outputs: 7}, {lanes: 16, per: 4, vectors: 1, stride: 1, outputs: 8},
			{lanes: 16, per: 4, vectors: 1, stride: 2, outputs: 7}, {lanes: 16, per: 4, vectors: 1, stride: 2, outputs: 8},
			{lanes: 16, per: 8, vectors: 1, stride: 1, outputs: 7}, {lanes: 16, per: 8, vectors: 1, stride: 1, outputs: 14},
			{lanes: 16, per: 8, vectors: 1, stride: 2, outputs: 7}, {lanes: 16, per: 8, vectors: 1, stride: 2, outputs: 14},
			{lanes: 16, vectors: 1, stride: 1, outputs: 7}, {lanes: 16, vectors: 1, stride: 1, outputs: 8}, {lanes: 16, vectors: 1, stride: 1, outputs: 14}, {lanes: 16, vectors: 1, stride: 1, outputs: 16},
			{lanes: 16, vectors: 2, stride: 1, outputs: 7}, {lanes: 16, vectors: 2, stride: 1, outputs: 8},
			{lanes: 16, vectors: 1, stride: 2, outputs: 7}, {lanes: 16, vectors: 1, stride: 2, outputs: 8}, {lanes: 16, vectors: 1, stride: 2, outputs: 14}, {lanes: 16, vectors: 1, stride: 2, outputs: 16},
			{lanes: 16, vectors: 2, stride: 2, outputs: 7}, {lanes: 16, vectors: 2, stride: 2, outputs: 8},
		},
		squares: []squareTile{{lanes: 16, rows: 2, outputs: 4}, {lanes: 16, rows: 3, outputs: 7, cached: true}},
		dealts: []dealtTile{
			{lanes: 16, per: 2, stride: 1, outputs: 7}, {lanes: 16, per: 2, stride: 1, outputs: 8}, {lanes: 16, per: 2, stride: 1, outputs: 14},
			{lanes: 16, per: 2, stride: 2, outputs: 7}, {lanes: 16, per: 2, stride: 2, outputs: 8}, {lanes: 16, per: 2, stride: 2, outputs: 14},
			{lanes: 16, per: 4, stride: 1, outputs: 7}, {lanes: 16, per: 4, stride: 1, outputs: 8}, {lanes: 16, per: 4, stride: 1, outputs: 14},
			{lanes: 16, per: 4, stride: 2, outputs: 7}, {lanes: 16, per: 4, stride: 2, outputs: 8}, {lanes: 16, per: 4, stride: 2, outputs: 14},
			{lanes: 16, per: 8, stride: 1, outputs: 7}, {lanes: 16, per: 8, stride: 1, outputs: 8}, {lanes: 16, per: 8, stride: 1, outputs: 14},
			{lanes: 16, per: 8, stride: 2, outputs: 7}, {lanes: 16, per: 8, stride: 2, outputs: 8}, {lanes: 16, per: 8, stride: 2, outputs: 14},
		},
		planars: []planarTile{
			{outputs: 12, vectors: 2, lanes: 16}, {outputs: 10, vectors: 2, lanes: 16}, {outputs: 8, vectors: 3, lanes: 16}, {outputs: 6, vectors: 4, lanes: 16},
		},
		directGrads: []directGradTile{{lanes: 16, per: 1, positions: 4}, {lanes: 16, per: 2, positions: 4}, {lanes: 16, per: 4, positions: 4}, {lanes: 16, per: 8, positions: 4}, {lanes: 16, positions: 4}},
		outers:      []outerTile{{rows: 12, width: 16, vector: 16}, {rows: 12, width: 32, vector: 16}, {rows: 8, width: 48, vector: 16}},
		narrows: []narrowTile{
			{per: 1, block: 1, taps: 3, rows: 3, lanes: 16, dealt: true}, {per: 1, block: 1, taps: 1, rows: 12, lanes: 16, dealt: true},
			{per: 1, block: 1, taps: 1, rows: 4, lanes: 16, dealt: true},
			{per: 2, block: 2, taps: 3, rows: 3, stride: 1, lanes: 16, dealt: true}, {per: 2, block: 2, taps: 3, rows: 3, lanes: 16, dealt: true}, {per: 2, block: 2, taps: 1, rows: 3, lanes: 16, dealt: true},
			{per: 4, block: 2, taps: 3, rows: 3, stride: 1, lanes: 16, dealt: true}, {per: 4, block: 2, taps: 3, rows: 3, lanes: 16, dealt: true}, {per: 4, block: 4, taps: 1, rows: 3, lanes: 16, dealt: true},
			{per: 8, block: 8, taps: 1, rows: 3, stride: 2, lanes: 16, dealt: true}, {per: 8, block: 8, taps: 1, rows: 3, lanes: 16, dealt: true},
			{per: 16, block: 8, taps: 1, rows: 3, lanes: 16, dealt: true},
		},
		dealt:  true,
		dots:   []dotTile{{mr: 5, nr: 5}, {mr: 4, nr: 3}, {mr: 1, nr: 8}},
		caches: largeCaches,
		asks:   true,
	}
)
