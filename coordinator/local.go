package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"cleave/coordinator/job"
)

// crew is the workers that train --local has started: processes of this machine that end
// with this one.
type crew struct {
	hands  []*hand
	exits  chan job.Exited
	speech *speech
}

// hand is one process. A goroutine starts it, waits for it and closes gone.
type hand struct {
	name string
	cmd  *exec.Cmd
	gone chan struct{}
}

// localName names the local worker i.
func localName(i int) string { return "worker-" + strconv.Itoa(i) }

// hire starts a worker for each device; they run the command line. What they write goes to
// sp.
func hire(devices []string, command []string, sp *speech) (*crew, error) {
	c := &crew{exits: make(chan job.Exited, len(devices)), speech: sp} // one exit each: nobody waits to be heard
	for i, device := range devices {
		h := &hand{name: localName(i), gone: make(chan struct{})}
		h.cmd = exec.Command(command[0], append(command[1:len(command):len(command)], "--name", h.name, "--device", device)...)
		out := sp.of(h.name)
		h.cmd.Stdout, h.cmd.Stderr = out, out
		h.cmd.WaitDelay = time.Second
		attach(h.cmd)
		started := make(chan error)
		go c.tend(h, started)
		if err := <-started; err != nil {
			c.dismiss(0)
			return nil, fmt.Errorf("start %s: %w", h.name, err)
		}
		c.hands = append(c.hands, h)
	}
	return c, nil
}

// tend starts a process and waits for it. The goroutine keeps its thread for that long:
// Linux ends the process when the thread that started it ends.
func (c *crew) tend(h *hand, started chan<- error) {
	defer close(h.gone)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := h.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	reason := "exit status 0"
	if err := h.cmd.Wait(); err != nil {
		reason = err.Error()
	}
	c.exits <- job.Exited{Name: h.name, Reason: reason}
}

// dismiss returns when all processes have ended: by themselves in the given time, or
// killed.
func (c *crew) dismiss(patience time.Duration) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for _, h := range c.hands {
		select {
		case <-h.gone:
		case <-limit.C:
			limit.Reset(0) // for the hands that follow
			kill(h.cmd)
			<-h.gone
		}
	}
}

// workerCommandLine returns how a worker is started on this machine: the worker executable
// beside this one if there is one, else this one with its hidden command.
func workerCommandLine() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this executable: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), "worker")
	if runtime.GOOS == "windows" {
		beside += ".exe"
	}
	if path, err := exec.LookPath(beside); err == nil {
		return []string{path}, nil
	} else if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) && !strings.Contains(err.Error(), "is a directory") {
		return nil, fmt.Errorf("find the worker beside this executable: %w", err)
	}
	return []string{self, "worker"}, nil
}
