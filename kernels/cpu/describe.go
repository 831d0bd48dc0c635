package cpu

import (
	"fmt"
	"strings"

	"cleave/kernels"
	"cleave/layout"
)

// describe names the kernel that a call runs on a tier and how it is divided, for people:
// one line that fits in a table. It is a function of its arguments alone.
//
// A convolution's line begins with its tiles (tile.go) and how many lie side by side:
//
//	tile        positions x output channels
//	lanes       the same where groups share vectors
//	direct      the same, of a row, from the source where it is
//	square      rows x columns of outputs x channels, likewise, for rows inside the source
//	dealt       as direct, from a copy in an order of its own
//	planar      the same, from and to copies in which positions are neighbours
//	outer       filters x floats of a row of taps; turned: channels x filters
//	narrow      rows x columns of taps x output channels, of groups that share vectors
//	dot         samples x outputs of a linear layer
//	linear tile as tile, of a linear layer's data gradient
//
// then come the source's channels of a pass, if there are several passes, what a job or a
// block of sums takes (positions as samples×rows×columns, ×n where a job has several blocks), a
// thread's panel, and the number of jobs. Kernels of other codes, and calls that Bind refuses,
// have the code's name.
func describe(d kernels.Desc, out layout.Shape, in []layout.Shape, t *tier, threads int) string {
	g, ok := convGeometry(d, out, in)
	if !ok {
		return d.Code.String()
	}
	g = g.whole(d.Code)
	c := g.choose(d.Code, t, threads)
	return c.String()
}

func (c *choice) String() string {
	var w line
	switch {
	case c.linear != nil:
		w.linear(c.linear)
	case c.linearGrad != nil:
		w.linearGrad(c.linearGrad)
	case c.filterGrad != nil:
		w.filterGrad(c.filterGrad)
	case c.narrowGrad != nil:
		w.narrowGrad(c.narrowGrad)
	default:
		w.product(c.product, &c.blocking)
	}
	return w.String()
}

// line is a description as it is written.
type line struct{ strings.Builder }

func (w *line) put(format string, a ...any) { fmt.Fprintf(w, format, a...) }

// share says which part of something a job has, unless it is all.
func (w *line) share(n, of int, what string) {
	if n < of {
		w.put(" × %d of %d %s", n, of, what)
	}
}

// panel writes a number of floats.
func (w *line) panel(floats int) {
	if floats > 0 {
		w.put(" | panel %d KiB", ceil(4*floats, 1<<10))
	}
}

// counted writes each name once, with how often it is there.
func (w *line) counted(names []string) {
	var order []string
	count := map[string]int{}
	for _, name := range names {
		if count[name]++; count[name] == 1 {
			order = append(order, name)
		}
	}
	for i, name := range order {
		if i > 0 {
			w.put(" +")
		}
		w.put(" %s", name)
		if n := count[name]; n > 1 {
			w.put(" ×%d", n)
		}
	}
}

func (w *line) tiles(parts []part) {
	var names []string
	for _, k := range parts {
		names = append(names, fmt.Sprintf("%dx%d", k.positions, k.width))
	}
	w.counted(names)
}

func (w *line) product(p *product, b *blocking) {
	bundles := "groups"
	switch {
	case b.direct != nil:
		w.put("direct %dx%d", b.direct.outputs, b.direct.width())
		if q := b.square; q != nil {
			w.put(" | square %dx%dx%d", q.rows, q.outputs, q.lanes)
		}
	case b.dealt != nil:
		w.put("dealt %dx%d | block 1×%d×%d | %d blocks a job", b.dealt.outputs, b.dealt.lanes, b.rows, b.cols, b.some)
		w.panel(b.panel())
		w.put(" | jobs %d", p.jobs(b))
		return
	case b.planar != nil:
		w.put("planar %dx%d", b.planar.vectors*b.planar.lanes, b.planar.outputs)
	case b.directGrad != nil:
		w.put("direct gradient %dx%d", b.directGrad.positions, b.directGrad.lanes)
	case b.lanes:
		bundles = "vectors"
		w.put("lanes")
		w.tiles(b.parts)
	default:
		w.put("tile")
		w.tiles(b.parts)
	}
	if b.channels < p.channels {
		w.put(" | pass %d of %d ch", b.channels, p.channels)
	}
	w.put(" | job %d×%d×%d", b.samples, b.rows, b.cols)
	if b.planar == nil && b.batch > 1 {
		w.put(" ×%d", b.batch)
	}
	w.share(b.few, len(b.parts), "tiles")
	w.share(b.some, b.bundles, bundles)
	w.panel(b.panel())
	w.put(" | jobs %d", p.jobs(b))
}

func (w *line) filterGrad(f *filterGrad) {
	w.put("outer")
	filters, channels := "filters", "ch"
	if f.turned {
		w.put(" turned")
		filters, channels = channels, filters
	}
	var names []string
	for _, r := range f.runs {
		for _, o := range r.tiles {
			names = append(names, fmt.Sprintf("%dx%d", o.rows, o.width))
		}
	}
	w.counted(names)
	w.put(" | block %d×%d×%d", f.nb, f.rb, f.wb)
	w.share(f.kb, f.k, filters)
	w.share(f.cb, f.c, channels)
	w.share(f.some, f.groups, "groups")
	if f.parts > 1 {
		w.put(" | %d parts", f.parts)
	}
	x, dy, _ := f.scratch()
	w.panel(2 * (x + dy))
	w.put(" | jobs %d", f.jobs())
}

func (w *line) narrowGrad(f *narrowGrad) {
	w.put("narrow")
	var names []string
	for _, k := range f.tiles {
		names = append(names, fmt.Sprintf("%dx%dx%d", k.taps, k.rows, k.lanes))
	}
	w.counted(names)
	w.put(" | block 1×%d×%d", f.rb, f.out[1])
	w.share(f.some, f.vectors, "vectors")
	if f.parts > 1 {
		w.put(" | %d parts", f.parts)
	}
	x, dy := f.scratch()
	w.panel(x + dy)
	w.put(" | jobs %d", f.jobs())
}

func (w *line) linear(l *linear) {
	w.put("dot %dx%d | job %d samples × %d outputs | jobs %d", l.dot.mr, l.dot.nr, l.nb, l.kb, l.jobs())
}

func (w *line) linearGrad(l *linearDataGrad) {
	w.put("linear tile")
	w.tiles(l.parts[0])
	if l.kb < l.k {
		w.put(" | pass %d of %d ch", l.kb, l.k)
	}
	w.put(" | job %d samples", l.samples)
	w.share(min(l.c, l.cb), l.c, "ch")
	w.put(" | jobs %d", l.jobs())
}
