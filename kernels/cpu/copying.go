package cpu

// copying is pixels of some images that are copied to a panel. Tiles copy a vector of them every
// few positions that they compute, pixel by pixel, and ask for those to come: so nothing waits
// for memory. finish copies what is left.
type copying struct {
	to, from                    []float32
	images, rows, cols          int
	channels                    int // of a pixel
	toImage, toRow, toCol       int // floats
	fromImage, fromRow, fromCol int
	single                      bool // a vector copies a pixel
	words                       [copyWords]int
}

// Words of the state of a copying, which tiles change up to copyImages. Those that say how far
// something is are in bytes.
const (
	copyTo      = iota // from the panel's beginning to the next vector's place
	copyFrom           // from the first pixel to the next vector
	copyCount          // positions up to the next vector; 0: there is none
	copyLines          // vectors that are left of the pixel; 0: tiles copy none
	copyPixels         // that are left of the row, with this one
	copyRows           // that are left of the image, with this one
	copyImages         // that are left, with this one
	copyPace           // positions from vector to vector
	copyAhead          // how far ahead pixels are asked for
	copyMask           // lanes of a vector
	copyVectors        // of a pixel
	copyCols           // pixels of a row
	copyImageRows
	copyToVector // from a vector to the next of the pixel
	copyFromVector
	copyToPixel // after the pixel's last to the next pixel's first
	copyFromPixel
	copyToRow // after the row's last to the next row's first
	copyFromRow
	copyToImage // and after the image's last to the next image's first
	copyFromImage
	copyWords
)

const (
	copiedAhead = 8 << 10 // bytes: two pages, for processors fetch ahead by themselves within a page only,
	leastAhead  = 16      // and so many vectors at least
)

// vectorsOf returns how many vectors of a tier copy n channels, and how many floats lie between
// the first ones of two: they may overlap, but write no more than the channels. There are none if
// that cannot be.
func (t *tier) vectorsOf(n int) (vectors, step int) {
	if n < t.lanes && t.lanes < 16 || t.lanes == 1 { // only of sixteen lanes some can be written
		return 0, 0
	}
	if n <= t.lanes {
		return 1, 0
	}
	rest := n - t.lanes
	for gaps := ceil(rest, t.lanes); gaps <= 2*ceil(rest, t.lanes); gaps++ {
		if rest%gaps == 0 {
			return gaps + 1, rest / gaps
		}
	}
	return 0, 0
}

// start sets the words, for a vector each pace positions. It panics if what would be read or
// written does not lie in the slices.
func (c *copying) start(t *tier, pace int) {
	vectors, step := t.vectorsOf(c.channels)
	c.words = [copyWords]int{copyCount: pace, copyPace: pace, copyPixels: c.cols, copyRows: c.rows, copyImages: c.images}
	if vectors == 0 || c.images == 0 {
		return
	}
	last := func(image, row, col int) int {
		return (c.images-1)*image + (c.rows-1)*row + (c.cols-1)*col + c.channels - 1
	}
	_, _ = c.to[last(c.toImage, c.toRow, c.toCol)], c.from[last(c.fromImage, c.fromRow, c.fromCol)]
	w := &c.words
	ahead := max(ceil(copiedAhead, 4*max(1, c.fromCol)), ceil(leastAhead, vectors)) // pixels
	w[copyAhead], w[copyMask] = 4*ahead*c.fromCol, 1<<min(c.channels, t.lanes)-1
	w[copyCols], w[copyImageRows] = c.cols, c.rows
	w[copyToRow], w[copyFromRow] = 4*(c.toRow-c.cols*c.toCol), 4*(c.fromRow-c.cols*c.fromCol)
	w[copyToImage], w[copyFromImage] = 4*(c.toImage-c.rows*c.toRow), 4*(c.fromImage-c.rows*c.fromRow)
	if c.single = vectors == 1; c.single { // a pixel for each row, of a vector for each column
		w[copyLines], w[copyVectors], w[copyPixels], w[copyCols] = c.cols, c.cols, 1, 1
		w[copyToVector], w[copyFromVector] = 4*c.toCol, 4*c.fromCol
		return
	}
	w[copyLines], w[copyVectors], w[copyToVector], w[copyFromVector] = vectors, vectors, 4*step, 4*step
	w[copyToPixel], w[copyFromPixel] = 4*(c.toCol-vectors*step), 4*(c.fromCol-vectors*step)
}

// vectors is how many tiles copy.
func (c *copying) vectors(t *tier) int {
	n, _ := t.vectorsOf(c.channels)
	return c.images * c.rows * c.cols * n
}

// left reports whether tiles have something to copy.
func (c *copying) left() bool { return c.words[copyLines] > 0 }

// finish copies what is left.
func (c *copying) finish(ops *rowOps) {
	w := &c.words
	image, row, col := c.images-w[copyImages], c.rows-w[copyRows], c.cols-w[copyPixels]
	if c.single {
		col = c.cols - w[copyLines]
	}
	for ; image < c.images; image++ {
		some := func(rows, cols int) {
			if rows > 0 && cols > 0 {
				to, from := c.to[image*c.toImage+row*c.toRow+col*c.toCol:], c.from[image*c.fromImage+row*c.fromRow+col*c.fromCol:]
				ops.copyPanel(to, from, rows, cols, c.channels, c.toRow, c.toCol, c.fromRow, c.fromCol)
			}
		}
		if col > 0 {
			some(1, c.cols-col)
			row, col = row+1, 0
		}
		some(c.rows-row, c.cols)
		row = 0
	}
	*c = copying{}
}
