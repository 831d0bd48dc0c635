package plan

import (
	"fmt"
	"strings"

	"cleave/layout"
)

// Policies lists the policies that New takes.
//
//   - alexnet2012: Krizhevsky et al. 2012, for nets with filter groups: every layer's filters
//     are split, in whole groups where there are enough; groups cross where a layer reads
//     all channels.
//   - model: every layer's filters and neurons are split, with or without groups.
//   - data: the batch is split and every rank keeps all parameters; batch norm is
//     synchronised.
func Policies() []string { return []string{"alexnet2012", "model", "data"} }

// New plans a graph for a number of ranks under a policy. The error says why where a
// policy makes no sense for the graph and that many ranks.
func New(g *Graph, policy string, ranks int) (*Plan, error) {
	if ranks < 1 {
		return nil, fmt.Errorf("%d workers: at least one is needed", ranks)
	}
	p := &Plan{Graph: g, Policy: policy, Ranks: ranks}
	switch policy {
	case "alexnet2012":
		if ranks > 1 && g.Groups < 2 {
			return nil, fmt.Errorf("policy alexnet2012 splits filter groups and %s has none: use model or data, or --groups", g.Name)
		}
		fallthrough
	case "model":
		cuts, err := channelCuts(g, ranks)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", policy, err)
		}
		for _, t := range g.Tensors {
			axis := t.Axes.Chan
			if cuts[t.ID] == nil {
				axis = -1
			}
			p.Homes = append(p.Homes, home(t, axis, cuts[t.ID], ranks))
		}
	case "data":
		if g.Batch < ranks {
			return nil, fmt.Errorf("policy data gives every worker a part of the batch: a batch of %d is too small for %d workers", g.Batch, ranks)
		}
		samples := layout.Even(g.Batch, ranks, 1)
		for _, t := range g.Tensors {
			p.Homes = append(p.Homes, home(t, t.Axes.Batch, samples, ranks))
		}
	default:
		return nil, fmt.Errorf("unknown policy %q: choose one of %s", policy, strings.Join(Policies(), ", "))
	}
	p.assign()
	return p, nil
}

func home(t *Tensor, axis int, c layout.Cuts, ranks int) layout.Home {
	if axis < 0 {
		return layout.Replicated(t.Shape, ranks)
	}
	return layout.Split(t.Shape, axis, c)
}

// channelCuts cuts the channels of every tensor over the ranks, by Tensor.ID; nil where a
// tensor has no channels to cut. A tensor takes the cuts of the input that it is like, so
// that cuts never drift apart between layers; only ops that make new channels are cut
// afresh. The image is not cut, nor is what is like it.
func channelCuts(g *Graph, ranks int) ([]layout.Cuts, error) {
	cuts := make([]layout.Cuts, len(g.Tensors))
	for _, n := range g.Insts {
		axis := n.Out.Axes.Chan
		if axis < 0 {
			continue
		}
		size := n.Out.Shape[axis]
		var c layout.Cuts
		if i := n.Op.Like(); i < 0 {
			if n.Phase == Forward && size < ranks && size != g.Classes {
				return nil, fmt.Errorf("%s has %d channels, too few for %d workers", n.Layer, size, ranks)
			}
			c = fresh(size, g.Groups, ranks)
		} else if like := cuts[n.In[i].ID]; like == nil {
			continue // of the image: every rank reads all its channels
		} else if c = inherit(like, size); c == nil {
			c = fresh(size, g.Groups, ranks)
		}
		cuts[n.Out.ID] = c
		for _, t := range n.In { // parameters and statistics lie where they are used
			if t.Persistent() && cuts[t.ID] == nil && t.Shape[t.Axes.Chan] == size {
				cuts[t.ID] = c
			}
		}
	}
	return cuts, nil
}

// inherit carries the cuts of an input over to an axis of the given size: the same size,
// or a multiple (flatten). Nil where they do not carry over.
func inherit(c layout.Cuts, size int) layout.Cuts {
	from := c[len(c)-1]
	if from == 0 || size%from != 0 {
		return nil
	}
	return c.Scale(size / from)
}

// fresh cuts channels in proportion to the net's groups where there are at least as many
// as ranks, so that a dense layer hands a grouped one its groups whole.
func fresh(size, groups, ranks int) layout.Cuts {
	unit := 1
	if groups >= ranks && size%groups == 0 {
		unit = size / groups
	}
	return layout.Even(size, ranks, unit)
}
