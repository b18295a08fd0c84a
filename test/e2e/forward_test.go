package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"annals.dev/test/e2e/kube"
)

// TestForward: a forward beside the API server brings what it writes to a server elsewhere, through rotation, compression and the ends of
// both.
func TestForward(t *testing.T) {
	a := newAnnals(t)
	a.serve()
	logs := t.TempDir()
	f := newProcess(t, "forward")
	metrics := fmt.Sprintf("127.0.0.1:%d", kube.FreePort(t))
	f.args = append(f.args, filepath.Join(logs, "audit.log"), "--data", filepath.Join(f.dir, "data"), "--kubeconfig", a.pasteForward("prod"), "--metrics-listen", metrics)
	start := func() {
		f.start(func() error {
			_, err := fetch(http.DefaultClient, "http://"+metrics+"/healthz")
			return err
		})
	}
	start()
	s := kube.Start(t, kube.Options{LogDir: logs, Flags: []string{
		"--audit-policy-file=" + abs(t, "testdata/policy.yaml"), "--audit-log-maxsize=2", "--audit-log-compress", keepLogs,
	}})
	makeShop(t, s)
	a.isKilled(s, func() { // while annals serve is away
		f.kill()
		start()
	})
	s.Stop()
	a.isComplete(s)
	f.stop()
	a.must("verify")
}

// pasteForward does what annals setup forward prints for a node, but for its unit, and gives back the kubeconfig.
func (a *annals) pasteForward(cluster string) string {
	a.t.Helper()
	dir := a.t.TempDir()
	text := string(a.must("setup", "forward", "--cluster", cluster, "--server", "https://"+a.listen))
	shell, _, ok := strings.Cut(strings.ReplaceAll(text, "/etc/annals", dir), "\n# 2.")
	if !ok {
		a.t.Fatalf("annals setup forward has no second step:\n%s", text)
	}
	if out, err := exec.Command("sh", "-eu", "-c", shell).CombinedOutput(); err != nil {
		a.t.Fatalf("what annals setup forward prints does not run: %v: %s\n%s", err, out, shell)
	}
	return filepath.Join(dir, "forward.yaml")
}
