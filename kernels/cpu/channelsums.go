package cpu

import (
	"fmt"

	"cleave/kernels"
	"cleave/layout"
)

// Sums over the pixels, one for each channel. Pixels are divided into blocks by the shape
// only, whatever the number of threads. Each block has sums of its own, in double precision;
// at the end they are added in order.

// sumGrain returns about how many elements a block has: enough that adding up the blocks'
// sums takes no time beside them.
func sumGrain(n layout.Shape) int {
	return max(1<<15, 64*n[1], n.Volume()/32)
}

// sumBlocks bounds the number of blocks: one has half a grain at least, but for the last.
func sumBlocks(n layout.Shape) int { return 2*ceil(n.Volume(), sumGrain(n)) + 1 }

// sumWorkspace is the scratch memory in bytes of sums over operands of such a shape.
func sumWorkspace(n layout.Shape) int64 { return 8 * int64(sumBlocks(n)) * int64(rowWidth(n[1])) }

// newSums plans a walk for sums.
func newSums(vs ...*view) *pixels {
	grain := sumGrain(vs[0].n)
	return newPixels(grain, vs...).widen(grain)
}

// channelSums returns a launch that adds up pixels: add adds rows to the totals of their
// elements, and finish takes each channel's sum.
func (c *call) channelSums(p *pixels, before func(), add func(to []float64, at [maxViews]int, rows, width int), finish func(ch int, sum float64)) (kernels.Launch, error) {
	return c.pairSums(p, 1, before, func(to, _ []float64, at [maxViews]int, rows, width int) { add(to, at, rows, width) },
		func(ch int, sum, _ float64) { finish(ch, sum) })
}

// pairSums is channelSums for kinds sums of each channel, one or two.
func (c *call) pairSums(p *pixels, kinds int, before func(), add func(to, second []float64, at [maxViews]int, rows, width int), finish func(ch int, sum, second float64)) (kernels.Launch, error) {
	lanes := roundUp(p.width, 8)
	if len(c.ws) < 8*kinds*p.jobs*lanes {
		return nil, fmt.Errorf("the workspace is too small")
	}
	sums := doubles(c.ws)[:kinds*p.jobs*lanes]
	body := func(_, job int) {
		to := sums[kinds*job*lanes:][:kinds*lanes]
		clear(to)
		p.job(job, func(at [maxViews]int, rows, width int) { add(to[:lanes], to[(kinds-1)*lanes:], at, rows, width) })
	}
	channel := func(total []float64, ch int) (s float64) {
		for i := ch; i < p.width; i += p.channels {
			s += total[i]
		}
		return s
	}
	pool := c.b.pool
	return func() error {
		before()
		pool.run(p.jobs, body)
		total := sums[:kinds*lanes]
		for job := 1; job < p.jobs; job++ {
			for i, v := range sums[kinds*job*lanes:][:len(total)] {
				total[i] += v
			}
		}
		for ch := range p.channels {
			finish(ch, channel(total[:lanes], ch), channel(total[(kinds-1)*lanes:], ch))
		}
		return nil
	}, nil
}
