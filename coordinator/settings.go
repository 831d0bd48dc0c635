package main

import (
	"fmt"
	"math"
	"net"
	"runtime"
	"time"

	"cleave/coordinator/job"
	"cleave/coordinator/plan"

	"github.com/spf13/pflag"
)

// settings are the flags of train.
type settings struct {
	model    string
	groups   int
	data     string
	batch    int
	epochs   uint64
	steps    uint64
	rate     float64
	momentum float64
	decay    float64
	schedule string
	warmup   string
	seed     uint64
	policy   string

	local     int
	workers   int
	listen    string
	advertise string
	device    string
	threads   int
	memory    string

	evalEvery  uint64
	metrics    string
	tensors    bool
	noProgress bool
	wait       time.Duration

	changed func(flag string) bool
}

// The defaults train a small two-group AlexNet on generated images, over two workers on
// this machine, in well under a minute, to nearly all right.
func defaultSettings() settings {
	return settings{
		model: "alexnet-mini", data: "patterns", batch: 32, epochs: 8,
		rate: 0.01, momentum: 0.9, decay: 5e-4, schedule: "constant", seed: 1, policy: "alexnet2012",
		local: 2, device: "cpu", wait: 5 * time.Minute,
	}
}

func (s *settings) flags(f *pflag.FlagSet) {
	s.changed = f.Changed
	f.SortFlags = false
	f.StringVar(&s.model, "model", s.model, "net to train (see coordinator models)")
	f.IntVar(&s.groups, "groups", s.groups, "groups of the net's grouped convolutions (default: the net's own)")
	f.StringVar(&s.data, "data", s.data, "images: patterns[:n=…,size=…,classes=…], cifar10:DIR, idx:DIR or random:HxWxC,classes[,n=…]")
	f.IntVar(&s.batch, "batch", s.batch, "images of a step, all workers together")
	f.Uint64Var(&s.epochs, "epochs", s.epochs, "times to go through the training images")
	f.Uint64Var(&s.steps, "steps", s.steps, "steps in all, in place of --epochs")
	f.Float64Var(&s.rate, "lr", s.rate, "learning rate")
	f.Float64Var(&s.momentum, "momentum", s.momentum, "share of the last step's velocity that is kept, 0 to below 1")
	f.Float64Var(&s.decay, "weight-decay", s.decay, "times the weights is added to their gradients")
	f.StringVar(&s.schedule, "schedule", s.schedule, "learning rate over the run: "+job.ScheduleHelp)
	f.StringVar(&s.warmup, "warmup", s.warmup, "steps, or epochs as in 2e, in which the rate first rises to --lr")
	f.Uint64Var(&s.seed, "seed", s.seed, "of everything random: weights, order, dropout, generated images")
	f.StringVar(&s.policy, "policy", s.policy, "how the net is split: alexnet2012 (filter groups), model (channels) or data (the batch)")
	f.IntVar(&s.local, "local", s.local, "start this many workers on this machine")
	f.IntVar(&s.workers, "workers", s.workers, "wait for this many workers to come, in place of --local")
	f.StringVar(&s.listen, "listen", s.listen, "address to wait for workers on, HOST:PORT; with --workers")
	f.StringVar(&s.advertise, "advertise", s.advertise, "address that workers are told to come to, where it is not that of --listen")
	f.StringVar(&s.device, "device", s.device, "device of local workers: cpu, cuda (GPU 0, 1, ...), cuda:NUMBER, or one for each worker between commas")
	f.IntVar(&s.threads, "threads", s.threads, "threads of each local worker (default: the cores of this machine, shared out)")
	f.StringVar(&s.memory, "memory-limit", s.memory, "memory that each worker may use for the net, such as 2GiB (default: no limit)")
	f.Uint64Var(&s.evalEvery, "eval-every", s.evalEvery, "evaluate after every so many steps (default: after each epoch with --epochs, never with --steps)")
	f.StringVar(&s.metrics, "metrics", s.metrics, "file for what was measured, as JSON lines (see docs/formats.md)")
	f.BoolVar(&s.tensors, "metrics-tensors", s.tensors, "add the norm of each parameter's gradient to step 1 of --metrics")
	f.BoolVar(&s.noProgress, "no-progress", s.noProgress, "show no progress, only evaluations and the end")
	f.DurationVar(&s.wait, "wait", s.wait, "how long to wait for the workers")
}

// remote reports whether workers come from elsewhere.
func (s *settings) remote() bool { return s.changed("workers") || s.changed("listen") }

// ranks returns the number of workers.
func (s *settings) ranks() int {
	if s.remote() {
		return s.workers
	}
	return s.local
}

// length returns how long the run is: --steps takes the place of the default epochs.
func (s *settings) length() job.Length {
	if s.changed("steps") && !s.changed("epochs") {
		return job.Length{Steps: s.steps}
	}
	return job.Length{Epochs: s.epochs, Steps: s.steps}
}

func (s *settings) optimizer() plan.Optimizer {
	return plan.Optimizer{Momentum: s.momentum, Decay: s.decay}
}

// threadsEach returns the threads of one local worker.
func (s *settings) threadsEach() int {
	if s.threads > 0 {
		return s.threads
	}
	return max(1, runtime.NumCPU()/max(1, s.local))
}

// validate looks at all flags and returns every fault in them.
func (s *settings) validate() (rates job.Rates, limit int64, faults []error) {
	add := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	say := func(bad bool, format string, args ...any) {
		if bad {
			add(fmt.Errorf(format, args...))
		}
	}
	add(checkModel(s.model))
	add(checkPolicy(s.policy))
	add(checkSplit(s.policy, s.ranks(), s.batch))
	say(s.groups < 0 || s.changed("groups") && s.groups == 0, "--groups must be at least 1, not %d", s.groups)
	say(s.changed("epochs") && s.changed("steps"), "give --epochs or --steps, not both")
	say(s.changed("epochs") && s.epochs == 0, "--epochs must be at least 1")
	say(s.changed("steps") && s.steps == 0, "--steps must be at least 1")
	say(!(s.momentum >= 0 && s.momentum < 1), "--momentum must be from 0 to below 1, not %v", s.momentum)
	say(!(s.decay >= 0) || math.IsInf(s.decay, 0), "--weight-decay must be a finite number not below 0, not %v", s.decay)
	say(s.changed("eval-every") && s.evalEvery == 0, "--eval-every must be at least 1")
	say(s.tensors && s.metrics == "", "--metrics-tensors needs --metrics FILE")
	say(s.wait <= 0, "--wait must be above 0, not %v", s.wait)
	rates, err := job.ParseRates(s.rate, s.schedule, s.warmup)
	add(err)
	limit, err = parseSize(s.memory)
	if err != nil {
		add(fmt.Errorf("--memory-limit %w", err))
	}
	if s.remote() {
		faults = append(faults, s.validateRemote()...)
		return rates, limit, faults
	}
	say(s.local < 1, "--local must be at least 1, not %d", s.local)
	say(s.advertise != "", "--advertise goes with --workers and --listen")
	say(s.threads < 0 || s.changed("threads") && s.threads == 0, "--threads must be at least 1, not %d", s.threads)
	if _, err := deviceList(s.device, s.local); err != nil && s.local >= 1 {
		add(fmt.Errorf("--device: %w", err))
	}
	return rates, limit, faults
}

func (s *settings) validateRemote() (faults []error) {
	say := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	say(s.changed("local"), "give --local or --workers with --listen, not both")
	say(!s.changed("workers"), "--listen goes with --workers N")
	say(s.changed("workers") && s.workers < 1, "--workers must be at least 1, not %d", s.workers)
	say(s.listen == "", "--workers needs --listen HOST:PORT to wait on")
	if s.listen != "" {
		_, _, err := net.SplitHostPort(s.listen)
		say(err != nil, "--listen %q is no HOST:PORT", s.listen)
	}
	if s.advertise != "" {
		_, _, err := net.SplitHostPort(s.advertise)
		say(err != nil, "--advertise %q is no HOST:PORT", s.advertise)
	}
	for _, f := range []string{"threads", "device"} {
		say(s.changed(f), "--%s is a flag of the worker when workers come from elsewhere", f)
	}
	return faults
}
