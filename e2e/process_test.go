//go:build unix

package e2e

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// running is a command that a test talks to while it runs.
type running struct {
	cmd    *exec.Cmd
	mu     sync.Mutex
	output bytes.Buffer // both streams
	ended  chan struct{}
}

func start(t *testing.T, name string, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(built(t, name), args...), ended: make(chan struct{})}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stdout, r.cmd.Stderr = in, in
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	go func() {
		scan := bufio.NewScanner(out)
		for scan.Scan() {
			r.mu.Lock()
			r.output.WriteString(scan.Text() + "\n")
			r.mu.Unlock()
		}
		out.Close()
	}()
	go func() { r.cmd.Wait(); close(r.ended) }()
	t.Cleanup(func() {
		syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
		r.cmd.Process.Kill()
		<-r.ended
	})
	return r
}

func (r *running) text() string {
	time.Sleep(50 * time.Millisecond) // the last lines may still be in the pipe
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.output.String()
}

// until waits for a text in the output.
func (r *running) until(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(r.text(), text); {
		if time.Now().After(deadline) {
			t.Fatalf("no %q in:\n%s", text, r.text())
		}
	}
}

// waitEnd returns the exit status and how long the command took to end from now.
func (r *running) waitEnd(t *testing.T, limit time.Duration) (int, time.Duration) {
	t.Helper()
	began := time.Now()
	select {
	case <-r.ended:
		return r.cmd.ProcessState.ExitCode(), time.Since(began)
	case <-time.After(limit):
		t.Fatalf("still running after %v:\n%s", limit, r.text())
		return 0, 0
	}
}

// endless is a training that a test interrupts.
var endless = []string{"train", "--no-progress", "--model", "alexnet-mini", "--data", "patterns:n=500", "--batch", "16", "--steps", "1000000"}

// cluster starts a coordinator on a free port and named workers of their own, and returns
// them when the first step is done.
func cluster(t *testing.T, names ...string) (*running, []*running) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts processes and waits")
	}
	metrics := filepath.Join(t.TempDir(), "metrics.jsonl")
	address := freeAddress(t)
	c := start(t, "coordinator", append(endless[:len(endless):len(endless)], "--workers", "2", "--listen", address, "--metrics", metrics)...)
	var workers []*running
	for _, name := range names {
		workers = append(workers, start(t, "worker", "--coordinator", address, "--name", name, "--threads", "1"))
	}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if b, _ := os.ReadFile(metrics); bytes.Contains(b, []byte(`"step"`)) {
			return c, workers
		}
		if time.Now().After(deadline) {
			t.Fatalf("no step in a minute:\n%s%s", c.text(), workers[0].text())
		}
	}
}

// TestLostWorker kills, and stops, a worker in the middle of training: the coordinator
// must end within 5 s with a line that names it, and so must the other worker.
func TestLostWorker(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(signal.String(), func(t *testing.T) {
			c, workers := cluster(t, "left", "right")
			workers[1].cmd.Process.Signal(signal)
			status, took := c.waitEnd(t, 5*time.Second)
			if status == 0 || !strings.Contains(c.text(), "right") {
				t.Errorf("status %d after %v, want a failure that names the worker right:\n%s", status, took, c.text())
			}
			if status, _ := workers[0].waitEnd(t, 5*time.Second); status == 0 {
				t.Errorf("the other worker left with status 0:\n%s", workers[0].text())
			}
			t.Logf("ended %v after %v", took, signal)
		})
	}
}

// TestLostCoordinator kills the coordinator: its workers must end.
func TestLostCoordinator(t *testing.T) {
	c, workers := cluster(t, "left", "right")
	c.cmd.Process.Kill()
	for _, w := range workers {
		if status, _ := w.waitEnd(t, 5*time.Second); status == 0 {
			t.Errorf("a worker left with status 0:\n%s", w.text())
		}
	}
}

// TestRefusedWorkers sends a coordinator a second worker of a taken name, and one more than
// it waits for: each must leave at once with a line that says why, and the training of the
// others must go on.
func TestRefusedWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes and waits")
	}
	address := freeAddress(t)
	c := start(t, "coordinator", append(endless[:len(endless):len(endless)], "--workers", "2", "--listen", address)...)
	left := start(t, "worker", "--coordinator", address, "--name", "left", "--threads", "1")
	left.until(t, "registered")
	refused := func(name, why string) {
		t.Helper()
		w := start(t, "worker", "--coordinator", address, "--name", name, "--threads", "1")
		status, took := w.waitEnd(t, 5*time.Second)
		if status != 1 || strings.Count(w.text(), "\n") != 1 || !strings.Contains(w.text(), "worker: the coordinator refused this worker: "+why) {
			t.Errorf("%s: status %d after %v:\n%s", name, status, took, w.text())
		}
		c.until(t, "refused "+name+": "+why)
	}
	refused("left", "the name left is taken")
	right := start(t, "worker", "--coordinator", address, "--name", "right", "--threads", "1")
	right.until(t, "loaded")
	refused("third", "the job has its 2 workers already")
	refused("left", "the name left is taken")
	c.cmd.Process.Signal(os.Interrupt)
	if status, _ := c.waitEnd(t, 10*time.Second); status != 130 || strings.Contains(c.text(), "lost") {
		t.Errorf("status %d:\n%s", status, c.text())
	}
	for _, w := range []*running{left, right} {
		w.waitEnd(t, 5*time.Second)
	}
}

// TestInterrupt presses Ctrl-C once: the step is finished, the status is 130 and the
// workers have left with it.
func TestInterrupt(t *testing.T) {
	c, workers := cluster(t, "left", "right")
	c.cmd.Process.Signal(os.Interrupt)
	if status, _ := c.waitEnd(t, 10*time.Second); status != 130 {
		t.Errorf("status %d, want 130:\n%s", status, c.text())
	}
	for _, w := range workers {
		w.waitEnd(t, 5*time.Second)
	}
}

// TestLocalLeavesNoProcess interrupts, and kills, a coordinator with local workers: they
// must be gone with it.
func TestLocalLeavesNoProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes and waits")
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			metrics := filepath.Join(t.TempDir(), "metrics.jsonl")
			c := start(t, "coordinator", append(endless[:len(endless):len(endless)], "--local", "2", "--threads", "1", "--metrics", metrics)...)
			for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				if b, _ := os.ReadFile(metrics); bytes.Contains(b, []byte(`"step"`)) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("no step in a minute:\n%s", c.text())
				}
			}
			children := childrenOf(t, c.cmd.Process.Pid)
			if len(children) != 2 {
				t.Fatalf("%d local workers, want 2", len(children))
			}
			c.cmd.Process.Signal(signal)
			c.waitEnd(t, 10*time.Second)
			for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				alive := 0
				for _, pid := range children {
					if running, _ := os.ReadFile("/proc/" + pid + "/cmdline"); len(running) > 0 {
						alive++
					}
				}
				if alive == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d workers are left 5 s after %v:\n%s", alive, signal, c.text())
				}
			}
		})
	}
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func childrenOf(t *testing.T, pid int) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("needs /proc")
	}
	var children []string
	for _, e := range entries {
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (name) state ppid …: the name may hold spaces
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == itoa(pid) {
			children = append(children, e.Name())
		}
	}
	return children
}
