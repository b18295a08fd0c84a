package e2e

import (
	"os/exec"
	"syscall"
)

// endWithTest has a process end when the test process does, also where that is killed.
func endWithTest(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
