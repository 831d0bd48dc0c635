package main

import (
	"os/exec"
	"syscall"
)

// attach keeps Ctrl-C from a process: it is told to stop by its coordinator. If this
// process is killed the worker finds that its coordinator is gone.
func attach(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// kill ends a process.
func kill(c *exec.Cmd) {
	_ = c.Process.Kill() // an error means that it has ended
}
