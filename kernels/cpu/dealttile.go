package cpu

// dealtTile computes some neighbouring outputs of rows of a 3×3 convolution in groups of two,
// four or eight channels, for one vector of channels. The source was dealt to a panel, from
// which one load fills the lanes of all groups.
type dealtTile struct {
	lanes   int
	per     int // channels of a group
	stride  int // of rows and columns
	outputs int // neighbours
	run     dealtFunc
}

// dealtFunc runs a dealtTile.
//
// x is the panel from the first tap of the first output on: its rows are xRow floats apart,
// its columns a vector. y's rows are yRow floats apart, its columns yCol. The filters lie row
// by row, in it channel by channel of the groups, and in it tap by tap, in dealt lanes as start,
// with which sums begin. order has for each of y's lanes the dealt one. Outputs are no less than
// low. The caches are asked for lines from next on, step bytes apart (see asked). Meanwhile
// vectors are dealt to a panel: to, from, into, which is the order of lanes, and deal are those
// of a dealing.
//
// dealtReference is the same in Go.
type dealtFunc = func(w, x []float32, rows, xRow int, y []float32, yRow, yCol int, order []int32, start []float32, low float32, next []float32, step int, to, from []float32, into []int32, deal []int)

// asked is how many lines a tile asks for while it computes some rows: about what as many
// outputs of the next rows take.
func (d *dealtTile) asked(rows int) int {
	turns := 3 * d.per
	return rows * turns * ceil((d.stride*d.stride+1)*d.outputs, turns)
}

// order returns for each lane of a vector that keeps its order the dealt one.
func (d *dealtTile) order() []int32 {
	order := make([]int32, d.lanes)
	for l := range order {
		order[dealtChannel(d.lanes, d.per, l)] = int32(l)
	}
	return order
}

// dealtTile returns the tile for a product that takes the least time, if there is one.
func (p *product) dealtTile(t *tier) *dealtTile {
	var best *dealtTile
	var least int
	for i := range t.dealts {
		d := &t.dealts[i]
		if p.m != d.per || p.channels != d.per || p.groups*d.per%d.lanes != 0 || p.stride != [2]int{d.stride, d.stride} || !p.small(d.outputs) {
			continue
		}
		if c := ceil(p.targets[0].cols, d.outputs) * (3*d.outputs + 3); best == nil || c < least {
			best, least = d, c
		}
	}
	return best
}

// dealtBlocking divides a product for a dealtTile: blocks of rows, of which a job takes some.
// A panel holds one vector of a block, which stays in the first-level cache, while the next
// vector is dealt to another. Tiles ask for the next block's lines, so a vector's are near though
// they lie apart; a block is small enough that they stay in the second-level cache.
func (p *product) dealtBlocking(d *dealtTile, t *tier, threads int) blocking {
	b := p.unitBlocking(d.per, d.lanes)
	k := &p.targets[0]
	b.dealt, b.cols = d, k.cols
	width := (k.cols-1)*d.stride + 3
	size := func(rows int) int { return ((rows-1)*d.stride + 3) * width * d.lanes }
	b.rows = even(k.rows, dealtRows)
	lines := func(rows int) int { return rows * (d.stride*p.size[1] + k.cols) * b.bundles * d.lanes }
	for b.rows > 1 && 4*size(b.rows) > t.caches.first/2 || b.rows > dealtLeast && 4*lines(b.rows) > t.caches.second/4 {
		b.rows = even(k.rows, b.rows-1)
	}
	b.copied = [2]int{(b.rows-1)*d.stride + 3, width}
	b.pitch = size(b.rows)
	b.some = max(1, p.samples*ceil(k.rows, b.rows)/(someJobs*threads))
	return b
}

const (
	dealtRows  = 14 // of outputs, at most, make a block,
	dealtLeast = 2  // or so many though their lines are many
)

// prepareDealt packs a vector's filters and what its sums begin with.
func (b *bound) prepareDealt(_, vector int) {
	d, o := b.dealt, &b.filters
	groups := d.lanes / d.per
	packs := b.packs[vector*b.size:][:b.size]
	for i, tap := range b.p.targets[0].taps {
		for l := range d.lanes { // of group l%groups, row l/groups
			from := o.at + (vector*groups+l%groups)*o.group + l/groups*o.row + tap.r*o.r + tap.s*o.s
			for c := range d.per {
				packs[((i/3*d.per+c)*3+i%3)*d.lanes+l] = o.f[from+c*o.channel]
			}
		}
	}
	b.begin(vector*d.lanes, d.lanes, d.lanes, func(l int) int { return vector*d.lanes + dealtChannel(d.lanes, d.per, l) })
	b.scaled(packs, vector*d.lanes, d.lanes)
}
