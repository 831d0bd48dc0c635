// Command bench is cleave's side of scripts/bench-cpu and scripts/bench-gpu: it times layers,
// whole training steps and the machine's peaks on one device, a slice of time for each
// request, so that the scripts can interleave it with another framework.
//
//	bench [-device cpu|cuda:N] [-threads N] [-batch N]
//
// Requests are lines on stdin, each answered by one line of JSON on stdout:
//
//	list                 {"device", "go", "layers": […], "steps": […]}
//	peak                 {"flops", "bytes"}: multiply-adds count two; bytes are read, on a GPU copied
//	layer NAME PASS      {} when the layer's pass is ready to run
//	step NAME            {"images"} when the net's training step is ready to run
//	run SECONDS          {"seconds", "runs"}: the median of the runs that fit, at least one
//
// A layer's time on a GPU is that between two events on the device, with nothing of its
// operands in the GPU's cache. A request that fails is answered by {"error"}. What a layer or
// step took is freed by the next one.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"cleave/kernels/kernelbench"
)

func main() {
	name := flag.String("device", "cpu", "cpu, or cuda:N in a build with the tag gpu")
	batch := flag.Int("batch", 0, "images of every layer and step, in place of the table's")
	threads := flag.Int("threads", runtime.GOMAXPROCS(0), "threads of the CPU's backend and peaks")
	flag.Parse()
	d, err := newDevice(*name, *threads)
	if err == nil && *batch > 0 {
		d.rebatch(*batch)
	}
	if err == nil {
		err = serve(os.Stdin, os.Stdout, d)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// subject is what is measured at the moment.
type subject struct {
	run   func() (time.Duration, error)
	close func() error
}

// server answers requests.
type server struct {
	device  *device
	subject *subject
}

// serve answers the requests of r on w until r ends.
func serve(r io.Reader, w io.Writer, d *device) error {
	s := &server{device: d}
	defer s.drop()
	lines, out := bufio.NewScanner(r), json.NewEncoder(w)
	for lines.Scan() {
		answer, err := s.answer(strings.Fields(lines.Text()))
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		if err := out.Encode(answer); err != nil {
			return fmt.Errorf("write an answer: %w", err)
		}
	}
	return lines.Err()
}

func (s *server) answer(words []string) (any, error) {
	request := ""
	if len(words) > 0 {
		request = words[0]
	}
	switch args := words[min(1, len(words)):]; {
	case request == "list" && len(args) == 0:
		return s.list()
	case request == "peak" && len(args) == 0:
		return s.device.peaks()
	case request == "layer" && len(args) == 2:
		return struct{}{}, s.layer(args[0], kernelbench.Pass(args[1]))
	case request == "step" && len(args) == 1:
		return s.step(args[0])
	case request == "run" && len(args) == 1:
		seconds, err := strconv.ParseFloat(args[0], 64)
		if err != nil || !(seconds >= 0 && seconds < 3600) {
			return nil, fmt.Errorf("%q is no time in seconds", args[0])
		}
		return s.measure(time.Duration(seconds * float64(time.Second)))
	}
	return nil, fmt.Errorf("no request %q", strings.Join(words, " "))
}

// drop frees what was measured last.
func (s *server) drop() error {
	if s.subject == nil {
		return nil
	}
	err := s.subject.close()
	s.subject = nil
	runtime.GC() // an arena may be gigabytes
	return err
}

func (s *server) layer(name string, p kernelbench.Pass) error {
	if err := s.drop(); err != nil {
		return err
	}
	i := slices.IndexFunc(s.device.layers, func(l kernelbench.Layer) bool { return l.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no layer %q", name)
	}
	b, err := s.device.open()
	if err != nil {
		return err
	}
	launch, err := kernelbench.Bind(b, s.device.layers[i], p)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	s.subject = &subject{run: s.device.timed(b, launch), close: b.Close}
	return nil
}

// times is the answer to run.
type times struct {
	Seconds float64 `json:"seconds"`
	Runs    int     `json:"runs"`
}

func (s *server) measure(slice time.Duration) (times, error) {
	if s.subject == nil {
		return times{}, errors.New("there is nothing to run")
	}
	var all []time.Duration
	for begin := time.Now(); len(all) == 0 || time.Since(begin) < slice; {
		t, err := s.subject.run()
		if err != nil {
			return times{}, err
		}
		all = append(all, t)
	}
	slices.Sort(all)
	n := len(all)
	return times{Seconds: (all[(n-1)/2] + all[n/2]).Seconds() / 2, Runs: n}, nil
}
