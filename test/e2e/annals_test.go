package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"annals.dev/test/e2e/kube"
)

// buildAnnals builds the annals command once for all tests; TestMain removes it.
var buildAnnals = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(scratch, "annals")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "./cmd/annals")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/annals: %w\n%s", err, out)
	}
	return bin, nil
})

// annals is the command on a data directory of the test's own, and the server that runs on it.
type annals struct {
	t            *testing.T
	bin, data    string
	listen, http string
	follow       []string // of --follow
	roots        *x509.CertPool
	server       *process
}

// newAnnals makes a ledger. Its server is not running yet.
func newAnnals(t *testing.T) *annals {
	t.Helper()
	bin, err := buildAnnals()
	must(t, err)
	a := &annals{
		t: t, bin: bin, data: filepath.Join(t.TempDir(), "data"), roots: x509.NewCertPool(),
		listen: fmt.Sprintf("127.0.0.1:%d", kube.FreePort(t)), http: fmt.Sprintf("127.0.0.1:%d", kube.FreePort(t)),
	}
	a.must("init", "--ip", "127.0.0.1")
	ca, err := os.ReadFile(filepath.Join(a.data, "pki", "server-ca.crt"))
	must(t, err)
	if !a.roots.AppendCertsFromPEM(ca) {
		t.Fatal("pki/server-ca.crt holds no certificate")
	}
	a.server = newProcess(t, "serve")
	return a
}

// run runs a command on the data directory.
func (a *annals) run(args ...string) (stdout []byte, stderr string, code int) {
	a.t.Helper()
	cmd := exec.Command(a.bin, append([]string{"--data", a.data}, args...)...)
	cmd.Dir = filepath.Dir(a.data) // no annals.yaml is there
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		a.t.Fatal(err)
	}
	return out.Bytes(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that has to exit 0.
func (a *annals) must(args ...string) []byte {
	a.t.Helper()
	out, said, code := a.run(args...)
	if code != 0 {
		a.t.Fatalf("annals %s: exit %d: %s%s", strings.Join(args, " "), code, said, out)
	}
	return out
}

// lines runs a command that has to exit 0, and splits what it gives.
func (a *annals) lines(args ...string) [][]byte {
	a.t.Helper()
	out := bytes.TrimSuffix(a.must(args...), []byte("\n"))
	if len(out) == 0 {
		return nil
	}
	return bytes.Split(out, []byte("\n"))
}

// serve starts the server and returns when it is ready to receive.
func (a *annals) serve() {
	a.t.Helper()
	a.server.args = []string{"--data", a.data, "serve", "--listen", a.listen, "--http", a.http}
	for _, f := range a.follow {
		a.server.args = append(a.server.args, "--follow", f)
	}
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.roots}, DisableKeepAlives: true}}
	a.server.start(func() error {
		_, err := fetch(hc, "https://"+a.listen+"/readyz")
		return err
	})
}

func (a *annals) kill() { a.server.kill() }

func (a *annals) stop() {
	a.t.Helper()
	a.server.stop()
}

// counted is the sum of a metric's samples that have all of these labels, each written as name="value".
func (a *annals) counted(metric string, labels ...string) int {
	a.t.Helper()
	text, err := fetch(http.DefaultClient, "http://"+a.http+"/metrics")
	must(a.t, err)
	return sum(a.t, text, metric, labels...)
}

func sum(t *testing.T, text, metric string, labels ...string) int {
	t.Helper()
	total := 0.0
samples:
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, metric)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(rest, l) {
				continue samples
			}
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if strings.HasSuffix(rest, " \n") || err != nil {
			t.Fatalf("metric %q: %v", line, err)
		}
		total += v
	}
	return int(total)
}

func fetch(hc *http.Client, url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), err
}

// pasted is what somebody has on a control plane after doing what annals setup prints.
type pasted struct {
	dir, logs string
	flags     []string // kube-apiserver's
}

// paste does what annals setup prints for a kube-apiserver that systemd runs: its shell lines are run by a shell, its flags are
// given back. Only the folders are others, since a test leaves /etc alone.
func (a *annals) paste(cluster string) pasted {
	a.t.Helper()
	p := pasted{dir: filepath.Join(a.t.TempDir(), "annals"), logs: filepath.Join(a.t.TempDir(), "audit")}
	text := string(a.must("setup", "systemd", "--cluster", cluster, "--server", "https://"+a.listen))
	text = strings.NewReplacer("/etc/kubernetes/annals", p.dir, "/var/log/kubernetes/audit", p.logs).Replace(text)
	shell, rest, ok := strings.Cut(text, "\n# 2.")
	if !ok {
		a.t.Fatalf("annals setup systemd has no second step:\n%s", text)
	}
	if out, err := exec.Command("sh", "-eu", "-c", shell).CombinedOutput(); err != nil {
		a.t.Fatalf("what annals setup systemd prints does not run: %v: %s\n%s", err, out, shell)
	}
	for _, word := range strings.Fields(rest) {
		if strings.HasPrefix(word, "--audit-") {
			p.flags = append(p.flags, word)
		}
	}
	if len(p.flags) == 0 {
		a.t.Fatalf("annals setup systemd prints no flags:\n%s", text)
	}
	return p
}
