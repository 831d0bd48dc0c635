package job

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cleave/proto/jobpb"
)

var update = flag.Bool("update", false, "write the goldens of testdata anew")

// TestMachine plays the scenarios of testdata/machine: a line "> event" is followed by the
// actions that it must lead to. -update writes the actions anew; read the difference.
func TestMachine(t *testing.T) {
	files, err := filepath.Glob("testdata/machine/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios:", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(text) {
				t.Errorf("%s plays differently now:\n%s", file, got)
			}
		})
	}
}

// play returns the scenario with the actions that the machine takes.
func play(t *testing.T, text string) string {
	var out strings.Builder
	var m *Machine
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		words := strings.Fields(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		case words[0] == "job":
			m = NewMachine(scenarioRules(t, words[1:]))
			fmt.Fprintln(&out, line)
		case words[0] == ">":
			fmt.Fprintln(&out, line)
			for _, a := range m.Handle(scenarioEvent(t, words[1:])) {
				fmt.Fprintf(&out, "  %s\n", trace(a))
			}
		}
	}
	return out.String()
}

func options(words []string) map[string]string {
	o := map[string]string{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		o[k] = v
	}
	return o
}

func scenarioRules(t *testing.T, words []string) Rules {
	o := options(words)
	num := func(k string) int {
		n, err := strconv.Atoi(o[k])
		if err != nil && o[k] != "" {
			t.Fatal(err)
		}
		return n
	}
	rates, err := ParseRates(0.5, "constant", "")
	if err != nil {
		t.Fatal(err)
	}
	_, tensors := o["tensors"]
	return Rules{Workers: num("workers"), Batch: 8, Tensors: tensors,
		Course: Course{Steps: uint64(num("steps")), PerEpoch: uint64(num("per-epoch")), EvalEvery: uint64(num("eval")), Rates: rates}}
}

func scenarioEvent(t *testing.T, words []string) Event {
	kind, words := words[0], words[1:]
	conn := Conn(0)
	if len(words) > 0 && strings.HasPrefix(words[0], "c") {
		n, err := strconv.Atoi(words[0][1:])
		if err != nil {
			t.Fatal(err)
		}
		conn, words = Conn(n), words[1:]
	}
	o := options(words)
	float := func(k string) *float32 {
		if o[k] == "" {
			return nil
		}
		f, err := strconv.ParseFloat(o[k], 32)
		if err != nil {
			t.Fatal(err)
		}
		v := float32(f)
		return &v
	}
	rest := strings.Join(words, " ")
	switch kind {
	case "register":
		w := Worker{Name: words[0], Address: "10.0.0.1:1", Device: "cpu", Threads: 1, Protocol: jobpb.Protocol, Version: "v1"}
		if a, ok := o["address"]; ok {
			w.Address = a
		}
		if o["protocol"] != "" {
			w.Protocol = 99
		}
		if o["name"] != "" {
			w.Name, _ = strconv.Unquote(o["name"])
		}
		return Registered{conn, w}
	case "compiled":
		var labels [][]string
		for _, w := range words {
			labels = append(labels, strings.Split(w, ","))
		}
		return Compiled{Labels: labels}
	case "uncompiled":
		return Compiled{Err: errors.New(rest)}
	case "loaded":
		return Loaded{conn}
	case "done":
		n, err := strconv.ParseUint(words[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		x := &jobpb.Measures{Loss: float("loss"), Top1: float("top1"), ReceivedBytes: 100, Nanoseconds: 2e6, WaitNanoseconds: 1e6}
		if o["slow"] != "" {
			x.Nanoseconds = 3e9
		}
		if o["squares"] != "" {
			for q := range strings.SplitSeq(o["squares"], ",") {
				f, err := strconv.ParseFloat(q, 32)
				if err != nil {
					t.Fatal(err)
				}
				x.GradientSquares = append(x.GradientSquares, float32(f))
			}
		}
		return StepDone{conn, n, x}
	case "evaluated":
		n, err := strconv.ParseUint(words[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		x := &jobpb.EvalDone{Step: n, Images: 20, ReceivedBytes: 10}
		if f := float("loss"); f != nil {
			x.Loss, x.HasLoss = float64(*f), true
		}
		if f := float("top1"); f != nil {
			x.Top1, x.Top5, x.HasHits = float64(*f), 18, true
		}
		return EvalDone{conn, x}
	case "failed":
		peer := -1
		if o["peer"] != "" {
			peer, _ = strconv.Atoi(o["peer"])
		}
		return Failed{conn, words[0], peer}
	case "lost":
		return Lost{conn, rest}
	case "exited":
		return Exited{words[0], strings.Join(words[1:], " ")}
	case "grace-over":
		return GraceOver{}
	case "give-up":
		return GiveUp{rest}
	case "interrupt":
		return Interrupt{}
	}
	t.Fatalf("no such event: %s", kind)
	return nil
}

// trace writes an action as a line.
func trace(a Action) string {
	switch a := a.(type) {
	case Refuse:
		return fmt.Sprintf("refuse %s: %s", a.Conn, a.Reason)
	case Welcome:
		return fmt.Sprintf("welcome %s", a.Conn)
	case Compile:
		var names []string
		for _, w := range a.Workers {
			names = append(names, w.Name)
		}
		return "compile for " + strings.Join(names, " ")
	case Load:
		return fmt.Sprintf("load %s rank %d", a.Conn, a.Rank)
	case SendStep:
		return fmt.Sprintf("step %d: epoch %d batch %d rate %v", a.Step.Number, a.Step.Epoch, a.Step.Batch, a.Step.Rate)
	case SendEvaluate:
		return fmt.Sprintf("evaluate after step %d", a.Step)
	case SendStop:
		return fmt.Sprintf("stop %q", a.Reason)
	case Drop:
		return fmt.Sprintf("drop %s", a.Conn)
	case Grace:
		return "grace"
	case ShowStep:
		s := a.Step
		line := fmt.Sprintf("show step %d: epoch %d loss %v top1 %v rate %v norm %v received %d time %v wait %v",
			s.Step, s.Epoch, s.Loss, s.Top1, s.Rate, math.Round(s.GradNorm*1e6)/1e6, s.Received, s.Time, s.Wait)
		for _, n := range s.Tensors {
			line += fmt.Sprintf(" %s=%v", n.Name, math.Round(n.Norm*1e6)/1e6)
		}
		return line
	case ShowEval:
		e := a.Eval
		return fmt.Sprintf("show evaluation after step %d: epoch %d loss %v top1 %v top5 %v images %d received %d",
			e.Step, e.Epoch, e.Loss, e.Top1, e.Top5, e.Images, e.Received)
	case Note:
		return "note " + a.Text
	case Finish:
		if a.Err == nil {
			return "finish"
		}
		return "finish: " + a.Err.Error()
	}
	return fmt.Sprintf("%T", a)
}
