package agent

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/dustin/go-humanize"

	"cleave/data"
	"cleave/kernels"
	"cleave/layout"
	"cleave/proto/jobpb"
	"cleave/proto/programpb"
	"cleave/worker/engine"
	"cleave/worker/exchange"
)

// Sections of every Program, and their inputs.
const (
	initial    = "init"
	accumulate = "accumulate"
	update     = "update"
	eval       = "eval"

	image  = "image"
	labels = "labels"
	number = "step"
	seed   = "seed"
	rate   = "rate"
)

// rank is a worker that has registered.
type rank struct {
	config   *Config
	session  *session
	backend  kernels.Backend
	listener net.Listener

	// From load on.
	engine    *engine.Engine
	exchange  exchange.Transport
	loader    *data.Loader
	evalBatch int
	inputs    map[string][]string // by section
	step      uint64              // the last one begun
	next      *jobpb.ToWorker     // what the coordinator wants after it, if known
	ready     *jobpb.Step         // the step that accumulate's inputs are filled for
}

// load makes everything ready for the first step: data, peers, Program, weights.
func (r *rank) load(ctx context.Context, m *jobpb.Load) error {
	if r.engine != nil {
		return errors.New("the coordinator sent a second Load")
	}
	p := m.GetProgram()
	if err := fits(p.GetArenaBytes(), r.config.MemoryLimit, r.backend.Memory()); err != nil {
		return err
	}
	src, err := data.Open(m.Data, m.Seed)
	if err != nil {
		return err
	}
	if c := m.GetContents(); c != nil {
		if err := src.Same(data.Contents{Train: int(c.TrainImages), Test: int(c.TestImages), Digest: c.Digest}); err != nil {
			return err
		}
	}
	t, err := exchange.NewGRPC(exchange.GRPCOptions{
		Rank: layout.Rank(p.GetRank()), Job: m.Job, Peers: m.Peers,
		Listener: r.listener, Logger: r.config.Log,
	})
	if err != nil {
		return err
	}
	r.exchange = t
	e, err := engine.New(p, r.backend, t)
	if err != nil {
		return err
	}
	r.engine = e
	if r.loader, err = r.open(src, p, m); err != nil {
		return err
	}
	r.evalBatch = int(m.EvalBatch)
	if err := e.Start(ctx); err != nil {
		return err
	}
	if err := e.Run(ctx, initial); err != nil {
		return err
	}
	r.config.Log.Info("loaded", "rank", p.Rank, "ranks", p.Ranks, "model", p.Model,
		"arena", humanize.IBytes(p.ArenaBytes), "data", m.Data)
	return nil
}

// fits refuses an arena that the device's memory cannot hold. A limit of 0 is none.
func fits(arena, limit, device uint64) error {
	if limit > 0 && arena > limit {
		return fmt.Errorf("the program takes %s, %s more than the memory limit of %s",
			humanize.IBytes(arena), humanize.IBytes(arena-limit), humanize.IBytes(limit))
	}
	if device > 0 && arena > device {
		return fmt.Errorf("the program takes %s, %s more than the device's memory of %s",
			humanize.IBytes(arena), humanize.IBytes(arena-device), humanize.IBytes(device))
	}
	return nil
}

// open checks what the Program wants to be fed and returns the loader that feeds it.
func (r *rank) open(src *data.Source, p *programpb.Program, m *jobpb.Load) (*data.Loader, error) {
	o := data.Options{Seed: m.Seed, Batch: int(m.Batch), EvalBatch: int(m.EvalBatch)}
	r.inputs = make(map[string][]string)
	for _, s := range []struct {
		name           string
		batch          int
		set            data.Set
		images, labels *layout.Span
	}{
		{initial, 0, nil, nil, nil},
		{accumulate, o.Batch, src.Train, &o.Images, &o.Labels},
		{update, 0, nil, nil, nil},
		{eval, o.EvalBatch, src.Test, &o.EvalImages, &o.EvalLabels},
	} {
		if !r.engine.Has(s.name) {
			if s.name == eval {
				continue
			}
			return nil, fmt.Errorf("the program has no section %q", s.name)
		}
		for _, name := range r.engine.Inputs(s.name) {
			buf, box, _ := r.engine.Input(s.name, name)
			if err := r.checkInput(name, buf, box, s.batch, s.set); err != nil {
				return nil, fmt.Errorf("section %q, input %q: %w", s.name, name, err)
			}
			switch name {
			case image:
				*s.images = box[0]
			case labels:
				*s.labels = box[0]
			}
			r.inputs[s.name] = append(r.inputs[s.name], name)
		}
	}
	return data.NewLoader(src, o), nil
}

// checkInput refuses an input that this worker cannot fill. set is nil where a section has
// no images.
func (r *rank) checkInput(name string, buf []byte, box layout.Box, batch int, set data.Set) error {
	want, size := layout.Shape{1, 1, 1, 1}, 4
	switch name {
	case image, labels:
		if set == nil {
			return errors.New("there are no images in this section")
		}
		if box[0].Lo < 0 || box[0].Hi > batch {
			return fmt.Errorf("samples %v of a batch of %d", box[0], batch)
		}
		want[0] = box[0].Len()
		if name == image {
			want[1], want[2], want[3] = set.Shape()
			size = 1
		}
	case number, seed, rate:
	default:
		return errors.New("this worker does not know what it is")
	}
	if s := box.Shape(); s != want {
		return fmt.Errorf("the program wants %v, the data has %v", s, want)
	}
	if n := want.Volume() * size; len(buf) != n {
		return fmt.Errorf("it takes %d bytes, not %d: another element type?", len(buf), n)
	}
	return nil
}

// close lets go of the peers first, so that they learn at once that this rank leaves.
func (r *rank) close() {
	if r.exchange != nil {
		r.exchange.Close()
		r.exchange = nil
	}
	if r.loader != nil {
		r.loader.Close()
		r.loader = nil
	}
	if r.engine != nil {
		r.engine.Close()
		r.engine = nil
	}
}
