package cli

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// Commands ask a server elsewhere by TLS, with a token, and nothing without one.
func TestServerElsewhere(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	base := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
	local := append([]string{"ANNALS_DATA=" + data}, base...)
	must := func(env []string, line string) string {
		t.Helper()
		out, code := shell(t, dir, env, line)
		if code != 0 {
			t.Fatalf("%s: exit %d\n%s", line, code, out)
		}
		return strings.TrimSpace(out)
	}
	must(local, "annals init")
	serve := exec.CommandContext(t.Context(), "annals", "serve", "--listen", "", "--http", "0.0.0.0:0")
	serve.Env, serve.Dir = local, dir
	log, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer serve.Process.Kill()
	address, advised := "", false
	for lines := bufio.NewScanner(log); address == "" && lines.Scan(); {
		advised = advised || strings.Contains(lines.Text(), "annals token create --role admin")
		if m := regexp.MustCompile(`http=https://\S+:(\d+)/`).FindStringSubmatch(lines.Text()); m != nil {
			address = "https://127.0.0.1:" + m[1]
		}
	}
	go io.Copy(io.Discard, log)
	if address == "" || !advised {
		t.Fatalf("serving at %q, how to sign in was told: %v", address, advised)
	}
	admin := must(local, "annals token create --role admin --bodies --name ada 2>/dev/null")
	reader := must(local, "annals token create --role reader --scope name:db --name rita 2>/dev/null")
	event := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"0a6bd2a4-0000-4000-8000-00000000000%d","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{"username":"jane"},"objectRef":{"resource":"secrets","name":"%s"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-11-21T00:54:00.000000Z","stageTimestamp":"2026-11-21T00:54:00.000000Z"}` + "\n"
	for name, text := range map[string]string{"logs/a.log": strings.ReplaceAll(strings.ReplaceAll(event, "%d", "1"), "%s", "db"), "logs/b.log": strings.ReplaceAll(strings.ReplaceAll(event, "%d", "2"), "%s", "other")} {
		if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca := "ANNALS_SERVER_CA=" + filepath.Join(data, "pki", "server-ca.crt")
	with := func(token string) []string {
		return append([]string{"ANNALS_SERVER=" + address, ca, "ANNALS_TOKEN=" + token}, base...)
	}
	for _, c := range []struct {
		name, token, line string
		code              int
		says              string
	}{
		{"import", admin, "annals import --cluster prod logs", 0, "2 new events"},
		{"import of a pipe", admin, "cat logs/a.log | annals import --cluster piped -", 0, "1 new event"},
		{"search", admin, "annals search --cluster prod", 0, "secrets/other"},
		{"sql", admin, "annals sql -o csv 'SELECT name FROM events ORDER BY ALL'", 0, "other"},
		{"origins", admin, "annals sql -o csv 'SELECT origin FROM events ORDER BY ALL'", 0, "import/a.log\nimport/b.log\nimport/stdin\n"},
		{"prove", admin, "annals prove 0 --cluster prod --out proof.json && annals verify proof.json", 0, "position 0"},
		{"checkpoint", admin, "annals checkpoint --cluster prod", 0, "/prod"},
		{"verify", admin, "annals verify", 0, "everything is as it was recorded"},
		{"token list", admin, "annals token list", 0, "rita"},
		{"by flags", "", "annals search --cluster prod --token " + admin, 0, "secrets/other"},
		{"scoped", reader, "annals search -o csv --cluster prod", 0, "db"},
		{"scoped verify", reader, "annals verify", 1, "needs the role auditor"},
		{"no token", "", "annals search", 4, "ANNALS_TOKEN"},
		{"wrong token", "annals_wrong", "annals search", 4, "unknown token"},
		{"broken token", "a b", "annals search", 2, "one word"},
		{"unknown CA", admin, "ANNALS_SERVER_CA= annals search", 1, "--server-ca"},
		{"nobody there", admin, "ANNALS_SERVER=https://127.0.0.1:1 annals search", 1, "nothing listens there"},
		{"import by a reader", reader, "annals import --cluster prod logs/a.log", 1, "needs the role admin"},
	} {
		out, code := shell(t, dir, with(c.token), c.line)
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit %d, want %d and %q\n%s", c.name, code, c.code, c.says, out)
		}
		if c.token == reader && strings.Contains(out, "other") {
			t.Errorf("%s: a scoped reader sees more:\n%s", c.name, out)
		}
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Error(err)
	}
}
