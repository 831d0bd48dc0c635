// Command benchcpu is cleave's side of scripts/bench-cpu: it times layers, whole training
// steps and the machine's peaks on the CPU backend, a slice of time for each request, so
// that the script can interleave it with another framework.
//
//	benchcpu [-threads N]
//
// Requests are lines on stdin, each answered by one line of JSON on stdout:
//
//	list                 {"tier", "go", "layers": […], "steps": […]}
//	peak                 {"flops", "bytes"}: multiply-adds count two, bytes are read; a second
//	layer NAME PASS      {} when the layer's pass is ready to run
//	step NAME            {"images"} when the net's training step is ready to run
//	run SECONDS          {"seconds", "runs"}: the median of the runs that fit, at least one
//
// A request that fails is answered by {"error"}. What a layer or step took is freed by the
// next one.
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

	"cleave/kernels/cpu"
	"cleave/kernels/kernelbench"
)

func main() {
	threads := flag.Int("threads", runtime.GOMAXPROCS(0), "threads of the backend and of the peaks")
	flag.Parse()
	if err := serve(os.Stdin, os.Stdout, *threads); err != nil {
		fmt.Fprintln(os.Stderr, "benchcpu:", err)
		os.Exit(1)
	}
}

// subject is what is measured at the moment.
type subject struct {
	run   func() error
	close func() error
}

// server answers requests.
type server struct {
	threads int
	subject *subject
}

// serve answers the requests of r on w until r ends.
func serve(r io.Reader, w io.Writer, threads int) error {
	if threads < 1 {
		return fmt.Errorf("%d threads", threads)
	}
	if err := cpu.Check(); err != nil {
		return err
	}
	s := &server{threads: threads}
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
		return measurePeaks(s.threads), nil
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
	l, ok := kernelbench.Find(name)
	if !ok {
		return fmt.Errorf("there is no layer %q", name)
	}
	b := cpu.New(s.threads)
	launch, err := kernelbench.Bind(b, l, p)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	s.subject = &subject{run: launch, close: b.Close}
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
		t := time.Now()
		if err := s.subject.run(); err != nil {
			return times{}, err
		}
		all = append(all, time.Since(t))
	}
	slices.Sort(all)
	n := len(all)
	return times{Seconds: (all[(n-1)/2] + all[n/2]).Seconds() / 2, Runs: n}, nil
}
