package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"annals.dev/internal/access"
	"annals.dev/internal/source"
)

// start runs a server until the test ends.
func start(t *testing.T, cfg Config) (at Addresses, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	cfg.Log, cfg.Started = quiet, func(a Addresses) { started <- a }
	go func() { ended <- Run(ctx, cfg) }()
	select {
	case at = <-started:
	case err := <-ended:
		cancel()
		t.Fatalf("the server did not start: %v", err)
	}
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() { stop() })
	return at, stop
}

func TestRun(t *testing.T) {
	dir := newDir(t)
	log := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(log, []byte(eventText(1, "create")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at, stop := start(t, Config{Dir: dir, Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", Follow: []source.FollowSource{{Cluster: "prod", Path: log}}})
	info, err := os.Stat(filepath.Join(dir, socketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info, err)
	}
	client, err := Connect(t.Context(), dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if client.Local() {
		t.Error("the directory was opened beside the server")
	}
	// What is followed arrives; a follower has no other sign of that.
	ctx, cancel := context.WithCancel(t.Context())
	_, err = client.Search(ctx, SearchQuestion{Query: "cluster:prod", Follow: true, Limit: 1}, func(Row) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("following the ledger: %v", err)
	}
	resp, err := http.Get("http://" + at.HTTP + "/healthz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("page: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	if _, err := openServed(t.Context(), dir, quiet); err == nil || !strings.Contains(err.Error(), "a server runs on it already") {
		t.Errorf("a second server: %v", err)
	}
	report, err := Verify(t.Context(), dir, VerifyQuestion{}, func(VerifyProgress) {})
	if err != nil || len(report.Findings) > 0 {
		t.Errorf("verify: %+v, %v", report, err)
	}
	client.Close()
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, socketName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	client, err = Connect(t.Context(), dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if !client.Local() {
		t.Error("a server answers after it has stopped")
	}
}

// What an API server delivers is found at once, and another cluster's token delivers nothing.
func TestWebhookToSearch(t *testing.T) {
	dir := newDir(t)
	at, _ := start(t, Config{Dir: dir, Listen: "127.0.0.1:0"})
	keys, err := access.Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := keys.NewToken("prod", "")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(keys.ServerCA())
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer hc.CloseIdleConnections()
	post := func(cluster string) int {
		body := `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + eventText(1, "create") + `]}`
		req, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+at.Webhook+"/v1/audit/"+cluster+"/cp-1", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := post("stage"); got != http.StatusForbidden {
		t.Errorf("another cluster's token: %d", got)
	}
	if got := post("prod"); got != http.StatusOK {
		t.Fatalf("delivery: %d", got)
	}
	client, err := Connect(t.Context(), dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	cov, err := client.Search(t.Context(), SearchQuestion{Query: "verb:create resource:secrets"}, func(r Row) error {
		if r.Origin != "webhook/cp-1" || r.Cluster != "prod" {
			t.Errorf("row %+v", r)
		}
		return nil
	})
	if err != nil || cov.Returned != 1 {
		t.Errorf("coverage %+v, %v", cov, err)
	}
}

func TestRunRefuses(t *testing.T) {
	at, _ := start(t, Config{Dir: newDir(t), HTTP: "127.0.0.1:0"})
	for _, c := range []struct {
		name string
		cfg  Config
		says string
	}{
		{"no directory", Config{Dir: filepath.Join(t.TempDir(), "gone")}, "annals init"},
		{"no ledger", Config{Dir: t.TempDir()}, "annals init"},
		{"demo for all", Config{Dir: newDir(t), HTTP: "0.0.0.0:0", Demo: true}, "for loopback alone"},
		{"page without port", Config{Dir: newDir(t), HTTP: "127.0.0.1"}, "127.0.0.1:7090"},
		{"page's port taken", Config{Dir: newDir(t), HTTP: at.HTTP}, "--http"},
		{"webhook's port taken", Config{Dir: newDir(t), Listen: at.HTTP}, "--listen"},
		{"follow for Annals itself", Config{Dir: newDir(t), Follow: []source.FollowSource{{Cluster: "annals", Path: "/x"}}}, "annals"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Log = quiet
			err := Run(t.Context(), c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

// Parts end in reverse, each before the one it relies on; one that fails ends all.
func TestRunParts(t *testing.T) {
	var ended []string
	wait := func(name string) part {
		return part{name, func(ctx context.Context) error { <-ctx.Done(); ended = append(ended, name); return nil }, func() {}}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := runParts(ctx, []part{wait("a"), wait("b"), wait("c")}, quiet, cancel); err != nil {
		t.Error(err)
	}
	if !slices.Equal(ended, []string{"c", "b", "a"}) {
		t.Errorf("ended in the order %v", ended)
	}
	ended = nil
	boom := errors.New("boom")
	failing := part{"x", func(context.Context) error { return boom }, func() {}}
	if err := runParts(t.Context(), []part{wait("a"), failing}, slog.New(slog.DiscardHandler), func() {}); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(ended, []string{"a"}) {
		t.Errorf("after a failure ended %v", ended)
	}
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30), "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	run := t.TempDir()
	if err := os.Chmod(run, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, runtime := range []string{run, ""} {
		t.Setenv("XDG_RUNTIME_DIR", runtime)
		l, err := listenSocket(dir)
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				c.Close()
			}
			accepted <- err
		}()
		c, err := dialSocket(dir)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := <-accepted; err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := dialSocket(dir); !errors.Is(err, ErrNoServer) {
			t.Errorf("after the end: %v", err)
		}
	}
	// A folder that others may write is no place for a socket.
	t.Setenv("XDG_RUNTIME_DIR", run)
	if err := os.Chmod(run, 0o777); err != nil {
		t.Fatal(err)
	}
	if l, err := listenSocket(dir); err == nil {
		l.Close()
		t.Error("took a runtime directory that is open to others")
	}
}
