package cpu

// dealing is pixels that are dealt to a panel. Tiles deal a vector of them with each position
// that they compute, pixel by pixel as these lie in memory: so the processor fetches them ahead
// in one stream, and nothing waits for it. finish deals what is left.
type dealing struct {
	to, from         []float32
	rows, cols       int
	channels         int // of a pixel
	toRow, toVector  int // floats
	fromRow, fromCol int
	words            [dealWords]int
}

// Words of the state of a dealing, which tiles change. Those that say how far something is are
// in bytes.
const (
	dealTo       = iota // from the panel's beginning to the next vector's place
	dealFrom            // from the first pixel to the next vector
	dealLines           // vectors that are left of the pixel; 0: tiles deal none
	dealPixels          // that are left of the row, with this one
	dealRows            // that are left, with this one
	dealVectors         // of a pixel
	dealCols            // pixels of a row
	dealToVector        // from a vector to the next of the pixel,
	dealFromVector
	dealToPixel // after the pixel's last to the next pixel's first
	dealFromPixel
	dealToRow // and after the row's last to the next row's first
	dealFromRow
	dealWords
)

// newDealing returns rows × cols pixels of so many channels in groups of per, to be dealt as a
// dealFunc does. Tiles deal whole vectors only.
func (t *tier) newDealing(per int, to, from []float32, rows, cols, channels, toRow, toVector, fromRow, fromCol int) dealing {
	lanes := t.lanesTile.width
	vectors := dealtVectors(lanes, to, from, rows, cols, channels, toRow, toVector, fromRow, fromCol)
	d := dealing{to: to, from: from, rows: rows, cols: cols, channels: channels, toRow: toRow, toVector: toVector, fromRow: fromRow, fromCol: fromCol}
	d.words = [dealWords]int{
		dealPixels: cols, dealRows: rows, dealVectors: vectors, dealCols: cols,
		dealToVector: 4 * toVector, dealFromVector: 4 * lanes, dealToPixel: 4 * (lanes - vectors*toVector), dealFromPixel: 4 * (fromCol - channels),
		dealToRow: 4 * (toRow - cols*lanes), dealFromRow: 4 * (fromRow - cols*fromCol),
	}
	if channels == lanes { // a pixel for each row, of a vector for each column
		d.words = [dealWords]int{
			dealPixels: 1, dealRows: rows, dealVectors: cols, dealCols: 1,
			dealToVector: 4 * lanes, dealFromVector: 4 * fromCol, dealToRow: 4 * (toRow - cols*lanes), dealFromRow: 4 * (fromRow - cols*fromCol),
		}
	}
	if channels%lanes == 0 {
		d.words[dealLines] = d.words[dealVectors]
	}
	return d
}

// left reports whether tiles have something to deal.
func (d *dealing) left() bool { return d.words[dealLines] > 0 }

// finish deals what is left.
func (d *dealing) finish(t *tier, per int) {
	lanes := t.lanesTile.width
	row, col := d.rows-d.words[dealRows], d.words[dealCols]-d.words[dealPixels]
	if d.channels == lanes {
		col = d.cols - d.words[dealLines]
	}
	some := func(rows, cols int) {
		t.deal(per, d.to[row*d.toRow+col*lanes:], d.from[row*d.fromRow+col*d.fromCol:], rows, cols, d.channels, d.toRow, d.toVector, d.fromRow, d.fromCol)
	}
	if row < d.rows && col > 0 {
		some(1, d.cols-col)
		row, col = row+1, 0
	}
	if row < d.rows {
		some(d.rows-row, d.cols)
	}
	d.words[dealRows], d.words[dealLines] = 0, 0
}

// order returns for each lane of a tier's vectors of groups of per channels the channel that
// is dealt to it; nil: they keep their order.
func (t *tier) order(per int) []int32 {
	if !t.dealt {
		return nil
	}
	return dealOrders[per]
}

// dealOrders are the channels of sixteen lanes where they are not in their order.
var dealOrders = func() (orders [17][]int32) {
	for _, per := range []int{2, 4, 8} {
		for l := range 16 {
			orders[per] = append(orders[per], int32(dealtChannel(16, per, l)))
		}
	}
	return orders
}()
