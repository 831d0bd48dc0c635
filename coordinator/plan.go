package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"cleave/coordinator/job"
	"cleave/coordinator/program"
	"cleave/data"
	"cleave/kernels"
	"cleave/kernels/cpu"
	"cleave/layout"
	"cleave/model"
	"cleave/model/catalog"

	"github.com/spf13/cobra"
)

// planSettings are the flags of plan.
type planSettings struct {
	model   string
	groups  int
	workers int
	batch   int
	policy  string
	data    string
	size    int
	classes int
	device  string
	threads int
	format  string
	verbose bool

	changed func(flag string) bool
}

func (a *app) planCommand() *cobra.Command {
	d := defaultSettings()
	s := planSettings{model: d.model, workers: d.local, batch: d.batch, policy: d.policy, device: d.device, threads: 1, format: "table"}
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show how a net is split, what is exchanged and what memory it takes",
		Long: `Show how a net is split over workers: the home and the local shape of each layer, what
is exchanged where, and the memory of each worker beside that of one worker alone. It needs
no worker. The figures are those that train has with the same flags: give the --device and
the --threads of each worker, for they take memory too, and the --data.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.plan(&s) },
	}
	f := c.Flags()
	s.changed = f.Changed
	f.SortFlags = false
	f.StringVar(&s.model, "model", s.model, "net to plan (see coordinator models)")
	f.IntVar(&s.groups, "groups", 0, "groups of the net's grouped convolutions (default: the net's own)")
	f.IntVar(&s.workers, "workers", s.workers, "workers to split the net over")
	f.IntVar(&s.batch, "batch", s.batch, "images of a step, all workers together")
	f.StringVar(&s.policy, "policy", s.policy, "how the net is split: alexnet2012 (filter groups), model (channels) or data (the batch)")
	f.StringVar(&s.data, "data", "", "take the size of the images and the classes from this data (see coordinator train --help; default: the net's own)")
	f.IntVar(&s.size, "size", 0, "rows and columns of the images (default: the net's own)")
	f.IntVar(&s.classes, "classes", 0, "classes to tell apart (default: the net's own)")
	f.StringVar(&s.device, "device", s.device, "device of the workers, as with train --local")
	f.IntVar(&s.threads, "threads", s.threads, "threads of each worker that computes on the CPU")
	f.StringVar(&s.format, "format", s.format, "table or json (see docs/formats.md)")
	f.BoolVarP(&s.verbose, "verbose", "v", false, "show what runs each convolution, too: the kernel (on the CPU, for this machine's processor) and how it is divided")
	return c
}

func (a *app) plan(s *planSettings) error {
	if err := s.validate(); err != nil {
		return err
	}
	if s.verbose { // the kernels are those of this machine's processor
		if err := cpu.Check(); err != nil {
			return err
		}
	}
	net, err := s.net()
	if err != nil {
		return err
	}
	report, err := s.report(net)
	if err != nil {
		return err
	}
	if s.format == "json" {
		return writeJSON(a.stdout, report)
	}
	return writePlan(a.stdout, report)
}

func (s *planSettings) validate() error {
	faults := []error{checkModel(s.model), checkPolicy(s.policy), checkSplit(s.policy, s.workers, s.batch), checkFormat(s.format)}
	say := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	say(s.workers < 1, "--workers must be at least 1, not %d", s.workers)
	say(s.groups < 0 || s.changed("groups") && s.groups == 0, "--groups must be at least 1, not %d", s.groups)
	say(s.size < 0 || s.changed("size") && s.size == 0, "--size must be at least 1, not %d", s.size)
	say(s.classes < 0 || s.changed("classes") && s.classes == 0, "--classes must be at least 1, not %d", s.classes)
	if _, err := deviceList(s.device, s.workers); err != nil && s.workers >= 1 {
		faults = append(faults, fmt.Errorf("--device: %w", err))
	}
	say(s.threads < 1, "--threads must be at least 1, not %d", s.threads)
	say(s.data != "" && (s.size != 0 || s.classes != 0), "give --data or --size and --classes, not both")
	return usageFaults(faults)
}

// net returns the configuration of the net: its own, changed as the flags say.
func (s *planSettings) net() (model.Config, error) {
	if s.data != "" {
		src, err := data.Open(s.data, 1)
		if err != nil {
			return model.Config{}, err
		}
		return netOf(src, s.batch, s.groups, 1), nil
	}
	cfg, err := catalog.Default(s.model)
	if err != nil {
		return cfg, err
	}
	cfg.Batch, cfg.Groups = s.batch, s.groups
	if s.size > 0 {
		cfg.Height, cfg.Width = s.size, s.size
	}
	if s.classes > 0 {
		cfg.Classes = s.classes
	}
	return cfg, nil
}

// report plans the net for the workers, and for one.
func (s *planSettings) report(net model.Config) (program.Report, error) {
	devices, err := deviceList(s.device, s.workers)
	if err != nil {
		return program.Report{}, err
	}
	build := func(workers int, policy string) (*program.Bundle, error) {
		d := defaultSettings()
		b, err := job.Draw(job.Design{Model: s.model, Net: net, Optimizer: d.optimizer(), Policy: policy, Workers: workers, Evaluate: true})
		if err != nil {
			return nil, err
		}
		sizers := make([]kernels.Sizer, workers)
		for i := range sizers {
			if sizers[i], err = sizer(devices[i], s.threads); err != nil {
				return nil, err
			}
		}
		return b.Build(sizers)
	}
	all, err := build(s.workers, s.policy)
	if err != nil {
		return program.Report{}, err
	}
	one := all
	if s.workers > 1 {
		if one, err = build(1, s.policy); err != nil {
			return program.Report{}, fmt.Errorf("for one worker: %w", err)
		}
	}
	r := all.Report(one)
	if s.verbose {
		r.Kernels = all.Kernels()
	}
	return r, nil
}

// writePlan prints a report as tables.
func writePlan(w io.Writer, r program.Report) error {
	t := &tables{w: w}
	t.line("%s, batch %d, %s, policy %s", r.Model, r.Batch, plural(r.Workers, "worker"), r.Policy)
	t.table("layer\top\thome\tlocal shape\tparameters\tmultiply-adds", 4, func(row func(...any)) {
		params, macs := int64(0), int64(0)
		for _, l := range r.Layers {
			row(l.Name, l.Op, home(l.Home), shapes(l.LocalShapes), l.Parameters, millions(l.MACs))
			params += l.Parameters
			macs += l.MACs
		}
		row("all", "", "", "", params, millions(macs))
	})
	if len(r.Exchanges) == 0 {
		t.line("no exchanges")
	} else {
		t.table("exchange at\tkind\tpass\treceived an image\treceived a step", 3, func(row func(...any)) {
			image, step := make([]float64, r.Workers), make([]int64, r.Workers)
			for _, e := range r.Exchanges {
				each := "-"
				if e.PerImage != nil {
					each = perRank(e.PerImage)
				}
				row(e.At, e.Kind, e.Pass, each, perRank(e.PerStep))
				for i, n := range e.PerStep {
					step[i] += n
					if e.PerImage != nil {
						image[i] += e.PerImage[i]
					}
				}
			}
			row("all", "", "", perRank(image), perRank(step))
		})
	}
	t.table("worker\tpeak\tweights\tmomentum\tgradients\tactivations\tworkspace\texchange\tpredicted ms", 1, func(row func(...any)) {
		one := func(name string, x program.RankReport) {
			row(name, size(x.Peak), size(x.Weights), size(x.Momentum), size(x.Gradients), size(x.Activations), size(x.Workspace), size(x.Exchange), fmt.Sprintf("%.1f", x.PredictedMS))
		}
		for i, x := range r.Ranks {
			one(fmt.Sprint("rank ", i), x)
		}
		if r.Workers > 1 {
			one("one alone", r.OneWorker)
		}
	})
	for _, k := range r.Kernels {
		t.line("\nkernels of %s", ranks(k.Ranks))
		t.table("layer\tpass\tlocal shape\tkernel\tworkspace\tpredicted ms", 4, func(row func(...any)) {
			for _, c := range k.Calls {
				row(c.Layer, c.Pass, c.LocalShape, c.Kernel, size(c.Workspace), fmt.Sprintf("%.2f", c.PredictedMS))
			}
		})
	}
	return t.err
}

// tables writes aligned tables and keeps the first error.
type tables struct {
	w   io.Writer
	err error
}

func (t *tables) line(format string, args ...any) {
	_, err := fmt.Fprintf(t.w, format+"\n", args...)
	t.err = errors.Join(t.err, err)
}

// table writes a heading and rows; the first so many columns are set left, the others right.
func (t *tables) table(heading string, left int, fill func(row func(...any))) {
	rows := [][]string{strings.Split(heading, "\t")}
	fill(func(cells ...any) {
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = fmt.Sprint(c)
		}
		rows = append(rows, row)
	})
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	tw := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw)
	for _, row := range rows {
		for i, c := range row {
			if i >= left {
				c = fmt.Sprintf("%*s", width[i], c)
			}
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, c)
		}
		fmt.Fprintln(tw)
	}
	t.err = errors.Join(t.err, tw.Flush())
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// size writes bytes to a tenth of their unit.
func size[T int64 | float64](n T) string {
	v, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for v >= 1024 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	if v == math.Trunc(v) && v < 1024 && units[0] == "B" {
		return fmt.Sprintf("%.0f B", v)
	}
	return fmt.Sprintf("%.1f %s", v, units[0])
}

// few is how many ranks have a part of their own in a cell of a table; the JSON form has
// all.
const few = 4

// perRank writes bytes of each rank: once if they are all the same, the least and the most
// of many.
func perRank[T int64 | float64](bytes []T) string {
	if len(bytes) > few && !same(bytes) {
		return size(slices.Min(bytes)) + " to " + size(slices.Max(bytes))
	}
	return distinct(bytes, size[T])
}

// shapes writes the local shape of each rank: once if they are all the same, the first and
// the last of many.
func shapes(s []layout.Shape) string {
	if len(s) > few && !same(s) {
		return s[0].String() + " … " + s[len(s)-1].String()
	}
	return distinct(s, layout.Shape.String)
}

// home leaves out the middle of a home over many ranks.
func home(h string) string {
	if parts := strings.Split(h, "|"); len(parts) > few {
		return strings.Join([]string{parts[0], parts[1], "…", parts[len(parts)-1]}, "|")
	}
	return h
}

// ranks writes a rising list of ranks: of several that follow each other the first and the
// last.
func ranks(list []int) string {
	var parts []string
	for i := 0; i < len(list); {
		n := 1
		for i+n < len(list) && list[i+n] == list[i]+n {
			n++
		}
		if n == 2 { // no shorter as a span
			n = 1
		}
		part := fmt.Sprint(list[i])
		if n > 1 {
			part += fmt.Sprintf(" to %d", list[i+n-1])
		}
		parts = append(parts, part)
		i += n
	}
	if len(list) == 1 {
		return "rank " + parts[0]
	}
	return "ranks " + strings.Join(parts, ", ")
}

func same[T comparable](values []T) bool {
	for _, v := range values {
		if v != values[0] {
			return false
		}
	}
	return true
}

func distinct[T comparable](values []T, text func(T) string) string {
	if same(values) && len(values) > 0 {
		return text(values[0])
	}
	var parts []string
	for _, v := range values {
		parts = append(parts, text(v))
	}
	return strings.Join(parts, " | ")
}
