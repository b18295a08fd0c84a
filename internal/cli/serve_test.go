package cli

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SIGHUP has a server read its rules anew; it ends other commands, as it always did.
func TestHangUp(t *testing.T) {
	dir := t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "ANNALS_DATA=" + filepath.Join(dir, "data")}
	if out, code := shell(t, dir, env, "annals init"); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "annals", "serve", "--listen", "127.0.0.1:0", "--http", "")
	cmd.Dir, cmd.Env = dir, env
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(said)
	until := func(what string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), what) {
				return
			}
		}
		t.Fatalf("the server ended, and never said %q", what)
	}
	until("serving")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until("rules were read")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server after SIGTERM: %v", err)
	}

	// A command that nothing was said to: it waits for a pipe that never comes.
	cmd = exec.CommandContext(ctx, "sh", "-c", "mkfifo p; exec annals import --cluster prod p")
	cmd.Dir, cmd.Env = dir, env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for { // it is sh that makes the pipe
		if _, err := os.Stat(filepath.Join(dir, "p")); err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("sh makes no pipe")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil { // before it listens for it, it ends it, too
		t.Fatal(err)
	}
	_ = cmd.Wait() // how it ended is looked at
	if cmd.ProcessState == nil || cmd.ProcessState.Success() {
		t.Errorf("SIGHUP does not end a command: %v", cmd.ProcessState)
	}
}
