package cpu

import (
	"fmt"

	"cleave/kernels"
)

// bindShuffle transposes the channels of each position, seen as rows of as many channels
// as a group has.
func bindShuffle(c *call) (kernels.Launch, error) {
	x, y, groups := &c.in[0], &c.out, c.d.Groups
	if err := same(y.n, "shuffle", *x); err != nil {
		return nil, err
	}
	channels := y.n[1]
	if groups < 1 || channels%groups != 0 {
		return nil, fmt.Errorf("%d channels cannot be divided into %d groups", channels, groups)
	}
	if groups == 1 || groups == channels {
		return c.copy(), nil
	}
	to, from := *y, *x // positions: the first channel of each
	to.n[1], from.n[1] = 1, 1
	l := newLoop(&to, &from)
	l.perJob = max(1, grain/channels)
	l.jobs = ceil(l.items, l.perJob)
	shuffle, per := c.b.tier.rows.shuffle, channels/groups
	return c.runs(l, func(at [maxViews]int, rows, _ int) {
		shuffle(y.w[at[0]:], x.w[at[1]:], rows, groups, per, l.pitch[0], l.pitch[1])
	}), nil
}

func shuffleGo(to, from []uint32, rows, groups, per, toPitch, fromPitch int) {
	for i := range rows {
		to, from := to[i*toPitch:][:groups*per], from[i*fromPitch:][:groups*per]
		for g := range groups {
			for j, v := range from[g*per:][:per] {
				to[j*groups+g] = v
			}
		}
	}
}
