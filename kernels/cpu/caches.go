package cpu

// caches is the sizes in bytes of a core's own caches. Blocks are made to fit in shares of
// them.
type caches struct{ first, second int }

// A tier's calls are divided for the caches that processors of its kind have at least. They
// are not read from the machine: how far a block goes decides in which order products are
// summed, and a result must not depend on where it was computed.
var (
	usualCaches = caches{first: 32 << 10, second: 256 << 10}
	largeCaches = caches{first: 48 << 10, second: 1 << 20}
)

// pass returns the bytes of the filter elements of a pass over a job's outputs, which stay in
// the first-level cache or, if tiles ask for them, the second.
func (c caches) pass(asks bool) int {
	if asks {
		return c.second / 4
	}
	return c.first * 13 / 16
}

// panel returns the floats of a product's panel, which stays in the second-level cache.
func (c caches) panel() int { return c.second / 2 / 4 }

// filterGrad returns the floats of a turn's panels, of which there are two, and the sums of a job,
// which share the second-level cache, and the bytes of a panel and of dy that a tile's strips
// reach, which stay in the first.
func (c caches) filterGrad() (gradPanels, gradBytes, gradSums int) {
	return c.second * 3 / 8 / 4, c.first * 3 / 4, c.second * 5 / 8 / 4
}
