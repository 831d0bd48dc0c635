package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cleave/coordinator/job"
)

// tiny is a training of seconds.
var tiny = []string{"train", "--data", "patterns:n=64", "--batch", "8", "--threads", "1"}

func withArgs(args []string, more ...string) []string {
	return append(args[:len(args):len(args)], more...)
}

// events reads a metrics file.
func events(t *testing.T, file string) (all []map[string]any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var e map[string]any
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, e)
	}
	return all
}

func TestTrainLocal(t *testing.T) {
	metrics := filepath.Join(t.TempDir(), "m.jsonl")
	code, stdout, stderr := call(withArgs(tiny, "--epochs", "2", "--metrics", metrics, "--metrics-tensors")...)
	if code != 0 || stderr != "" {
		t.Fatalf("status %d\n%s%s", code, stdout, stderr)
	}
	var kinds []string
	for _, e := range events(t, metrics) {
		kinds = append(kinds, e["event"].(string))
		norms, ok := e["gradient_norms"].(map[string]any)
		if first := e["event"] == "step" && e["step"] == 1.0; ok != first || first && len(norms) == 0 {
			t.Errorf("gradient norms in %v", e)
		}
	}
	epoch := strings.Repeat("step ", 8) + "eval "
	if got := strings.Join(kinds, " "); got != epoch+epoch+"done" {
		t.Errorf("events %s", got)
	}
	for _, want := range []string{"training alexnet-mini on 2 workers", "step 1/16", "step 16/16", "evaluation after step 16", "16 steps in "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in:\n%s", want, stdout)
		}
	}
}

// TestTrainQuiet runs one worker and wants the plain lines that --no-progress leaves.
func TestTrainQuiet(t *testing.T) {
	code, stdout, stderr := call(withArgs(tiny, "--local", "1", "--steps", "3", "--no-progress")...)
	if code != 0 || stderr != "" || strings.Count(stdout, "\n") != 2 || !strings.HasPrefix(stdout, "training ") {
		t.Errorf("status %d, %q, %q", code, stdout, stderr)
	}
}

// TestNotFinite trains at a rate at which the loss overflows.
func TestNotFinite(t *testing.T) {
	code, stdout, stderr := call(withArgs(tiny, "--lr", "1e30", "--steps", "50")...)
	if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "the loss is ") || !strings.Contains(stderr, "coordinator: step ") {
		t.Errorf("status %d\n%s%s", code, stdout, stderr)
	}
}

// watched is a command that a test interrupts: it sees its output and sends it signals.
type watched struct {
	mu      sync.Mutex
	output  bytes.Buffer
	signals chan os.Signal
	status  chan int
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.output.Write(b)
}

func (w *watched) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.output.String()
}

// watch starts a command line in this process.
func watch(t *testing.T, args ...string) *watched {
	t.Helper()
	w := &watched{signals: make(chan os.Signal, 2), status: make(chan int, 1)}
	a := &app{stdout: w, stderr: w, signals: func() (<-chan os.Signal, func()) { return w.signals, func() {} }}
	go func() {
		err := a.execute(context.Background(), args)
		if err == nil {
			w.status <- statusOK
			return
		}
		fmt.Fprintln(w, err)
		w.status <- status(err)
	}()
	return w
}

// until waits for a text in the output.
func (w *watched) until(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(w.text(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %q in:\n%s", text, w.text())
		}
	}
}

func (w *watched) wait(t *testing.T) int {
	t.Helper()
	select {
	case s := <-w.status:
		return s
	case <-time.After(30 * time.Second):
		t.Fatalf("does not end:\n%s", w.text())
		return 0
	}
}

func TestInterruptOnce(t *testing.T) {
	w := watch(t, withArgs(tiny, "--steps", "1000000")...)
	w.until(t, "step 1/1000000")
	w.signals <- os.Interrupt
	if s := w.wait(t); s != 130 || !strings.Contains(w.text(), "finishing the step under way") || !strings.Contains(w.text(), "interrupted after step ") {
		t.Errorf("status %d\n%s", s, w.text())
	}
}

func TestInterruptTwice(t *testing.T) {
	w := watch(t, withArgs(tiny, "--steps", "1000000")...)
	w.until(t, "step 1/1000000")
	w.signals <- os.Interrupt
	w.signals <- os.Interrupt
	if s := w.wait(t); s != 130 {
		t.Errorf("status %d\n%s", s, w.text())
	}
}

func TestInterruptWaiting(t *testing.T) {
	w := watch(t, "train", "--workers", "1", "--listen", "127.0.0.1:0")
	w.until(t, "waiting for 1 worker on 127.0.0.1:")
	w.signals <- os.Interrupt
	if s := w.wait(t); s != 130 || !strings.Contains(w.text(), "interrupted before the first step") {
		t.Errorf("status %d\n%s", s, w.text())
	}
}

// TestRemoteWorkers lets workers come to an address, by the command line that the
// coordinator tells, and refuses a second one of a taken name.
func TestRemoteWorkers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	w := watch(t, "train", "--data", "patterns:n=64", "--batch", "8", "--steps", "4", "--workers", "2", "--listen", address, "--policy", "data")
	w.until(t, "worker --coordinator "+address)
	worker := func(name string) chan [2]string {
		done := make(chan [2]string, 1)
		go func() {
			code, _, stderr := call("worker", "--coordinator", address, "--name", name, "--threads", "1")
			done <- [2]string{fmt.Sprint(code), stderr}
		}()
		return done
	}
	a, twin := worker("a"), worker("a")
	var refused [2]string
	select { // whichever came second
	case refused = <-a:
		a = twin
	case refused = <-twin:
	}
	if refused[0] != "1" || !strings.Contains(refused[1], "worker: the coordinator refused this worker: the name a is taken") {
		t.Errorf("a second worker of the name: %v", refused)
	}
	b := worker("b")
	if s := w.wait(t); s != 0 {
		t.Errorf("status %d\n%s", s, w.text())
	}
	for name, done := range map[string]chan [2]string{"a": a, "b": b} {
		if got := <-done; got[0] != "0" {
			t.Errorf("worker %s left with %v", name, got)
		}
	}
	if !strings.Contains(w.text(), "4 steps in ") {
		t.Error(w.text())
	}
}

func TestAnnounce(t *testing.T) {
	var out bytes.Buffer
	s := defaultSettings()
	s.workers, s.advertise = 3, "lead:7070"
	announce(&out, &s, &net.TCPAddr{IP: net.IPv4zero, Port: 7070})
	want := "warning: 0.0.0.0:7070 is not loopback: traffic is plain text, and whoever reaches it can take part\n" +
		"waiting for 3 workers on 0.0.0.0:7070: start each with: worker --coordinator lead:7070\n"
	if out.String() != want {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	s.workers, s.advertise = 1, ""
	announce(&out, &s, &net.TCPAddr{IP: net.IPv6unspecified, Port: 7070})
	if host, err := os.Hostname(); err == nil && !strings.Contains(out.String(), "waiting for 1 worker on [::]:7070: start each with: worker --coordinator "+host+":7070\n") {
		t.Errorf("%q names no host that workers can dial", out.String())
	}
}

func TestSpeech(t *testing.T) {
	for _, c := range []struct {
		name string
		end  error
		want string
	}{
		{"good", nil, "a: one\nb: two\n"},
		{"other", context.Canceled, ""},
		{"blamed", lost("b"), "b: two\nb: three\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			s := newSpeech(&out)
			a, b := s.of("a"), s.of("b")
			fmt.Fprint(a, "o")
			fmt.Fprint(a, "ne\ntime=1 level=INFO msg=x\n")
			fmt.Fprint(b, "two\n\n")
			s.settle(c.end)
			fmt.Fprint(a, "late\n")
			if c.end != nil {
				fmt.Fprint(b, "three\n")
			}
			if out.String() != c.want {
				t.Errorf("%q, want %q", out.String(), c.want)
			}
		})
	}
}

func lost(name string) error { return &job.WorkerError{Name: name, What: "is lost"} }
