package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// process is an annals command that goes on until it is ended, and can then be started again.
type process struct {
	t    *testing.T
	name string
	dir  string // where it runs
	said string // the file with its standard output and error
	args []string

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended; err is set then
	err  error
}

// newProcess is one that is not running yet. It ends with the test.
func newProcess(t *testing.T, name string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, name: name, dir: dir, said: filepath.Join(dir, "said"), args: []string{name}}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			said, err := os.ReadFile(p.said)
			t.Logf("annals %s said: %v\n%s", name, err, said[max(0, len(said)-16<<10):])
		}
	})
	return p
}

// start runs it until ready is content.
func (p *process) start(ready func() error) {
	p.t.Helper()
	bin, err := buildAnnals()
	must(p.t, err)
	said, err := os.OpenFile(p.said, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(p.t, err)
	defer said.Close()
	cmd := exec.Command(bin, p.args...)
	cmd.Dir = p.dir // no annals.yaml is there
	cmd.Stdout, cmd.Stderr = said, said
	endWithTest(cmd)
	must(p.t, cmd.Start())
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		p.err = cmd.Wait()
		close(done)
	}()
	eventually(p.t, "annals "+p.name+" is ready", func() error {
		select {
		case <-done:
			p.t.Fatalf("annals %s ended: %v", p.name, p.err)
		default:
		}
		return ready()
	})
}

// kill ends it as a power cut would end it, as far as a process can tell.
func (p *process) kill() {
	if p.cmd != nil {
		p.cmd.Process.Kill()
		<-p.done
		p.cmd = nil
	}
}

// stop ends it as an operator does.
func (p *process) stop() {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.t.Fatalf("annals %s did not end within a minute of SIGTERM", p.name)
	}
	if p.err != nil {
		p.t.Fatalf("annals %s ended badly: %v", p.name, p.err)
	}
	p.cmd = nil
}
