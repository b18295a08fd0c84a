package cli

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// telling is what each of the demo's answers must show.
var telling = []string{
	"cluster-admin was granted",
	"bob@contractor.example was not allowed to run", "secrets (cut)", "pods/hostpath-8308", `metadata.labels["pod-security.kubernetes.io/enforce"] removed`,
	"system:serviceaccount:kube-system:cert-manager", "39", "22,949 of 22,949 events checked",
}

// What the demo prints can be pasted as it stands, and Ctrl-C leaves nothing behind.
func TestDemo(t *testing.T) {
	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "annals", "demo")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + temp, "HOME=" + temp}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var commands []string
	page := ""
	for lines := bufio.NewScanner(out); len(commands) < len(telling) && lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "  http://127.0.0.1:"):
			page = strings.TrimSpace(line)
		case strings.HasPrefix(line, temp):
			commands = append(commands, line)
		}
	}
	if len(commands) != len(demoQuestions) || len(telling) != len(demoQuestions) || page == "" {
		t.Fatalf("%d commands to try, page %q; want %d and an address", len(commands), page, len(demoQuestions))
	}
	// Nobody has to sign in.
	resp, err := http.Get(page + "api/v1/me")
	if err != nil {
		t.Fatal(err)
	}
	me, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(me), `"anonymous":true`) {
		t.Errorf("who asks in a demo: %s, %v", me, err)
	}
	for i, line := range commands {
		out, code := shell(t, t.TempDir(), []string{"PATH=/usr/bin:/bin"}, line)
		if code != 0 || !strings.Contains(out, telling[i]) {
			t.Errorf("%s: exit %d, want 0 and %q\n%s", line, code, telling[i], out)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the demo after Ctrl-C: %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the demo leaves %v behind, %v", left, err)
	}
}
