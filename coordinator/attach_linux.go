package main

import (
	"os/exec"
	"syscall"
)

// attach has a process end with this one, and keeps Ctrl-C from it: it is told to stop by
// its coordinator.
func attach(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
