package cpu

// filters is an operand that a product packs, or a gradient: element (row, channel, tap) of
// group g lies at at + g·group + row·row + channel·channel + the tap's r·r + s·s.
type filters struct {
	f                   []float32
	at                  int
	group, row, channel int
	r, s                int
}

// pos returns the index of an element.
func (o *filters) pos(group, row, channel int, k tap) int {
	return o.at + group*o.group + row*o.row + channel*o.channel + k.r*o.r + k.s*o.s
}

// filters returns those of w, with k of a group as rows.
func (w *view) filters(k int) filters {
	return filters{w.f, w.at, k * w.st[0], w.st[0], w.st[1], w.st[2], w.st[3]}
}

// turned returns filters with rows and channels exchanged.
func (o filters) turned() filters {
	o.row, o.channel = o.channel, o.row
	return o
}

// pack packs a part of a bundle's filters for one target: pass by pass over the channels,
// tap by tap, channel by channel a row of the part's width; zeros beyond the last output
// channel.
func (b *bound) pack(to []float32, t *target, bundle int, k *part) {
	if b.lanes {
		b.packLanes(to, t, bundle)
		return
	}
	o := &b.filters
	valid := min(k.width, b.p.m-k.first)
	for c0 := 0; c0 < b.p.channels; c0 += b.channels {
		count := min(b.channels, b.p.channels-c0)
		for _, tap := range t.taps {
			from := o.f[o.pos(bundle, k.first, c0, tap):]
			if valid < k.width {
				clear(to[:count*k.width])
			}
			switch {
			case o.row == 1:
				b.ops.copyPanel(to, from, 1, count, valid, 0, k.width, 0, o.channel)
			case o.channel == 1:
				b.ops.transpose(words(to), words(from), valid, count, k.width, o.row)
			default:
				o.copy(to, from, valid, count, k.width)
			}
			to = to[count*k.width:]
		}
	}
}

// copy copies a tap's elements of some rows and channels, pitch floats from channel to
// channel.
func (o *filters) copy(to, from []float32, rows, channels, pitch int) {
	for i := range rows {
		for c := range channels {
			to[c*pitch+i] = from[i*o.row+c*o.channel]
		}
	}
}

// packLanes packs a bundle of groups: each lane has the elements of its own group.
func (b *bound) packLanes(to []float32, t *target, bundle int) {
	o, lanes := &b.filters, b.width
	for _, tap := range t.taps {
		for c := range b.per {
			for l := range lanes {
				ch, v := bundle*lanes+l, float32(0)
				if g := ch / b.per; g < b.p.groups {
					v = o.f[o.pos(g, ch%b.per, c, tap)]
				}
				to[l] = v
			}
			to = to[lanes:]
		}
	}
}
