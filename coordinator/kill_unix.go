//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// kill ends a process and what it has started: they are one process group.
func kill(c *exec.Cmd) {
	// An error means that it has ended.
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
}
