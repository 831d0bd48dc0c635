//go:build unix && !linux

package main

import (
	"os/exec"
	"syscall"
)

// attach keeps Ctrl-C from a process: it is told to stop by its coordinator. If this
// process is killed the worker finds that its coordinator is gone.
func attach(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
