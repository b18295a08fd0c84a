package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const proxiedToken = "S3NT1NEL"

// apiServer stands in for a kube-apiserver, which test/e2e has: here it is about the command's own flags, files and signals.
func apiServer(t *testing.T) (url, ca string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/selfsubjectreviews") {
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","status":{"userInfo":{"username":"jane","groups":["system:authenticated"]}}}`)
			return
		}
		fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]}`)
	}))
	t.Cleanup(s.Close)
	return s.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func policyOf(level string) string {
	return "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: " + level + "}]\n"
}

// until waits for something to hold.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

// said is what a command prints, as it does.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// field is the value of a field in what a logger wrote.
func (s *said) field(name string) string {
	for line := range strings.Lines(s.String()) {
		for f := range strings.FieldsSeq(line) {
			if v, ok := strings.CutPrefix(f, name+"="); ok && strings.Contains(line, "msg=serving") {
				return v
			}
		}
	}
	return ""
}

func TestProxyCommand(t *testing.T) {
	url, ca := apiServer(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	env := append(os.Environ(), "ANNALS_DATA="+at("data"))
	annals := func(line string) string {
		t.Helper()
		out, code := shell(t, dir, env, "annals "+line)
		if code != exitDone {
			t.Fatalf("annals %s: exit %d\n%s", line, code, out)
		}
		return out
	}
	annals("init")
	writeFile(t, at("policy.yaml"), policyOf("Metadata"))
	writeFile(t, at("upstream.conf"), fmt.Sprintf(`{"kind":"Config","apiVersion":"v1","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],
		"users":[{"name":"u","user":{"token":"of-the-proxy"}}],"clusters":[{"name":"c","cluster":{"server":%q,"certificate-authority-data":%q}}]}`, url, base64.StdEncoding.EncodeToString([]byte(ca))))

	cmd := exec.Command("annals", "proxy", "--upstream-kubeconfig", "upstream.conf", "--audit-policy-file", "policy.yaml", "--audit-log-path", "audit.log",
		"--cluster", "prod", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")
	var out said
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer cmd.Process.Kill()
	until(t, "the proxy serves", func() bool {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, &out)
		default:
		}
		return out.field("proxy") != ""
	})

	// Whoever trusts the ledger's authority trusts the proxy.
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(at("data/pki/server-ca.crt"))
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	get := func(path string) {
		t.Helper()
		r, err := http.NewRequest("GET", "https://"+out.field("proxy")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+proxiedToken)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || !strings.Contains(string(b), "PodList") {
			t.Fatalf("%d %s %v", res.StatusCode, b, err)
		}
	}
	found := func(query string) bool {
		return strings.Contains(annals("search -o raw '"+query+"'"), `"username":"jane"`)
	}
	lines := func(name string) string {
		b, err := os.ReadFile(at(name))
		if err != nil {
			return ""
		}
		return string(b)
	}

	get("/api/v1/namespaces/one/pods?token=" + proxiedToken)
	until(t, "the event is in the ledger", func() bool { return found("ns:one code:200") })
	until(t, "the event is in the log", func() bool { return strings.Contains(lines("audit.log"), `"namespace":"one"`) })

	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ok", "/metrics": "apiserver_audit_event_total"} {
		res, err := http.Get("http://" + out.field("metrics") + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || !strings.Contains(string(b), want) {
			t.Errorf("%s: %d %s %v", path, res.StatusCode, b, err)
		}
	}

	// A hangup: the log was moved away, and the policy is another.
	if err := os.Rename(at("audit.log"), at("moved.log")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, at("policy.yaml"), policyOf("RequestResponse"))
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the change of policy is an event in the new log", func() bool { return strings.Contains(lines("audit.log"), `"resource":"policies"`) })
	get("/api/v1/namespaces/two/pods")
	until(t, "bodies are recorded", func() bool { return strings.Contains(lines("audit.log"), `"responseObject":{"kind":"PodList"`) })
	if strings.Contains(lines("moved.log"), `"namespace":"two"`) {
		t.Error("the log that was moved away goes on")
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v\n%s", err, &out)
	}
	if !found("ns:two") {
		t.Error("the last event is not in the ledger")
	}
	annals("verify")
	for name, text := range map[string]string{"what it said": out.String(), "log": lines("audit.log") + lines("moved.log"), "ledger": annals("search -o raw --limit 0")} {
		for _, secret := range []string{proxiedToken, "of-the-proxy"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds a credential:\n%s", name, text)
			}
		}
	}
}
